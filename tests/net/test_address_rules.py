"""Which addresses a connection may be opened to."""

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ranvier.config.load import parse
from ranvier.net.address_rules import AddressRules

_DEFAULT = AddressRules(blocked=parse({"server_name": "test"}).outbound.ip_range_blacklist)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.1.2.3",
        "172.31.255.255",
        "192.168.0.1",
        "100.64.0.1",
        "169.254.169.254",
        "224.0.0.1",
        "0.0.0.0",
        "::",
        "::1",
        "fe80::1",
        "fe80::1%eth0",
        "fd00::1",
        "ff02::1",
        "::ffff:127.0.0.1",
        "::ffff:7f00:1",
        "::ffff:0.0.0.0",
        "::ffff:169.254.169.254",
        "::127.0.0.1",
        "2002:7f00:1::",
        "2002:a00:1::5",
        "64:ff9b::10.0.0.1",
        "64:ff9b::a9fe:a9fe",
        "localhost",
        "",
        "127.1",
        "2130706433",
    ],
)
def test_blocked_by_default(address: str) -> None:
    assert not _DEFAULT.allow(address)


@pytest.mark.parametrize(
    "address",
    ["1.1.1.1", "172.32.0.1", "2606:4700::1111", "::ffff:1.1.1.1", "64:ff9b::1.1.1.1", "2002:101:101::1"],
)
def test_allowed_by_default(address: str) -> None:
    assert _DEFAULT.allow(address)


def test_exceptions_from_the_blocked() -> None:
    rules = AddressRules(blocked=["10.0.0.0/8", "fd00::/8"], allowed=["10.1.0.0/16", "fd00::5"])
    assert rules.allow("10.1.2.3")
    assert rules.allow("::ffff:10.1.2.3")
    assert rules.allow("fd00::5")
    assert not rules.allow("10.2.2.3")
    assert not rules.allow("::ffff:10.2.2.3")
    assert not rules.allow("fd00::6")


def test_nothing_excepts_the_addresses_of_nobody() -> None:
    rules = AddressRules(blocked=[], allowed=["0.0.0.0/0", "::/0"])
    assert [rules.allow(address) for address in ("0.0.0.0", "::", "::ffff:0.0.0.0")] == [False] * 3
    assert rules.allow("127.0.0.1")


def test_a_network_written_as_a_mapped_one() -> None:
    rules = AddressRules(blocked=["::ffff:10.0.0.0/104"])
    assert not rules.allow("10.200.0.1")
    assert not rules.allow("::ffff:10.200.0.1")
    assert rules.allow("11.0.0.1")


def test_a_network_with_host_bits() -> None:
    assert not AddressRules(blocked=["10.1.2.3/8"]).allow("10.9.9.9")


@given(st.ip_addresses(), st.integers(0, 32))
def test_a_plain_address_is_blocked_just_in_its_networks(address: IPv4Address | IPv6Address, bits: int) -> None:
    size = bits if address.version == 4 else bits * 4
    network = ip_network(f"{address}/{size}", strict=False)
    rules = AddressRules(blocked=[str(network)])
    assert not rules.allow(str(address))
    assert not rules.allow(str(network.network_address))
    if network.broadcast_address != ip_address("ffff:" * 7 + "ffff") and network.version == 4 and size:
        outside = int(network.broadcast_address) + 1
        if outside < 2**32:
            assert rules.allow(str(IPv4Address(outside)))
