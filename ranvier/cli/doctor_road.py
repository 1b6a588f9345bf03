"""What `ranvier doctor` sees of the road that other servers take to this one: delegation, DNS, connection, TLS.

Spec: server-server API, "Resolving server names". Each station is a finding of its own; behind one that cannot be passed
nothing is looked at.
"""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final

from ranvier.cli.doctor_findings import Finding
from ranvier.cli.doctor_knock import Knock, knock
from ranvier.net.address_rules import AddressRules
from ranvier.net.discovery import direct
from ranvier.net.peer import Endpoint, Peer
from ranvier.net.proxies import Proxies
from ranvier.net.resolver import LookupFailed
from ranvier.net.tls import TrustRules
from ranvier.net.transport import Reach
from ranvier.net.well_known import WellKnown, delegated_name
from ranvier.ports import FederationUnreachable

TIMEOUT_S: Final = 20.0
SOON_S: Final = 14 * 24 * 3600
_NONE_THERE: Final = (404, 410)


@dataclass(frozen=True, slots=True)
class Road:
    """What one goes by."""

    reach: Reach
    well_known: WellKnown
    rules: AddressRules
    trust: TrustRules
    proxies: Proxies


@dataclass(slots=True)
class Passage:
    """What was found, and how far one gets."""

    findings: list[Finding]
    is_passable: bool = False
    leads_home: bool = False
    """Whoever answers is on this machine."""


async def examine_road(server_name: str, road: Road, *, now_s: float) -> Passage:
    """Go as far as one gets. Nothing is remembered of it."""
    passage = Passage([])
    try:
        if direct(server_name) is None:
            passage.findings.append(await _delegation(server_name, road.well_known))
        else:
            text = f"not asked for, because {server_name} names {'a port' if _has_port(server_name) else 'an address'}"
            passage.findings.append(Finding("ok", "delegation", text))
        peer = await road.reach.discovery.find(server_name)
    except FederationUnreachable as error:
        passage.findings.append(
            Finding("error", "delegation", str(error), "correct the SRV record, or the port in the name")
        )
        return passage
    doors = []
    for endpoint in peer.endpoints:
        finding, addresses = await _addresses(endpoint, road)
        passage.findings.append(finding)
        doors += [(endpoint, address) for address in addresses]
    if doors:
        await _knock_at(doors, peer, road, passage, now_s=now_s)
    return passage


def _has_port(server_name: str) -> bool:
    return ":" in server_name.rpartition("]")[2]


async def _delegation(host: str, well_known: WellKnown) -> Finding:
    url = f"https://{host}/.well-known/matrix/server"
    remedy = f'to delegate, let {url} answer {{"m.server": "matrix.{host}:443"}}'
    try:
        async with asyncio.timeout(TIMEOUT_S):
            answer = await well_known.fetch(host)
    except (FederationUnreachable, TimeoutError) as error:
        reason = str(error) or "no answer"
        return Finding("note", "delegation", f"none: {url} cannot be read ({reason})", f"fine without it; {remedy}")
    if answer is None:
        return Finding("warning", "delegation", f"{url} is redirected to nowhere", remedy)
    name = delegated_name(answer)
    if name is not None:
        return Finding("ok", "delegation", f"{host} delegates to {name}")
    if answer.status in _NONE_THERE:
        return Finding("ok", "delegation", f"none: {url} is not there")
    return Finding(
        "warning",
        "delegation",
        f"{url} answers with status {answer.status} and names no server, so it does not count",
        remedy,
    )


async def _addresses(endpoint: Endpoint, road: Road) -> tuple[Finding, Sequence[str]]:
    """Of a machine that answers for the server."""
    try:
        addresses: Sequence[str] = (str(ip_address(endpoint.host)),)
    except ValueError:
        try:
            addresses = await road.reach.resolver.addresses(endpoint.host)
        except LookupFailed as error:
            remedy = f"make an A or AAAA record for {endpoint.host}, or delegate to a name that has one"
            return Finding("error", "dns", str(error), remedy), ()
    named = f"{endpoint.host} port {endpoint.port} is {', '.join(addresses)}"
    private = [address for address in addresses if not ip_address(address.partition("%")[0]).is_global]
    if private:
        return (
            Finding(
                "warning",
                "dns",
                f"{named}; servers elsewhere cannot reach what is private of it: {', '.join(private)}",
                "let DNS name a public address (fine, if it does so for others, or if all servers are in one network)",
            ),
            addresses,
        )
    return Finding("ok", "dns", named), addresses


async def _knock_at(
    doors: Sequence[tuple[Endpoint, str]], peer: Peer, road: Road, passage: Passage, *, now_s: float
) -> None:
    context = road.trust.context_for(peer.tls_name)
    knocks: list[tuple[str, Knock]] = []
    for endpoint, address in doors:
        if road.proxies.for_https(endpoint.host) is not None:
            passage.findings.append(
                Finding(
                    "note", "connection", f"{endpoint.host} is reached by a proxy", "look at it from elsewhere, too"
                )
            )
            passage.is_passable = True
            return
        if not road.rules.allow(address):
            passage.findings.append(
                Finding(
                    "note",
                    "connection",
                    f"{address} is not tried, because ip_range_blacklist forbids it",
                    "look at the server from outside",
                )
            )
            continue
        door = f"{address} port {endpoint.port}"
        knocks.append((door, await knock(address, endpoint.port, context, peer.tls_name)))
    passage.findings += _connections(knocks)
    passage.findings += _certificates(knocks, peer.tls_name, now_s)
    open_doors = [found for _, found in knocks if found.connection_error is None and found.tls_error is None]
    passage.is_passable = bool(open_doors)
    passage.leads_home = any(found.is_this_machine for found in open_doors)


def _connections(knocks: Sequence[tuple[str, Knock]]) -> Iterator[Finding]:
    is_reached = any(found.connection_error is None for _, found in knocks)
    for door, found in knocks:
        if found.connection_error is None:
            yield Finding("ok", "connection", f"{door} is open")
        elif found.has_no_road:
            yield Finding(
                "note",
                "connection",
                f"{door} cannot be tried from here: {found.connection_error}",
                "try it from elsewhere",
            )
        else:
            yield Finding(
                "warning" if is_reached else "error",
                "connection",
                f"{door}: {found.connection_error}",
                "start the server, open the port in the firewall, forward it in the router"
                + ("; or take the address out of DNS" if is_reached else ""),
            )


def _certificates(knocks: Sequence[tuple[str, Knock]], tls_name: str, now_s: float) -> Iterator[Finding]:
    for door, found in knocks:
        if found.tls_error is not None:
            yield Finding(
                "error",
                "tls",
                f"{door} does not prove that it is {tls_name}: {found.tls_error}",
                f"there must be a certificate for {tls_name} from an authority that others trust, with its whole chain",
            )
        elif found.expires_s is not None:
            days = int((found.expires_s - now_s) // 86400)
            if found.expires_s - now_s < SOON_S:
                yield Finding("warning", "tls", f"the certificate at {door} expires in {days} days", "renew it")
            else:
                yield Finding("ok", "tls", f"the certificate at {door} is good for {days} days")
        elif found.connection_error is None:
            yield Finding(
                "note", "tls", f"{door} was not asked to prove itself", "look at federation_verify_certificates"
            )
