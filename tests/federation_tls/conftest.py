"""Two servers, and people on them."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest

from tests.clients.conftest import open_encrypting_nio
from tests.federation_tls.person import Person, open_person
from tests.federation_tls.server import FederatingServer, issue

__all__ = ["open_encrypting_nio", "pair", "servers"]


@dataclass(frozen=True, slots=True)
class Pair:
    """Two servers, one known by a host name and one by an address, and somebody on each."""

    one: FederatingServer
    two: FederatingServer
    alice: Person
    bob: Person


def watching(server_name: str) -> dict[str, object]:
    """Options: metrics with the times of a server's events."""
    return {"enable_metrics": True, "federation_metrics_domains": [server_name]}


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[tuple[FederatingServer, FederatingServer]]:
    """Two running servers that trust each other's authority. What they said is shown on failure."""
    certificates = issue(tmp_path)
    one = FederatingServer(tmp_path / "one", certificates, host="localhost", options={})
    two = FederatingServer(tmp_path / "two", certificates, host="127.0.0.1", options=watching(one.server_name))
    try:
        one.start()
        two.start()
        yield one, two
    finally:
        for server in (one, two):
            server.close()
            print(f"--- {server.server_name} said at last:\n{server.last_words()}")


@pytest.fixture
async def pair(servers: tuple[FederatingServer, FederatingServer]) -> AsyncIterator[Pair]:
    """The servers with people. No test may make a server fail inside."""
    one, two = servers
    async with aiohttp.ClientSession() as session:
        alice = await open_person(session, one.url, "alice")
        bob = await open_person(session, two.url, "bob")
        yield Pair(one, two, alice, bob)
    for server in servers:
        assert "Traceback" not in server.output(), server.last_words()
