"""Two people with matrix-nio."""

from tests.clients.conftest import OpenClient
from tests.clients.conversation import converse
from tests.services.homeserver import HomeserverProcess


async def test_nio_with_nio(homeserver_process: HomeserverProcess, open_nio: OpenClient) -> None:
    url = homeserver_process.url
    await converse(await open_nio(url), await open_nio(url))
