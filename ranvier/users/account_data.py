"""What clients keep for their user. Spec: client-server API, "Client Config"."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from ranvier.db.engine import Database, Tx
from ranvier.proto.errors import MatrixError, bad_json, forbidden, invalid_param, not_found
from ranvier.proto.ids import is_room_id
from ranvier.store import account_data as store
from ranvier.store.account_data import GLOBAL, AccountDatum
from ranvier.users.requester import Requester
from ranvier.users.stream_positions import StreamPositions
from ranvier.users.text import is_storable, storable

SERVER_OWNED: Final = frozenset(("m.fully_read", "m.push_rules"))
"""Types that change through their own endpoints only."""
MAX_TYPE_LENGTH: Final = 255


@dataclass(frozen=True, slots=True)
class AccountDataChange:
    """One entry that has been set, as the stream tells it."""

    user_id: str
    room_id: str | None
    """`None`: not about a room."""
    type: str
    content: bytes
    """A JSON object."""
    stream_pos: int


Listener = Callable[[AccountDataChange], None]


class AccountData:
    """Reads and writes account data; the writer of its stream."""

    def __init__(self, *, db: Database, positions: StreamPositions) -> None:
        self._db = db
        self.positions = positions
        self.listeners: list[Listener] = []
        """Told on the event loop after each commit."""
        self.derived: dict[str, Callable[[str], Awaitable[bytes]]] = {}
        """Global types whose content is made for the user when it is read; the stream only knows when it changed."""

    @classmethod
    async def load(cls, db: Database) -> "AccountData":
        """Go on after the last position. One statement."""
        return cls(db=db, positions=StreamPositions(last=await store.greatest_pos(db)))

    async def get(self, requester: Requester, user_id: str, room_id: str | None, type_: str) -> bytes:
        """The content of one entry, as JSON. Raises 403 `M_FORBIDDEN`, 404 `M_NOT_FOUND`, 400 `M_INVALID_PARAM`."""
        _check_access(requester, user_id, room_id)
        content = await self.content(user_id, room_id, type_) if is_storable(type_) else None
        if content is None:
            raise not_found("Account data not found")
        return content

    async def put(
        self, requester: Requester, user_id: str, room_id: str | None, type_: str, content: Mapping[str, Any]
    ) -> None:
        """Set one entry as a client asks. One transaction.

        Raises 403 `M_FORBIDDEN` for another user's, 405 `M_BAD_JSON` for what the server manages, 400 `M_INVALID_PARAM`.
        """
        _check_access(requester, user_id, room_id)
        if type_ in SERVER_OWNED:
            raise MatrixError(405, "M_BAD_JSON", f"Cannot set {type_} through this API")
        storable(type_, name="The type", max_length=MAX_TYPE_LENGTH)
        await self.store(user_id, room_id, type_, _encoded(content))

    async def content(self, user_id: str, room_id: str | None, type_: str) -> bytes | None:
        """The content of one entry, as JSON. One statement."""
        derive = None if room_id else self.derived.get(type_)
        if derive is not None:
            return await derive(user_id)
        return await store.content(self._db, user_id, room_id or GLOBAL, type_)

    async def store(self, user_id: str, room_id: str | None, type_: str, content: bytes) -> AccountDataChange:
        """Set one entry, server-owned types included. One transaction."""
        position = self.positions.take()
        change = AccountDataChange(user_id, room_id, type_, content, position)
        try:
            async with self._db.write() as tx:
                await self.save(tx, change)
        finally:
            self.positions.close(position)
        self.announce(change)
        return change

    async def save(self, tx: Tx, change: AccountDataChange) -> None:
        """For who has a transaction, and took the position; the change is to be announced after the commit."""
        datum = AccountDatum(change.room_id or GLOBAL, change.type, change.stream_pos, change.content)
        await store.save(tx, change.user_id, datum)

    def announce(self, change: AccountDataChange) -> None:
        """The change has been committed."""
        for listener in self.listeners:
            listener(change)


def _check_access(requester: Requester, user_id: str, room_id: str | None) -> None:
    if requester.user_id != user_id:
        raise forbidden("Cannot access account data of other users")
    if room_id is not None and not is_room_id(room_id):
        raise invalid_param("Not a room id")


def _encoded(content: Mapping[str, Any]) -> bytes:
    try:
        return msgspec.json.encode(content)
    except (OverflowError, UnicodeError, RecursionError) as error:
        raise bad_json("The content cannot be stored") from error
