"""What `ranvier doctor` sees in a configuration that can be read: what newcomers get wrong. Pure."""

from collections.abc import Iterator

from ranvier.cli.doctor_findings import Finding
from ranvier.config.model import Config
from ranvier.net.peer import without_brackets
from ranvier.proto.ids import split_server_name

_LOOPBACK = ("127.0.0.1", "::1", "localhost")


def examine_config(config: Config) -> Iterator[Finding]:
    """Findings about the options alone."""
    yield _server_name(config)
    yield _public_baseurl(config)
    yield _registration(config)
    yield from _listeners(config)


def _server_name(config: Config) -> Finding:
    name = config.server_name
    host, port = split_server_name(name)
    if without_brackets(host) in _LOOPBACK:
        return Finding(
            "warning",
            "server_name",
            f"{name} means every machine itself, so no other server can reach this one, and the name cannot be changed later",
            "for more than a trial, begin anew with the domain that user IDs are to end in",
        )
    if host.replace(".", "").isdigit() or host.startswith("["):
        return Finding(
            "note",
            "server_name",
            f"{name} is an address: user IDs will end in it for ever",
            "a domain can move; an address cannot",
        )
    if port is not None:
        return Finding(
            "note",
            "server_name",
            f"{name} holds a port, which will be in every user ID",
            "to use another port than 8448, delegate by /.well-known/matrix/server instead",
        )
    return Finding("ok", "server_name", name)


def _public_baseurl(config: Config) -> Finding:
    if not config.public_baseurl_is_set:
        return Finding(
            "note",
            "public_baseurl",
            f"not set; {config.public_baseurl} is taken",
            "set it to the address that clients use, if that is another one",
        )
    if config.public_baseurl.startswith("http://"):
        return Finding(
            "warning",
            "public_baseurl",
            f"{config.public_baseurl} is not encrypted: everybody on the way can read passwords",
            "put TLS in front (a reverse proxy, or tls: true on the listener) and write https://",
        )
    return Finding("ok", "public_baseurl", config.public_baseurl)


def _registration(config: Config) -> Finding:
    if not config.enable_registration:
        return Finding("ok", "registration", "closed")
    if config.registration_requires_token:
        return Finding("ok", "registration", "open to those who have a token")
    return Finding(
        "warning",
        "registration",
        "open to everybody, programs that send spam too",
        "set registration_requires_token: true, or enable_registration: false and use register_new_matrix_user",
    )


def _listeners(config: Config) -> Iterator[Finding]:
    names = {name for listener in config.listeners for name in listener.resource_names}
    if "client" not in names:
        yield Finding("error", "listeners", "none serves clients", "add client to the resources of a listener")
    if "federation" not in names:
        yield Finding(
            "warning", "listeners", "none serves other servers", "add federation to the resources of a listener"
        )
    for listener in config.listeners:
        if listener.type != "http" or listener.tls or listener.port is None or "client" not in listener.resource_names:
            continue
        is_private = all(address in _LOOPBACK for address in listener.bind_addresses)
        if not is_private and not listener.x_forwarded:
            yield Finding(
                "warning",
                "listeners",
                f"port {listener.port} serves clients without TLS to every machine that can reach it",
                "bind it to 127.0.0.1 behind a reverse proxy, or set tls: true",
            )
        elif is_private and not listener.x_forwarded:
            yield Finding(
                "note",
                "listeners",
                f"port {listener.port} takes everybody for 127.0.0.1 if a reverse proxy stands in front of it",
                "with such a proxy, set x_forwarded: true: rate limits and logs need to know who asks",
            )
