"""Which addresses may be connected to: `ip_range_blacklist` and `ip_range_whitelist`.

Pure. Asked with the address that a connection is about to be opened to, so no name, redirect or SRV record leads around
it. An IPv6 address that stands for an IPv4 address counts as both.
"""

from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network

_ALWAYS_BLOCKED = ("0.0.0.0", "::")  # noqa: S104  # nobody listens here: these are destinations
_NAT64 = IPv6Network("64:ff9b::/96")
_COMPATIBLE = IPv6Network("::/96")
_Range = tuple[int, int]


class AddressRules:
    """Blocked networks, and exceptions from them."""

    def __init__(self, *, blocked: Iterable[str], allowed: Iterable[str] = ()) -> None:
        self._always = _ranges(_ALWAYS_BLOCKED)
        self._blocked = _ranges(blocked)
        self._allowed = _ranges(allowed)

    def allow(self, address: str) -> bool:
        """Whether a connection to this IP literal may be opened; false for what is no address."""
        try:
            forms = list(_forms(address))
        except ValueError:
            return False
        if any(_within(form, self._always) for form in forms):
            return False
        return not any(_within(form, self._blocked) and not _within(form, self._allowed) for form in forms)


def _forms(address: str) -> Iterator[IPv4Address | IPv6Address]:
    """The address, and the IPv4 addresses that a router or the system might make of it."""
    parsed = ip_address(address.partition("%")[0])
    if isinstance(parsed, IPv6Address):
        inner = parsed.ipv4_mapped or parsed.sixtofour
        if inner is None and (parsed in _NAT64 or (parsed in _COMPATIBLE and int(parsed) > 1)):
            inner = IPv4Address(int(parsed) & 0xFFFFFFFF)
        if inner is not None:
            yield inner
    yield parsed


def _ranges(networks: Iterable[str]) -> dict[int, list[_Range]]:
    """First and last address of each network, by IP version. Networks may be written as mapped ones, too."""
    ranges: dict[int, list[_Range]] = {4: [], 6: []}
    for text in networks:
        network = ip_network(text, strict=False)
        ranges[network.version].append((int(network.network_address), int(network.broadcast_address)))
        first = network.network_address
        if isinstance(first, IPv6Address) and first.ipv4_mapped is not None and network.prefixlen >= 96:
            size = network.num_addresses - 1
            ranges[4].append((int(first.ipv4_mapped), int(first.ipv4_mapped) + size))
    return ranges


def _within(address: IPv4Address | IPv6Address, ranges: dict[int, list[_Range]]) -> bool:
    number = int(address)
    return any(first <= number <= last for first, last in ranges[address.version])
