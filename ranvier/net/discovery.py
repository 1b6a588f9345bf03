"""From a server name to the machine that answers for it.

Spec: server-server API, "Resolving server names"; the numbers of the steps are the section's.
"""

import math
import random
from collections.abc import Callable
from ipaddress import IPv4Address
from typing import Final

from ranvier.net.once import Once
from ranvier.net.peer import Endpoint, Peer, without_brackets
from ranvier.net.resolver import LookupFailed, Resolver
from ranvier.net.services import in_order
from ranvier.net.well_known import WellKnown
from ranvier.ports import Clock, FederationUnreachable
from ranvier.proto.ids import is_server_name, split_server_name

_PORT: Final = 8448
_SERVICES: Final = ("_matrix-fed._tcp.", "_matrix._tcp.")  # the second is deprecated (steps 3.4 and 5)
_SHORTEST_S: Final = 60.0
_LONGEST_S: Final = 3600.0
_REMEMBERED: Final = 10_000


class Discovery:
    """Finds servers, and remembers where they were."""

    def __init__(
        self, *, resolver: Resolver, well_known: WellKnown, clock: Clock, draw: Callable[[], float] = random.random
    ) -> None:
        self._resolver = resolver
        self._well_known = well_known
        self._clock = clock
        self._draw = draw
        self._known: dict[str, tuple[Peer, float]] = {}
        self._searching: Once[Peer] = Once()

    async def find(self, server_name: str) -> Peer:
        """Where the server is. Raises `FederationUnreachable` for what is no server name, or offers no service."""
        known = self._known.get(server_name)
        if known is not None and known[1] > self._clock.monotonic():
            return known[0]
        if not is_server_name(server_name):
            raise FederationUnreachable(f"{server_name[:100]!r} is no server name")
        peer = direct(server_name)
        if peer is None:
            return await self._searching.run(server_name, lambda: self._search(server_name))
        self._remember(server_name, peer, math.inf)
        return peer

    def forget(self, server_name: str) -> None:
        """Look again next time: the server was not there."""
        self._known.pop(server_name, None)

    async def close(self) -> None:
        """Give up on what is being looked for."""
        await self._searching.close()
        await self._well_known.close()

    async def _search(self, server_name: str) -> Peer:
        """Steps 3 to 6: of a DNS name without a port."""
        delegation = await self._well_known.delegate(server_name)
        until = delegation.until
        peer = None if delegation.server_name is None else direct(delegation.server_name)
        if peer is None:
            peer, lifetime_s = await self._by_services(delegation.server_name or server_name)
            until = min(until, self._clock.monotonic() + lifetime_s)
        self._remember(server_name, peer, until)
        return peer

    def _remember(self, server_name: str, peer: Peer, until: float) -> None:
        self._known.pop(server_name, None)
        if len(self._known) >= _REMEMBERED:
            del self._known[next(iter(self._known))]
        self._known[server_name] = (peer, until)

    async def _by_services(self, host: str) -> tuple[Peer, float]:
        """Steps 3.3 to 3.5, and 4 to 6: by SRV records, else at port 8448; and for how many seconds that holds."""
        endpoints: tuple[Endpoint, ...] = (Endpoint(host, _PORT),)
        lifetime_s = _LONGEST_S
        for service in _SERVICES:
            try:
                found = await self._resolver.services(service + host)
            except LookupFailed:
                # Some name servers fail where they should say that there is nothing.
                lifetime_s = _SHORTEST_S
                continue
            if found.records:
                ordered = in_order(found.records, self._draw)
                endpoints = tuple(
                    Endpoint(record.host.rstrip("."), record.port)
                    for record in ordered
                    if record.host.rstrip(".") and record.port
                )
                lifetime_s = min(_LONGEST_S, max(_SHORTEST_S, found.ttl_s))
                break
        if not endpoints:
            raise FederationUnreachable(f"{host} says by its SRV record that it offers no federation")
        return Peer(endpoints=endpoints, host_header=host, tls_name=host), lifetime_s


def direct(server_name: str) -> Peer | None:
    """Where a valid server name itself says that it is: steps 1 and 2, 3.1 and 3.2; None if it has to be looked up.

    Raises `FederationUnreachable` for a port that is none.
    """
    host, port = split_server_name(server_name)
    if port is not None and not 0 < port < 65536:
        raise FederationUnreachable(f"{server_name} has a port that there is not")
    if port is None and not _is_ip_literal(host):
        return None
    bare = without_brackets(host)
    return Peer(endpoints=(Endpoint(bare, port or _PORT),), host_header=server_name, tls_name=bare)


def _is_ip_literal(host: str) -> bool:
    if host.startswith("["):
        return True
    try:
        IPv4Address(host)
    except ValueError:
        return False
    return True
