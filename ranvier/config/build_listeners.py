"""`listeners` as typed objects."""

from typing import cast

from ranvier.config.sections import Listener, ListenerType, Resource
from ranvier.config.values import Values

_EVERYWHERE = ("::", "0.0.0.0")  # noqa: S104  # what the option means when it is left out

_NOT_OPENED_YET = frozenset({"manhole"})
"""Types that nothing opens (`Homeserver._openers`)."""


def build_listeners(values: Values) -> tuple[Listener, ...]:
    """Every listener; mistakes are noted."""
    return tuple(_listener(entry, values) for entry in values.items("listeners"))


def _listener(entry: Values, server: Values) -> Listener:
    port, path = entry.integer_or_none("port"), entry.text_or_none("path")
    kind = cast(ListenerType, entry.text("type"))
    _check_listener(entry, server, port=port, path=path, kind=kind)
    return Listener(
        type=kind,
        port=port,
        bind_addresses=() if path is not None else _addresses(entry),
        path=path,
        mode=entry.integer_or_none("mode"),
        tls=entry.boolean("tls"),
        x_forwarded=entry.boolean("x_forwarded"),
        tag=entry.text_or_none("tag") if kind == "http" else None,
        request_id_header=entry.text_or_none("request_id_header"),
        resources=tuple(
            Resource(names=resource.texts("names"), compress=resource.boolean("compress"))
            for resource in entry.items("resources")
        ),
        log_prefix=server.text("request_log_prefix"),
    )


def _check_listener(entry: Values, server: Values, *, port: int | None, path: str | None, kind: str) -> None:
    if port is None and path is None and not entry.is_written("port"):
        entry.error("port", "is required (or path, for a unix socket)")
    if port is not None and path is not None:
        entry.error("path", "is set beside port; a listener has one of them")
    if entry.boolean("tls"):
        if path is not None:
            entry.error("tls", "is not for unix sockets")
        for option in ("tls_certificate_path", "tls_private_key_path"):
            if not server.is_set(option):
                entry.error("tls", f"needs {option}")
    for at in entry.mapping("additional_resources"):
        entry.error(
            f"additional_resources.{at}",
            "classes that answer requests cannot be loaded: they are written against another server's web framework. "
            "Let a program of its own serve them, and the reverse proxy send requests for this path there",
        )
    if kind in _NOT_OPENED_YET:
        entry.warn("type", f"listeners of type {kind} are known, but not opened yet")


def _addresses(entry: Values) -> tuple[str, ...]:
    single = entry.text_or_none("bind_address")
    addresses = entry.texts("bind_addresses") + ((single,) if single else ())
    return tuple(dict.fromkeys(addresses)) or _EVERYWHERE
