"""`listeners` as typed objects."""

import ipaddress
from typing import cast

from ranvier.config.sections import Listener, ListenerType, Resource
from ranvier.config.values import Values

_EVERYWHERE = ("::", "0.0.0.0")  # noqa: S104  # what the option means when it is left out

_LOOPBACK = ("::1", "127.0.0.1")  # what it means for a manhole


def build_listeners(values: Values) -> tuple[Listener, ...]:
    """Every listener, and the manhole that `manhole` is short for; mistakes are noted."""
    listeners = [_listener(entry, values) for entry in values.items("listeners")]
    manhole = values.integer_or_none("manhole")
    return (*listeners, *(() if manhole is None else (_manhole(manhole, values),)))


def _manhole(port: int, server: Values) -> Listener:
    return Listener(
        type="manhole",
        port=port,
        bind_addresses=_LOOPBACK,
        path=None,
        mode=None,
        tls=False,
        x_forwarded=False,
        tag=None,
        request_id_header=None,
        resources=(),
        log_prefix=server.text("request_log_prefix"),
    )


def _listener(entry: Values, server: Values) -> Listener:
    port, path = entry.integer_or_none("port"), entry.text_or_none("path")
    kind = cast(ListenerType, entry.text("type"))
    _check_listener(entry, server, port=port, path=path, kind=kind)
    return Listener(
        type=kind,
        port=port,
        bind_addresses=() if path is not None else _addresses(entry, kind),
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
    if kind == "manhole":
        _check_manhole(entry, server)


def _check_manhole(entry: Values, server: Values) -> None:
    """The password that every manual prints must not open the server to a network."""
    if entry.boolean("tls"):
        entry.error("tls", "is not for a manhole: SSH encrypts by itself")
    elsewhere = [address for address in _addresses(entry, "manhole") if not _is_loopback(address)]
    if elsewhere and not server.is_set("manhole_settings.password") and entry.text_or_none("path") is None:
        entry.error(
            "bind_addresses",
            f"{elsewhere[0]} can be reached from elsewhere, and the manhole's password is the one that everybody knows: "
            "set manhole_settings.password, or leave the manhole on 127.0.0.1",
        )


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return address == "localhost"


def _addresses(entry: Values, kind: ListenerType) -> tuple[str, ...]:
    single = entry.text_or_none("bind_address")
    addresses = entry.texts("bind_addresses") + ((single,) if single else ())
    return tuple(dict.fromkeys(addresses)) or (_LOOPBACK if kind == "manhole" else _EVERYWHERE)
