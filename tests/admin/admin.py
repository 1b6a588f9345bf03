"""An administrator, who asks the admin API."""

import asyncio
from collections.abc import Mapping
from typing import Any

from ranvier.store import background_updates
from tests.api.asgi import Answer, Client, part
from tests.api.homeserver import Homeserver


class Admin:
    """Calls `/_synapse/admin`."""

    def __init__(self, server: Homeserver, client: Client) -> None:
        self.server = server
        self.client = client

    @classmethod
    async def of(cls, server: Homeserver, name: str = "root") -> "Admin":
        """A new account, made an administrator."""
        client = await server.register(name)
        await server.server.users.account_changes.set_flag(client.user_id, "admin", value=True)
        return cls(server, client)

    async def ask(
        self, method: str, path: str, body: object = None, *, client: Client | None = None, **query: str | list[str]
    ) -> Answer:
        """One request to a path below `/_synapse/admin`, which is percent-encoded already."""
        return await (client or self.client).request(method, "/_synapse/admin" + path, body, query=query)

    async def get(self, path: str, query: Mapping[str, str | list[str]] | None = None) -> Any:
        """The JSON of an answer that must be 200."""
        return (await self.client.request("GET", "/_synapse/admin" + path, query=query)).ok()

    async def post(self, path: str, body: object = None) -> Any:
        """The JSON of an answer that must be 200."""
        return (await self.ask("POST", path, {} if body is None else body)).ok()

    async def put(self, path: str, body: object) -> Any:
        """The JSON of an answer that must be 200."""
        return (await self.ask("PUT", path, body)).ok()

    async def delete(self, path: str, body: object = None) -> Any:
        """The JSON of an answer that must be 200."""
        return (await self.ask("DELETE", path, body)).ok()

    async def until_updated(self) -> None:
        """Wait for the background updates that have been started."""
        while True:
            if not await background_updates.unfinished(self.server.db):
                return
            await asyncio.sleep(0.01)


def user(name: str, *, v: int = 1) -> str:
    """The path of a user of the server."""
    return f"/v{v}/users/{part(f'@{name}:ranvier.test')}"
