"""Two people with matrix-js-sdk; and one of them with somebody who has matrix-nio."""

from tests.clients.conftest import OpenClient
from tests.clients.conversation import converse
from tests.services.homeserver import HomeserverProcess


async def test_js_sdk_with_js_sdk(homeserver_process: HomeserverProcess, open_js: OpenClient) -> None:
    url = homeserver_process.url
    await converse(await open_js(url), await open_js(url))


async def test_js_sdk_with_nio(
    homeserver_process: HomeserverProcess, open_js: OpenClient, open_nio: OpenClient
) -> None:
    url = homeserver_process.url
    await converse(await open_js(url), await open_nio(url))


async def test_nio_with_js_sdk(
    homeserver_process: HomeserverProcess, open_js: OpenClient, open_nio: OpenClient
) -> None:
    url = homeserver_process.url
    await converse(await open_nio(url), await open_js(url))
