"""Whom to connect to, and as whom that machine must prove itself."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A machine and a port. `host` is a DNS name or an IP literal, without brackets."""

    host: str
    port: int


@dataclass(frozen=True, slots=True)
class Peer:
    """Where a server was found.

    Spec: server-server API, "Resolving server names": where to connect, what to send as `Host`, and which name the
    certificate must be for are three different things.
    """

    endpoints: tuple[Endpoint, ...]
    """In the order in which to try them."""
    host_header: str
    tls_name: str
    """A DNS name, also sent as SNI, or an IP literal without brackets."""


def without_brackets(host: str) -> str:
    """The host of a server name as resolvers and certificates have it."""
    return host[1:-1] if host.startswith("[") else host
