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
LARGE_BYTES: Final = 1 << 16
_MESSAGE_ID_BYTES: Final = 16

Messages = Mapping[str, Mapping[str, Mapping[str, Any]]]
"""By user and device the content."""


class DurableEdus(Protocol):
    """Somewhere EDUs wait that must not be lost."""

    async def read(self, destination: str, *, limit: int) -> tuple[Sequence[bytes], int]:
        """The first EDUs that wait for a server and are not `delivered`, and what to call the last of them."""
        ...

    def delivered(self, destination: str, last: int) -> None:
        """The server has acknowledged everything up to here."""
        ...

    async def destinations(self) -> Sequence[str]:
        """The servers that something waits for, after a start."""
        ...

    async def save(self, tx: Tx) -> Callable[[], None]:
        """Make durable what has been delivered, and say what is to be done after the commit; called now and then."""
        ...

    async def expire(self) -> None:
        """Give up what has waited for too long; called once a day."""
        ...


class DeviceOutbox:
    """The table, and what of it has been acknowledged."""

    def __init__(self, *, db: Database, clock: Clock, random: Random) -> None:
        self._db = db
        self._clock = clock
        self._random = random
        self._delivered: dict[str, int] = {}

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
        rows = await store.read(self._db, destination, after=self._delivered.get(destination, 0), limit=limit)
        return [edu for _, edu in rows], rows[-1][0] if rows else 0

    def delivered(self, destination: str, last: int) -> None:
        """They will be deleted with the next `save`."""
        self._delivered[destination] = max(last, self._delivered.get(destination, 0))

    async def destinations(self) -> Sequence[str]:
        """One statement."""
        return await store.destinations(self._db)

    async def save(self, tx: Tx) -> Callable[[], None]:
        """Delete what has been acknowledged. One statement, none if there is nothing."""
        deleted = dict(self._delivered)
        await store.delete(tx, list(deleted.items()))

        def forget() -> None:
            for destination, last in deleted.items():
                if self._delivered.get(destination) == last:
                    del self._delivered[destination]

        return forget

    async def expire(self) -> None:
        """Give up what nobody has fetched for too long. One statement."""
        async with self._db.write() as tx:
            await store.expire(tx, self._clock.now_ms() - KEPT_MS)

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
