"""How much memory an idle long poll costs: `python -m tests.abuse.long_polls 10000`. Each is of another user."""

import asyncio
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from tests.services.homeserver import HomeserverProcess

_AT_ONCE = 32
_API = "/_matrix/client/v3"
_CALM_S = 1.0


@dataclass(frozen=True, slots=True)
class Polled:
    """What so many polls at a time have cost."""

    polls: int
    before_kib: int
    """What was resident when everybody had an account and had synced once."""
    during_kib: int
    """And when everybody polled."""
    ended: int
    """Polls that were answered though nothing had happened."""

    @property
    def kib_each(self) -> float:
        return (self.during_kib - self.before_kib) / self.polls


async def poll(server: HomeserverProcess, polls: int) -> Polled:
    """So many people poll at the same time, and nothing happens; meanwhile the server answers others."""
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(server.url, connector=connector, timeout=aiohttp.ClientTimeout(600)) as session:
        waiting = list(range(polls))
        people: list[tuple[str, str]] = []

        async def register() -> None:
            while waiting:
                account = {"username": f"p{waiting.pop()}", "password": "secret", "auth": {"type": "m.login.dummy"}}
                token = (await _ask(session, "POST", "/register", account))["access_token"]
                people.append((token, (await _ask(session, "GET", "/sync", token=token))["next_batch"]))

        await asyncio.gather(*(register() for _ in range(_AT_ONCE)))
        before_kib = _resident_kib(server.pid)
        tasks = [
            asyncio.create_task(_ask(session, "GET", f"/sync?timeout=300000&since={since}", token=token))
            for token, since in people
        ]
        while len(connector._acquired) < polls:  # noqa: ASYNC110  # the client has no event for it
            await asyncio.sleep(0.05)
        for _ in range(10):
            # Requests of others come behind the polls, so these have been read when the answers are there.
            await _ask(session, "GET", "/account/whoami", token=people[0][0])
        await asyncio.sleep(_CALM_S)
        during_kib = _resident_kib(server.pid)
        ended = sum(task.done() for task in tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return Polled(polls, before_kib, during_kib, ended)


async def _ask(session: aiohttp.ClientSession, method: str, path: str, body: Any = None, *, token: str = "") -> Any:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    async with session.request(method, _API + path, json=body, headers=headers) as answer:
        assert answer.status == 200, await answer.text()
        return await answer.json()


def _resident_kib(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS:"))


def main() -> None:
    """Tell what it costs."""
    polls = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    with tempfile.TemporaryDirectory() as folder:
        database: dict[str, object] = {"name": "sqlite3", "args": {"database": f"{folder}/homeserver.db"}}
        server = HomeserverProcess(Path(folder), database, {})
        server.start()
        try:
            found = asyncio.run(poll(server, polls))
        finally:
            server.close()
    print(
        f"{found.polls:,} polls: {found.before_kib / 1024:.1f} MiB before, {found.during_kib / 1024:.1f} MiB during, "
        f"{found.kib_each:.1f} KiB each; {found.ended} ended early"
    )


if __name__ == "__main__":
    main()
