"""One-time keys are given out, each to one claimer. Spec: client-server API, `POST /keys/claim`.

Claims are served one group after another: whatever is waiting is one transaction, and a key is given away in the
transaction whose commit is waited for before anybody is told of it. So no key is given out twice, whoever asks at once
and whenever the process dies.
"""

import asyncio
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from ranvier.db.engine import Database, Tx
from ranvier.e2ee.key_counts import KeyCounts
from ranvier.e2ee.remote_keys import NobodyElse, RemoteClaims, RemoteKeys
from ranvier.proto.ids import domain_of
from ranvier.store import one_time_keys as store
from ranvier.store.one_time_keys import ClaimedKey, Device
from ranvier.users.text import is_storable

TIMEOUT_MS: Final = 10_000
"""How long other servers have to answer, if the client does not say."""

Wanted = tuple[str, str, str]
"""`(user_id, device_id, algorithm)`."""


@dataclass(slots=True)
class _Claim:
    wanted: list[Wanted]
    done: asyncio.Future[None]
    found: list[ClaimedKey] = field(default_factory=list)


class Claims:
    """Gives out one-time keys, and fallback keys where there are none."""

    def __init__(self, *, db: Database, counts: KeyCounts, server_name: str, remote: RemoteKeys | None = None) -> None:
        self._db = db
        self._counts = counts
        self._server_name = server_name
        self.remote: RemoteKeys = remote or NobodyElse()
        self._waiting: list[_Claim] = []
        self._serving: asyncio.Task[None] | None = None

    async def claim(self, wanted: Mapping[str, Mapping[str, str]], *, timeout_ms: int = TIMEOUT_MS) -> bytes:
        """By user and device the algorithm; the answer's JSON. Who or what is unknown is left out of it."""
        others = {user_id: devices for user_id, devices in wanted.items() if domain_of(user_id) != self._server_name}
        remote = await self.remote.claim(others, timeout_ms=timeout_ms) if others else RemoteClaims()
        found = await self.claim_local(wanted)
        for user_id, devices in remote.keys.items():
            found[user_id] = {
                device_id: {name: orjson.Fragment(key) for name, key in keys.items()}
                for device_id, keys in devices.items()
            }
        return orjson.dumps({"one_time_keys": found, "failures": remote.failures})

    async def claim_local(self, wanted: Mapping[str, Mapping[str, str]]) -> dict[str, dict[str, dict[str, Any]]]:
        """Keys of users of this server by user, device, and `algorithm:id`, to be encoded by orjson."""
        local = [
            (user_id, device_id, algorithm)
            for user_id, devices in wanted.items()
            if domain_of(user_id) == self._server_name
            for device_id, algorithm in devices.items()
        ]
        found: dict[str, dict[str, dict[str, Any]]] = {}
        for key in await self.take(local):
            devices = found.setdefault(key.user_id, {})
            devices[key.device_id] = {f"{key.algorithm}:{key.key_id}": orjson.Fragment(key.key)}
        return found

    async def take(self, wanted: Iterable[Wanted]) -> list[ClaimedKey]:
        """A key for each of these, of those that have one."""
        storable = [want for want in wanted if all(map(is_storable, want))]
        if not storable:
            return []
        claim = _Claim(storable, asyncio.get_running_loop().create_future())
        self._waiting.append(claim)
        if self._serving is None or self._serving.done():
            self._serving = asyncio.create_task(self._serve(), name="claims")
        await asyncio.shield(claim.done)
        return claim.found

    async def _serve(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting, []
            try:
                async with self._db.write() as tx:
                    await self._serve_batch(tx, batch)
            except Exception as error:  # noqa: BLE001 (whoever waits is told)
                for claim in batch:
                    _fail(claim.done, error)
                continue
            for claim in batch:
                for key in claim.found:
                    self._counts.forget(key.user_id, key.device_id)
                if not claim.done.done():
                    claim.done.set_result(None)

    async def _serve_batch(self, tx: Tx, batch: list[_Claim]) -> None:
        """Two statements for all devices of whom one key of one algorithm is wanted, one more if some have none."""
        waiting: dict[Wanted, deque[_Claim]] = {}
        by_algorithm: dict[str, set[Device]] = {}
        for claim in batch:
            for user_id, device_id, algorithm in claim.wanted:
                waiting.setdefault((user_id, device_id, algorithm), deque()).append(claim)
                by_algorithm.setdefault(algorithm, set()).add((user_id, device_id))
        for algorithm in sorted(by_algorithm):
            devices = sorted(by_algorithm[algorithm])
            while devices:
                keys = await store.claim(tx, algorithm, devices)
                for key in keys:
                    waiting[key.user_id, key.device_id, algorithm].popleft().found.append(key)
                devices = [key.device for key in keys if waiting[*key.device, algorithm]]
            without = [device for device in by_algorithm[algorithm] if waiting[*device, algorithm]]
            for key in await store.claim_fallback(tx, algorithm, without) if without else ():
                for claim in waiting[*key.device, algorithm]:
                    claim.found.append(key)


def _fail(future: asyncio.Future[None], error: Exception) -> None:
    if not future.done():
        future.set_exception(error)
        future.exception()  # Seen: the one who asked may have gone.
