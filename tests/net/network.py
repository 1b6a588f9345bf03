"""The real transport, in a world of loopback servers."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from ranvier.config.load import parse
from ranvier.config.model import Config
from ranvier.net.discovery import Discovery
from ranvier.net.exchange import Exchange
from ranvier.net.open import open_transport
from ranvier.net.peer import Endpoint, Peer
from ranvier.net.transport import NetTransport, Reach
from ranvier.net.well_known import WellKnown
from ranvier.ports import Clock, FederationAnswer, FederationStream, SystemClock
from tests.net.authority import Authority
from tests.net.names import FakeResolver


class Ports:
    """An `Exchange` in front of another: nobody may listen on port 443 in a test, so it stands for another one."""

    def __init__(self, inner: Exchange, ports: Mapping[int, int]) -> None:
        self._inner = inner
        self._ports = ports

    def exchange(
        self,
        *,
        method: str,
        peer: Peer,
        target: str,
        headers: Mapping[str, str],
        body: bytes | None,
        limit_bytes: int,
    ) -> AbstractAsyncContextManager[FederationStream]:
        endpoints = tuple(Endpoint(end.host, self._ports.get(end.port, end.port)) for end in peer.endpoints)
        return self._inner.exchange(
            method=method,
            peer=replace(peer, endpoints=endpoints),
            target=target,
            headers=headers,
            body=body,
            limit_bytes=limit_bytes,
        )

    async def close(self) -> None:
        await self._inner.close()


@asynccontextmanager
async def network(
    resolver: FakeResolver,
    *,
    trusting: Authority | None = None,
    ports: Mapping[int, int] | None = None,
    options: Mapping[str, object] | None = None,
) -> AsyncIterator[NetTransport]:
    """A transport with these options, without blocked addresses unless they say so, that trusts one authority."""
    config = configured(options or {}, trusting=trusting)
    clock = SystemClock()
    transport = open_transport(config, clock=clock, resolver=resolver)
    if ports is not None:
        reach = transport._open()
        transport = NetTransport(lambda: _behind_ports(reach, ports, clock))
    try:
        yield transport
    finally:
        await transport.close()


def configured(options: Mapping[str, object], *, trusting: Authority | None) -> Config:
    """The configuration of a server that trusts one authority, and blocks no addresses unless it says so."""
    given = {"server_name": "here.example", "ip_range_blacklist": [], **options}
    with TemporaryDirectory() as folder:
        if trusting is not None:
            path = Path(folder, "ca.pem")
            path.write_text(trusting.pem)
            given["federation_custom_ca_list"] = [str(path)]
        return parse(given)


def _behind_ports(reach: Reach, ports: Mapping[int, int], clock: Clock) -> Reach:
    https = Ports(reach.https, ports)
    well_known = WellKnown(https=https, clock=clock)
    discovery = Discovery(resolver=reach.resolver, well_known=well_known, clock=clock)
    return Reach(resolver=reach.resolver, https=https, discovery=discovery)


async def ask(
    transport: NetTransport,
    destination: str,
    *,
    method: str = "GET",
    target: str = "/",
    body: bytes | None = None,
    timeout_s: float = 5,
    limit_bytes: int = 1 << 20,
    headers: Mapping[str, str] | None = None,
) -> FederationAnswer:
    """One request."""
    return await transport.request(
        method=method,
        destination=destination,
        target=target,
        headers=headers or {},
        body=body,
        timeout_s=timeout_s,
        limit_bytes=limit_bytes,
    )
