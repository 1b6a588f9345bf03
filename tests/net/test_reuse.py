"""How many connections wait for their next request; and what is loaded only when it is needed."""

import subprocess
import sys

import pytest

from ranvier.net.reuse import Reuse
from tests.net.authority import Authority
from tests.net.names import FakeResolver
from tests.net.network import ask, network
from tests.net.peers import says, tls_peer


def test_only_so_many_stay_open() -> None:
    reuse = Reuse(limit=2, keep_s=50)
    assert [reuse.may_stay_open(key, now=0) for key in ("a", "b", "c", "a")] == [True, True, False, True]


def test_room_is_made_by_those_that_were_not_used() -> None:
    reuse = Reuse(limit=2, keep_s=50)
    assert reuse.may_stay_open("a", now=0)
    assert reuse.may_stay_open("b", now=10)
    assert reuse.may_stay_open("a", now=40)
    assert not reuse.may_stay_open("c", now=59)
    assert reuse.may_stay_open("c", now=60)
    assert not reuse.may_stay_open("b", now=60)


async def test_beyond_that_connections_are_closed(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ranvier.net.https._KEPT", 1)
    hosts = {f"{name}.example": ["127.0.0.1"] for name in ("a", "b")}
    context = authority.server_context("a.example", "b.example")
    async with (
        tls_peer(context, says(b"{}")) as peer,
        network(FakeResolver(hosts=hosts), trusting=authority) as transport,
    ):
        for name in ("a", "b", "a", "b"):
            await ask(transport, f"{name}.example:{peer.port}")
    # One for a, which is kept, and one for each request to b.
    assert [asked.connection for asked in peer.requests] == [1, 2, 1, 3]


def test_a_server_that_asks_nobody_loads_no_client() -> None:
    code = "import sys, ranvier.net.open; print([m for m in ('aiohttp', 'aiodns', 'pycares') if m in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "[]\n"
