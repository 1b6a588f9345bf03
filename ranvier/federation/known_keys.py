"""What is known of other servers' keys: in memory for those that are seen often, in the database for all.

Spec: server-server API, "Retrieving server keys".
"""

from collections import OrderedDict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from ranvier.db.engine import Database
from ranvier.proto.key_documents import LONGEST_VALIDITY_MS, KeyDocument
from ranvier.store import server_keys as store
from ranvier.store.server_keys import DocumentRow, KeyRow

MAX_SERVERS: Final = 10_000
"""In memory."""
MAX_KEYS_PER_SERVER: Final = 256
"""Also in the database: a server that invents keys every day does not fill it."""


@dataclass(frozen=True, slots=True)
class KnownKey:
    """A public key, and until when it may sign."""

    public_key: bytes
    valid_until_ts: int


@dataclass(frozen=True, slots=True)
class KeyRing:
    """The keys of one server by key id."""

    keys: Mapping[str, KnownKey] = field(default_factory=dict)
    document_until_ts: int = 0
    """Until when its newest list is valid; 0: there is none."""

    def valid(self, key_ids: Collection[str], at_ms: int | None) -> dict[str, bytes]:
        """Those of the keys that may have signed at this time; `None`: at any."""
        found = {}
        for key_id in key_ids:
            key = self.keys.get(key_id)
            if key is not None and (at_ms is None or key.valid_until_ts >= at_ms):
                found[key_id] = key.public_key
        return found

    def vouched(self, document: KeyDocument, now_ms: int) -> "KeyRing":
        """The ring with what somebody says who is not trusted further: of keys that are known that changes nothing."""
        until_ts = min(document.valid_until_ts, now_ms + LONGEST_VALIDITY_MS)
        return KeyRing({**_news(document, until_ts, now_ms), **self.keys}, self.document_until_ts)


@dataclass(frozen=True, slots=True)
class Found:
    """A list of keys, and who gave it."""

    document: KeyDocument
    direct: bool
    """Whether the server itself did: then it counts, even if it is less valid than what was known."""


class KnownKeys:
    """Key rings by server."""

    def __init__(self, *, db: Database) -> None:
        self._db = db
        self._rings: OrderedDict[str, KeyRing] = OrderedDict()

    async def rings(self, server_names: Collection[str]) -> dict[str, KeyRing]:
        """What is known of these servers. No statement for those in memory, one for all others."""
        found: dict[str, KeyRing] = {}
        cold = []
        for server_name in server_names:
            ring = self._rings.get(server_name)
            if ring is None:
                cold.append(server_name)
            else:
                self._rings.move_to_end(server_name)
                found[server_name] = ring
        if cold:
            read = await self._read(cold)
            for server_name in cold:
                # Somebody else may have learnt more in the meantime.
                found[server_name] = self._rings.get(server_name) or self._keep(server_name, read[server_name])
        return found

    async def learn(self, found: Sequence[Found], *, now_ms: int) -> None:
        """Take over what servers have published. One transaction."""
        rings = await self.rings({each.document.server_name for each in found})
        documents: list[DocumentRow] = []
        changed: list[KeyRow] = []
        dropped: list[tuple[str, str]] = []
        for each in found:
            document = each.document
            until_ts = min(document.valid_until_ts, now_ms + LONGEST_VALIDITY_MS)
            ring = rings[document.server_name]
            if not each.direct and until_ts < ring.document_until_ts:
                continue
            news = _news(document, until_ts, now_ms)
            keys = _bounded({**ring.keys, **news}, keep=document.verify_keys)
            documents.append(DocumentRow(document.server_name, document.json, until_ts, now_ms))
            changed += [
                KeyRow(document.server_name, key_id, key.public_key, key.valid_until_ts)
                for key_id, key in news.items()
                if key_id in keys and ring.keys.get(key_id) != key
            ]
            dropped += [(document.server_name, key_id) for key_id in ring.keys if key_id not in keys]
            rings[document.server_name] = KeyRing(keys, until_ts)
        if documents:
            async with self._db.write() as tx:
                await store.save_documents(tx, documents)
                await store.save_keys(tx, changed)
                await store.delete_keys(tx, dropped)
            for row in documents:
                self._keep(row.server_name, rings[row.server_name])

    async def documents(self, server_names: Collection[str]) -> dict[str, DocumentRow]:
        """The newest lists of these servers. One statement."""
        rows = await store.documents_of(self._db, list(server_names)) if server_names else []
        return {row.server_name: row for row in rows}

    async def _read(self, server_names: Sequence[str]) -> dict[str, KeyRing]:
        keys: dict[str, dict[str, KnownKey]] = {server_name: {} for server_name in server_names}
        until: dict[str, int] = {}
        for row, document_until_ts in await store.keys_of(self._db, server_names):
            keys[row.server_name][row.key_id] = KnownKey(row.public_key, row.valid_until_ts)
            until[row.server_name] = document_until_ts
        return {server_name: KeyRing(keys[server_name], until.get(server_name, 0)) for server_name in server_names}

    def _keep(self, server_name: str, ring: KeyRing) -> KeyRing:
        self._rings[server_name] = ring
        self._rings.move_to_end(server_name)
        if len(self._rings) > MAX_SERVERS:
            self._rings.popitem(last=False)
        return ring


def _news(document: KeyDocument, until_ts: int, now_ms: int) -> dict[str, KnownKey]:
    keys = {key_id: KnownKey(key, until_ts) for key_id, key in document.verify_keys.items()}
    for key_id, old in document.old_verify_keys.items():
        keys[key_id] = KnownKey(old.public_key, min(old.expired_ts, now_ms))
    return keys


def _bounded(keys: dict[str, KnownKey], *, keep: Collection[str]) -> dict[str, KnownKey]:
    """Without those that have been out of use for longest, where there are too many."""
    if len(keys) <= MAX_KEYS_PER_SERVER:
        return keys
    newest = sorted(keys, key=lambda key_id: (key_id in keep, keys[key_id].valid_until_ts), reverse=True)
    return {key_id: keys[key_id] for key_id in newest[:MAX_KEYS_PER_SERVER]}
