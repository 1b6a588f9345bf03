"""What helps whoever operates the server: the manhole, reports of errors, traces, background updates."""

from dataclasses import dataclass, field

from ranvier.config.values import Values


@dataclass(frozen=True, slots=True)
class ManholeSettings:
    """`manhole_settings`: who may come in, and how the server proves that it is itself."""

    username: str
    password: str = field(repr=False)
    ssh_priv_key_path: str | None
    """`None`: a key that follows from the server's signing key."""
    ssh_pub_key_path: str | None


def build_manhole(values: Values) -> ManholeSettings:
    """`manhole_settings`."""
    private, public = (values.text_or_none(f"manhole_settings.ssh_{half}_key_path") for half in ("priv", "pub"))
    if public is not None and private is None:
        values.error("manhole_settings.ssh_pub_key_path", "needs ssh_priv_key_path")
    return ManholeSettings(
        username=values.text("manhole_settings.username"),
        password=values.text("manhole_settings.password"),
        ssh_priv_key_path=private,
        ssh_pub_key_path=public,
    )


def build_experiments(values: Values) -> bool:
    """`experimental_features.faster_joins`; of other switches it is said that they are none."""
    for section in ("experimental_features", "experimental"):
        for name in values.mapping(section):
            if name != "faster_joins":
                values.warn(
                    f"{section}.{name}", "is no switch here: what is built is on; docs/conformance.md has a list"
                )
    return all(values.boolean(f"{section}.faster_joins") for section in ("experimental_features", "experimental"))


@dataclass(frozen=True, slots=True)
class BackgroundUpdatesConfig:
    """`background_updates`: how much is done at a time, and how long others have their turn then."""

    duration_ms: int
    sleep_ms: int
    """0: no rest."""
    min_batch_size: int
    default_batch_size: int
    """While nobody knows how long an item takes."""


def build_background_updates(values: Values) -> BackgroundUpdatesConfig:
    """`background_updates`."""
    section = "background_updates"
    sleeps = values.boolean(f"{section}.sleep_enabled")
    return BackgroundUpdatesConfig(
        duration_ms=values.integer(f"{section}.background_update_duration_ms"),
        sleep_ms=values.integer(f"{section}.sleep_duration_ms") if sleeps else 0,
        min_batch_size=values.integer(f"{section}.min_batch_size"),
        default_batch_size=values.integer(f"{section}.default_batch_size"),
    )


@dataclass(frozen=True, slots=True)
class SentryConfig:
    """`sentry`."""

    dsn: str = field(repr=False)
    environment: str | None


def build_sentry(values: Values) -> SentryConfig | None:
    """`None`: nobody is told of errors."""
    dsn = values.text_or_none("sentry.dsn")
    return SentryConfig(dsn, values.text_or_none("sentry.environment")) if dsn else None
