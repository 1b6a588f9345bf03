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
