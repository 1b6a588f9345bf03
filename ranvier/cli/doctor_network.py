"""What `ranvier doctor` sees from outside: this server as other servers find it, and the clocks of others."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import msgspec

from ranvier.cli.doctor_clients import examine_clients
from ranvier.cli.doctor_clock import KEYS, LIMIT_BYTES, TIMEOUT_S, ask_clocks, compare, date_of
from ranvier.cli.doctor_findings import Finding
from ranvier.cli.doctor_road import Road, examine_road
from ranvier.config.model import Config
from ranvier.net.address_rules import AddressRules
from ranvier.net.open import open_reach
from ranvier.net.proxies import Proxies
from ranvier.net.resolver import Resolver
from ranvier.net.tls import TrustRules
from ranvier.net.transport import NetTransport
from ranvier.net.well_known import WellKnown
from ranvier.ports import Clock, FederationAnswer, FederationTransport, FederationUnreachable

MOST_CLOCKS: Final = 3


class _Keys(msgspec.Struct):
    server_name: str


@dataclass(frozen=True, slots=True)
class Network:
    """The network as the server itself would use it."""

    road: Road
    transport: NetTransport

    async def close(self) -> None:
        """Close connections and sockets."""
        await self.road.well_known.close()
        await self.transport.close()
        await self.road.reach.close()


def open_network(config: Config, *, clock: Clock, resolver: Resolver | None = None) -> Network:
    """Loads certificates. Raises `OSError` if they cannot be loaded."""
    trust = TrustRules(config.federation)
    reach = open_reach(config, clock=clock, resolver=resolver, trust=trust)
    road = Road(
        reach=reach,
        well_known=WellKnown(https=reach.https, clock=clock),
        rules=AddressRules(blocked=config.outbound.ip_range_blacklist, allowed=config.outbound.ip_range_whitelist),
        trust=trust,
        proxies=Proxies(config.outbound),
    )
    return Network(road, NetTransport(lambda: reach))


async def examine_network(config: Config, network: Network, *, now: Callable[[], float]) -> list[Finding]:
    """Go the road that all other servers take, ask for the keys, and look at the clocks of those who are trusted."""
    passage = await examine_road(config.server_name, network.road, now_s=now())
    findings = passage.findings
    if passage.is_passable:
        found, theirs_s = await ask_for_keys(config.server_name, network.transport)
        findings.append(found)
        if theirs_s is not None and not passage.leads_home:  # else it is this very clock
            findings.append(compare(f"what answers for {config.server_name}", theirs_s, now()))
    trusted = [server.server_name for server in config.key_servers.trusted if server.server_name != config.server_name]
    findings += await examine_clients(config, network.road.reach.https, network.road.well_known)
    return findings + await ask_clocks(trusted[:MOST_CLOCKS], network.transport, now=now)


async def ask_for_keys(server_name: str, transport: FederationTransport) -> tuple[Finding, float | None]:
    """Whether it is this server that answers; and when, by its clock, if it says so."""
    try:
        answer = await transport.request(
            method="GET",
            destination=server_name,
            target=KEYS,
            headers={},
            body=None,
            timeout_s=TIMEOUT_S,
            limit_bytes=LIMIT_BYTES,
        )
    except FederationUnreachable as error:
        text = f"other servers do not reach {server_name}: {error}"
        return Finding("error", "federation", text, "see that what listens there answers requests"), None
    return _keys(server_name, answer), date_of(answer)


def _keys(server_name: str, answer: FederationAnswer) -> Finding:
    try:
        told = msgspec.json.decode(answer.body, type=_Keys).server_name
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return Finding(
            "error",
            "federation",
            f"what answers for {server_name} is no homeserver (status {answer.status})",
            "let the reverse proxy pass on /_matrix, or delegate to where the server listens",
        )
    if told != server_name:
        return Finding(
            "error",
            "federation",
            f"at {server_name} answers {told}",
            "server_name must be what the world calls this server; or delegate to the right machine",
        )
    return Finding("ok", "federation", f"{server_name} is found by others")
