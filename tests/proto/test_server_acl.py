"""Server ACLs: the order of the rules, ports, addresses, and what is malformed."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ranvier.proto.server_acl import ServerAcl, acl_allows, host_of, is_ip_literal
from tests.proto.auth_room import new_room

ROOM = new_room("11")


@pytest.mark.parametrize(("content", "server_name", "expected"), [
    # Without an allow list nobody may.
    ({}, "a.example", False),
    ({"deny": []}, "a.example", False),
    ({"allow": []}, "a.example", False),
    ({"allow": ["*"]}, "a.example", True),
    ({"allow": ["b.example"]}, "a.example", False),
    # What is denied is denied, whatever is allowed.
    ({"allow": ["*"], "deny": ["a.example"]}, "a.example", False),
    ({"allow": ["a.example"], "deny": ["a.example"]}, "a.example", False),
    ({"allow": ["*"], "deny": ["*.evil.example"]}, "x.y.evil.example", False),
    ({"allow": ["*"], "deny": ["*.evil.example"]}, "evil.example", True),
    ({"allow": ["*"], "deny": ["evil?.example"]}, "evil1.example", False),
    ({"allow": ["*"], "deny": ["evil?.example"]}, "evil.example", True),
    # Ports do not count, on the side of the server.
    ({"allow": ["*"], "deny": ["a.example"]}, "a.example:8448", False),
    ({"allow": ["*"], "deny": ["a.example"]}, "a.example:1234", False),
    ({"allow": ["a.example"]}, "a.example:1234", True),
    ({"allow": ["*"], "deny": ["a.example:8448"]}, "a.example:8448", True),
    # Case does not count.
    ({"allow": ["*"], "deny": ["A.Example"]}, "a.example", False),
    ({"allow": ["*"], "deny": ["a.example"]}, "A.EXAMPLE", False),
    ({"allow": ["*"], "deny": ["*.EVIL.example"]}, "x.evil.EXAMPLE", False),
    # Addresses.
    ({"allow": ["*"], "allow_ip_literals": False}, "1.2.3.4", False),
    ({"allow": ["*"], "allow_ip_literals": False}, "1.2.3.4:8448", False),
    ({"allow": ["*"], "allow_ip_literals": False}, "[1234:5678::abcd]", False),
    ({"allow": ["*"], "allow_ip_literals": False}, "[1234:5678::abcd]:8448", False),
    ({"allow": ["1.2.3.4"], "allow_ip_literals": False}, "1.2.3.4", False),
    ({"allow": ["*"], "allow_ip_literals": False}, "a.example", True),
    ({"allow": ["*"], "allow_ip_literals": False}, "1.2.3.4.example", True),
    ({"allow": ["*"], "allow_ip_literals": True}, "1.2.3.4", True),
    ({"allow": ["*"]}, "1.2.3.4", True),
    ({"allow": ["*"], "deny": ["[::1]"]}, "[::1]:8448", False),
    # What is not a boolean allows addresses.
    ({"allow": ["*"], "allow_ip_literals": "false"}, "1.2.3.4", True),
    ({"allow": ["*"], "allow_ip_literals": 0}, "1.2.3.4", True),
    ({"allow": ["*"], "allow_ip_literals": None}, "1.2.3.4", True),
    # Malformed lists and entries count as left out.
    ({"allow": "*"}, "a.example", False),
    ({"allow": {"*": True}}, "a.example", False),
    ({"allow": [1, None, ["*"], "*"]}, "a.example", True),
    ({"allow": ["*"], "deny": "a.example"}, "a.example", True),
    ({"allow": ["*"], "deny": [{}, 7, "a.example"]}, "a.example", False),
])  # fmt: skip
def test_rules(content: dict[str, Any], server_name: str, expected: bool) -> None:
    acl = ServerAcl(content)
    assert acl.allows(server_name) is expected
    assert acl.allows(server_name) is expected  # The second answer is remembered.


def test_a_room_without_a_list_lets_everybody_in() -> None:
    assert acl_allows(None, "a.example")


def test_a_list_is_compiled_once() -> None:
    event = ROOM.event("m.room.server_acl", {"allow": ["*"], "deny": ["b.example"]}, state_key="")
    assert acl_allows(event, "a.example")
    compiled = event.parsed
    assert not acl_allows(event, "b.example")
    assert event.parsed is compiled


@pytest.mark.parametrize(("server_name", "host"), [
    ("a.example", "a.example"), ("a.example:1", "a.example"), ("[::1]", "[::1]"), ("[::1]:80", "[::1]"),
    ("1.2.3.4:80", "1.2.3.4"), ("", ""), (":", ":"), ("a:b", "a:b"), ("::1", "::1"), ("a:٣", "a:٣"),
])  # fmt: skip
def test_ports_are_cut_off(server_name: str, host: str) -> None:
    assert host_of(server_name) == host


@pytest.mark.parametrize("host", ["127.1", "2130706433", "010.0.0.1", "[::ffff:1.2.3.4]"])
def test_odd_forms_of_addresses_are_addresses(host: str) -> None:
    assert is_ip_literal(host)


def test_remembered_answers_are_bounded() -> None:
    acl = ServerAcl({"allow": ["*"], "deny": ["s7.example"]})
    for number in range(3000):
        assert acl.allows(f"s{number}.example") is (number != 7)
    assert len(acl._answers) <= 1000


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists), st.text())
def test_no_content_is_an_error(value: object, server_name: str) -> None:
    ServerAcl({"allow": value, "deny": value, "allow_ip_literals": value}).allows(server_name)
