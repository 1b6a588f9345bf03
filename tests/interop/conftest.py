"""A Ranvier and a Synapse that federate, for the whole session, and new people on both."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

import aiohttp
import pytest

from tests.clients.conftest import open_encrypting_nio
from tests.federation_tls.person import Person, open_person
from tests.federation_tls.server import FederatingServer, issue
from tests.interop.environment import synapse_python
from tests.interop.synapse import SynapseServer

__all__ = ["both", "neighbours", "open_encrypting_nio"]


@dataclass(frozen=True, slots=True)
class Neighbours:
    """Both servers, and somebody on each."""

    ranvier: FederatingServer
    synapse: SynapseServer
    rosa: Person
    """On Ranvier."""
    sam: Person
    """On Synapse."""
    session: aiohttp.ClientSession

    def host_and_guest(self, host: str) -> tuple[Person, Person]:
        """Whose room it is, `host` being a server's product, and who comes from the other server."""
        return (self.rosa, self.sam) if host == "ranvier" else (self.sam, self.rosa)

    async def another(self, person: Person) -> Person:
        """Somebody new on the same server."""
        return await open_person(self.session, self.server_of(person).url, "another")

    def server_of(self, person: Person) -> FederatingServer:
        """Where somebody lives."""
        return self.ranvier if person is self.rosa else self.synapse


@pytest.fixture(scope="session")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[FederatingServer, SynapseServer]]:
    """The two processes. What they said at last is shown on failure."""
    folder = tmp_path_factory.mktemp("interop")
    certificates = issue(folder)
    ranvier = FederatingServer(folder / "ranvier", certificates, host="localhost", options={})
    synapse = SynapseServer(folder / "synapse", certificates, python=synapse_python(), host="localhost")
    try:
        ranvier.start()
        synapse.start()
        yield ranvier, synapse
    finally:
        for server in (ranvier, synapse):
            server.close()
            print(f"--- {server.server_name} said at last:\n{server.last_words()}")


@pytest.fixture
async def neighbours(both: tuple[FederatingServer, SynapseServer]) -> AsyncIterator[Neighbours]:
    """The servers with new people. Ranvier may not fail inside."""
    ranvier, synapse = both
    async with aiohttp.ClientSession() as session:
        rosa = await open_person(session, ranvier.url, "rosa")
        sam = await open_person(session, synapse.url, "sam")
        yield Neighbours(ranvier, synapse, rosa, sam, session)
    assert "Traceback" not in ranvier.output(), ranvier.last_words()
