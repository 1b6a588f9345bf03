"""Telling servers the keys of other servers, with our signature.

Spec: server-server API, "Querying Keys Through Another Server"; "Publishing Keys" (how long an answer may be kept). What
servers have said before is told for as long as nothing newer can be had from them.
"""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from typing import Final

from ranvier.federation.find_keys import KeyFinder
from ranvier.federation.known_keys import KnownKeys
from ranvier.federation.own_keys import OwnKeys
from ranvier.ports import Clock
from ranvier.proto.canonical_json import decode, encode_checked
from ranvier.proto.signing import SigningKey, sign_json
from ranvier.store.server_keys import DocumentRow

MAX_ASKED: Final = 32
"""Servers that are asked anew because of one question; who asks is not known, and may ask again."""
MAX_SIGNED: Final = 2_000
"""Answers that are kept signed."""
BREATH: Final = 50
"""After so many signatures the event loop may do something else."""


class KeyNotary:
    """Answers for others."""

    def __init__(
        self,
        *,
        own: OwnKeys,
        known: KnownKeys,
        finder: KeyFinder,
        signing_keys: Sequence[SigningKey],
        clock: Clock,
    ) -> None:
        """`signing_keys` sign the answers (`key_server_signing_keys_path`, else the keys of the server)."""
        self._own = own
        self._known = known
        self._finder = finder
        self._signing_keys = tuple(signing_keys)
        self._clock = clock
        self._signed: dict[str, tuple[bytes, bytes]] = {}

    async def query(self, wanted: Mapping[str, Mapping[str, int]], *, valid_until_ts: int = 0) -> list[bytes]:
        """The list of keys of each of these servers, as JSON signed by us; of those that are known.

        `wanted` are key ids (none: any) by server name, each with the time until which the list should be valid;
        `valid_until_ts` is the same for all. Servers are asked anew for lists that have ended, or are past half of
        their time, or lack a key.
        """
        others = {name: key_ids for name, key_ids in wanted.items() if name != self._own.server_name}
        documents = await self._known.documents(others)
        old = [name for name in others if self._is_old(documents.get(name), others[name], valid_until_ts)][:MAX_ASKED]
        if old:
            # What is known of all of them is told if they are away: somebody is waiting.
            await self._finder.refresh(old, for_a_moment=documents.keys() >= set(old))
            documents.update(await self._known.documents(old))
        answers = [self._sign(self._own.server_name, self._own.document())] if len(others) < len(wanted) else []
        for number, (name, row) in enumerate(documents.items()):
            answers.append(self._sign(name, row.json))
            if number % BREATH == BREATH - 1:
                await asyncio.sleep(0)
        return answers

    def _is_old(self, row: DocumentRow | None, key_ids: Mapping[str, int], valid_until_ts: int) -> bool:
        if row is None:
            return True
        now_ms = self._clock.now_ms()
        wanted_ts = min(max(now_ms, valid_until_ts, *key_ids.values()), self._finder.latest_ms())
        is_past_half = now_ms - row.fetched_ts > (row.valid_until_ts - row.fetched_ts) / 2
        return row.valid_until_ts < wanted_ts or is_past_half or _lacks(row, key_ids)

    def _sign(self, server_name: str, json: bytes) -> bytes:
        before = self._signed.get(server_name)
        if before is not None and before[0] == json:
            return before[1]
        document = decode(json)
        for key in self._signing_keys:
            document = sign_json(document, self._own.server_name, key)
        signed = encode_checked(document)
        if len(self._signed) >= MAX_SIGNED:
            self._signed.clear()
        self._signed[server_name] = (json, signed)
        return signed


def _lacks(row: DocumentRow, key_ids: Collection[str]) -> bool:
    """Whether the list has none of the keys. It is canonical JSON, in which a key's id stands as it is."""
    return any(b'"' + key_id.encode() + b'":' not in row.json for key_id in key_ids)
