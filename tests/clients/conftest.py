"""People with clients."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from tests.clients.client import Client
from tests.clients.encrypting_nio import EncryptingNio
from tests.clients.js_client import open_js_client
from tests.clients.nio_client import NioClient

OpenClient = Callable[[str], Awaitable[Client]]
"""Opens a client of the server at a URL."""
OpenEncryptingNio = Callable[[str, str], EncryptingNio]
"""Opens a device with encryption at a URL, for a user with this local name."""


@pytest.fixture
async def open_nio() -> AsyncIterator[OpenClient]:
    """Opens clients with matrix-nio."""
    opened: list[Client] = []

    async def open_one(url: str) -> Client:
        client = NioClient(url)
        opened.append(client)
        return client

    yield open_one
    for client in opened:
        await client.close()


@pytest.fixture
async def open_js(node: Path, tmp_path: Path) -> AsyncIterator[OpenClient]:
    """Opens clients with matrix-js-sdk. What they logged is shown on failure."""
    opened: list[Client] = []

    def log(number: int) -> Path:
        return tmp_path / f"js-sdk{number}.log"

    async def open_one(url: str) -> Client:
        client = await open_js_client(node, url, log(len(opened)))
        opened.append(client)
        return client

    yield open_one
    for number, client in enumerate(opened):
        await client.close()
        print(f"--- js-sdk {number} logged:\n{log(number).read_text()}")


@pytest.fixture
async def open_encrypting_nio(tmp_path: Path) -> AsyncIterator[OpenEncryptingNio]:
    """Opens devices with matrix-nio and its encryption, each with a store of its own."""
    opened: list[EncryptingNio] = []

    def open_one(url: str, user: str) -> EncryptingNio:
        device = EncryptingNio(url, user, tmp_path / f"nio{len(opened)}")
        opened.append(device)
        return device

    yield open_one
    for device in opened:
        await device.client.close()
