"""A homeserver in a thread of its own, on a real socket: the fuzzer's client is not asynchronous."""

import asyncio
import contextlib
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import requests

from ranvier.app.homeserver import Homeserver
from ranvier.config.load import parse
from ranvier.http.listeners import serve_listeners
from ranvier.http.route import Route
from tests.api.homeserver import OPTIONS

LISTENER: Mapping[str, Any] = {
    "type": "http",
    "port": 0,
    "bind_addresses": ["127.0.0.1"],
    "resources": [{"names": ["client"]}],
}


@dataclass(frozen=True, slots=True)
class Target:
    """Where it listens, what it serves, and somebody's token."""

    base_url: str
    routes: tuple[Route, ...]
    token: str
    user_id: str
    room_id: str
    thread_id: int

    def cpu_s(self) -> float:
        """What the server's event loop has computed so far: other programs, and the disk, have no part in it."""
        return time.clock_gettime(time.pthread_getcpuclockid(self.thread_id))


@contextlib.contextmanager
def serving(database: Mapping[str, Any], **options: object) -> Iterator[Target]:
    """A server on this database, with one account that is in one room."""
    loop = asyncio.new_event_loop()
    started = threading.Event()
    found: list[Target] = []
    failed: list[BaseException] = []
    stop = asyncio.Event()

    async def run() -> None:
        config = parse({**OPTIONS, "listeners": [LISTENER], "database": database, **options})
        server = await Homeserver.start(config)
        listeners = await serve_listeners(
            server.routes, config.listeners, authenticator=server.users.sessions, limiters=server.limiters
        )
        try:
            address = listeners.addresses[0][1]
            assert isinstance(address, tuple)
            base_url = f"http://127.0.0.1:{address[1]}"
            found.append(await asyncio.to_thread(_account, base_url, tuple(server.routes), threading.get_ident()))
            started.set()
            await stop.wait()
        finally:
            await listeners.stop(grace_s=1)
            await server.close()

    def main() -> None:
        try:
            loop.run_until_complete(run())
        except Exception as error:  # noqa: BLE001  # raised again where the server was asked for
            failed.append(error)
        finally:
            loop.close()
            started.set()

    thread = threading.Thread(target=main, name="homeserver")
    thread.start()
    started.wait()
    try:
        if failed:
            raise failed[0]
        yield found[0]
    finally:
        if not loop.is_closed():
            loop.call_soon_threadsafe(stop.set)
        thread.join()


def _account(base_url: str, routes: tuple[Route, ...], thread_id: int) -> Target:
    """Register an account and let it make a room."""
    body: Any = {"username": "fuzz", "password": "x", "auth": {"type": "m.login.dummy"}}
    made = requests.post(f"{base_url}/_matrix/client/v3/register", json=body, timeout=10).json()
    token: str = made["access_token"]
    headers = {"Authorization": f"Bearer {token}"}
    room = requests.post(f"{base_url}/_matrix/client/v3/createRoom", json={}, headers=headers, timeout=10).json()
    return Target(base_url, routes, token, made["user_id"], room["room_id"], thread_id)
