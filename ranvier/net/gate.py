"""The door to the network: names become addresses here, and only allowed addresses get a socket."""

import errno
import socket
from ipaddress import ip_address
from typing import Any

from aiohttp.abc import AbstractResolver, ResolveResult

from ranvier.net.address_rules import AddressRules
from ranvier.net.resolver import LookupFailed, Resolver

AddressInfo = tuple[int | socket.AddressFamily, int | socket.SocketKind, int, str, tuple[Any, ...]]


class Names(AbstractResolver):
    """Our resolver, as the HTTP client wants it. Closing it closes nothing: others use the resolver, too."""

    def __init__(self, resolver: Resolver) -> None:
        self._resolver = resolver

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        try:
            addresses = await self._resolver.addresses(host)
        except LookupFailed as error:
            raise OSError(str(error)) from error
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ip_address(address).version == 6 else socket.AF_INET,
                proto=socket.IPPROTO_TCP,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for address in addresses
        ]

    async def close(self) -> None:
        return


class Gate:
    """Opens sockets for connections that the rules allow."""

    def __init__(self, rules: AddressRules) -> None:
        self._rules = rules

    def socket_for(self, info: AddressInfo) -> socket.socket:
        """A socket to connect to this very address. Raises `PermissionError` if that must not be."""
        family, kind, protocol, _, address = info
        if not self._rules.allow(str(address[0])):
            raise PermissionError(errno.EACCES, f"the address {address[0]} is blocked by ip_range_blacklist")
        return socket.socket(family, kind, protocol)
