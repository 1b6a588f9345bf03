"""Messages to devices on other servers: kept until those acknowledge them, each sent under one message id.

Spec: server-server API, "Send-to-device messaging". A message is stored in the transaction of the request that sends it, so
that what a client was told to be sent is not lost.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Protocol

from ranvier.db.engine import Database, Tx
from ranvier.federation.transaction import edu_body
from ranvier.ports import Clock, Random
from ranvier.proto.canonical_json import NotCanonical
from ranvier.proto.errors import bad_json
from ranvier.proto.ids import domain_of, is_server_name
from ranvier.proto.unpadded_base64 import encode_base64
from ranvier.store import device_outbox as store

NAME: Final = "devices"
KEPT_MS: Final = 30 * 24 * 3600 * 1000
"""After so long the devices that a message is for will hardly be able to use it."""
EXPIRE_EVERY_S: Final = 24 * 3600.0
LARGE_BYTES: Final = 1 << 16
_MESSAGE_ID_BYTES: Final = 16

Messages = Mapping[str, Mapping[str, Mapping[str, Any]]]
"""By user and device the content."""


class DurableEdus(Protocol):
    """Somewhere EDUs wait that must not be lost."""

    async def read(self, destination: str, *, limit: int) -> tuple[Sequence[bytes], int]:
        """The first EDUs that wait for a server and are not `delivered`, and a number to tell of that."""
        ...

    def delivered(self, destination: str, last: int) -> None:
        """The server has acknowledged what the reading with this number, the last one, has found."""
        ...

    async def destinations(self) -> Sequence[str]:
        """The servers that something waits for, after a start."""
        ...

    async def save(self, tx: Tx) -> Callable[[], None]:
        """Make durable what has been delivered, and say what is to be done after the commit; called now and then."""
        ...


class DeviceOutbox:
    """The table, and what of it has been acknowledged."""

    def __init__(self, *, db: Database, clock: Clock, random: Random) -> None:
        self._db = db
        self._clock = clock
        self._random = random
        self._reads = 0
        self._on_the_way: dict[str, tuple[int, list[int]]] = {}
        """By server what it is being sent, and the number of that reading."""
        self._delivered: dict[str, set[int]] = {}
        """By server what is acknowledged, and not deleted yet."""
        self._expired_s = clock.monotonic()

    async def put(self, tx: Tx, sender: str, type: str, messages: Messages) -> frozenset[str]:
        """Keep messages for users of other servers; the servers, to be woken when the transaction is committed.

        One statement. Raises 400 `M_BAD_JSON` for what is no canonical JSON.
        """
        by_server: defaultdict[str, dict[str, Any]] = defaultdict(dict)
        for user_id, by_device in messages.items():
            server = domain_of(user_id)
            if is_server_name(server):
                by_server[server][user_id] = by_device
        now_ms = self._clock.now_ms()
        rows: list[tuple[str, int, bytes]] = []
        for server, by_user in sorted(by_server.items()):
            try:
                rows += [(server, now_ms, edu) for edu in self._edus(sender, type, by_user)]
            except NotCanonical as error:
                raise bad_json(str(error)) from error
        await store.insert(tx, rows)
        return frozenset(by_server)

    async def read(self, destination: str, *, limit: int) -> tuple[Sequence[bytes], int]:
        """The first that wait. One statement."""
        rows = await store.read(self._db, destination, without=self._delivered.get(destination, ()), limit=limit)
        self._reads += 1
        self._on_the_way[destination] = (self._reads, [nid for nid, _ in rows])
        return [edu for _, edu in rows], self._reads

    def delivered(self, destination: str, last: int) -> None:
        """They will be deleted with the next `save`."""
        reading, nids = self._on_the_way.get(destination, (0, []))
        if reading == last:
            del self._on_the_way[destination]
            self._delivered.setdefault(destination, set()).update(nids)

    async def destinations(self) -> Sequence[str]:
        """One statement."""
        return await store.destinations(self._db)

    async def save(self, tx: Tx) -> Callable[[], None]:
        """Delete what has been acknowledged, and once a day what nobody has fetched for too long.

        One statement, none if there is nothing.
        """
        deleted = {destination: frozenset(nids) for destination, nids in self._delivered.items()}
        await store.delete(tx, [nid for nids in deleted.values() for nid in nids])
        if self._clock.monotonic() - self._expired_s >= EXPIRE_EVERY_S:
            self._expired_s = self._clock.monotonic()
            await store.expire(tx, self._clock.now_ms() - KEPT_MS)

        def forget() -> None:
            for destination, nids in deleted.items():
                self._delivered[destination] -= nids
                if not self._delivered[destination]:
                    del self._delivered[destination]

        return forget

    def _edus(self, sender: str, type: str, by_user: dict[str, Any]) -> list[bytes]:
        """One EDU, or more if it would be large."""
        message_id = encode_base64(self._random.token_bytes(_MESSAGE_ID_BYTES))
        content = {"sender": sender, "type": type, "message_id": message_id, "messages": by_user}
        edu = edu_body("m.direct_to_device", content)
        if len(edu) <= LARGE_BYTES or len(by_user) == 1:
            return [edu]
        users = list(by_user.items())
        half = len(users) // 2
        return [*self._edus(sender, type, dict(users[:half])), *self._edus(sender, type, dict(users[half:]))]
