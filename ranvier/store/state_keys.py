"""Numbers for `(type, state_key)` pairs.

Member keys are numbered from `MEMBER_KEYS` up and double as users' numbers; the few other keys sit below, so that the
non-member part of any state is one short range. Other servers' types and state keys may hold NUL, which not every
database can: it is written as an escape sequence.
"""

from collections.abc import Collection, Iterable, Mapping

from ranvier.db.engine import Reader, Tx
from ranvier.proto.events import StateKey

MEMBER_KEYS = 1 << 30
_ESCAPE = "\x10"


class StateKeys:
    """The numbers, cached; new ones are made here and stored by whoever uses them first.

    A new number is *pending* until the transaction that stores it has committed. Every writer that uses a pending
    number stores it too (`pending_rows`), so that none depends on another's commit.
    """

    def __init__(self, *, next_member: int, next_other: int) -> None:
        self._ids: dict[StateKey, int] = {}
        self._keys: dict[int, StateKey] = {}
        self._pending: set[int] = set()
        self._next_member = next_member
        self._next_other = next_other

    @classmethod
    async def load(cls, db: Reader) -> "StateKeys":
        """Start with the numbers after the greatest used ones. Two statements."""
        member = await db.value("SELECT MAX(key_id) FROM state_keys WHERE key_id >= $1", MEMBER_KEYS)
        other = await db.value("SELECT MAX(key_id) FROM state_keys WHERE key_id < $1", MEMBER_KEYS)
        return cls(next_member=(member or MEMBER_KEYS) + 1, next_other=(other or 0) + 1)

    async def find(self, db: Reader, key: StateKey) -> int | None:
        """The number of `key` if it has one. At most one statement, none when it is cached."""
        key_id = self._ids.get(key)
        if key_id is None:
            key_id = await db.value(
                "SELECT key_id FROM state_keys WHERE state_key = $1 AND type = $2", _escaped(key[1]), _escaped(key[0])
            )
            if key_id is not None:
                self._remember(key, key_id)
        return key_id

    async def find_user(self, db: Reader, user_id: str) -> int | None:
        """The number of a user, if any room has ever known them."""
        return await self.find(db, ("m.room.member", user_id))

    async def intern(self, db: Reader, key: StateKey) -> int:
        """The number of `key`, a new one if it has none yet."""
        key_id = await self.find(db, key)
        if key_id is None:
            # The look-up may have suspended: someone else can have numbered it meanwhile.
            key_id = self._ids.get(key)
        return self._number(key) if key_id is None else key_id

    async def intern_users(self, db: Reader, user_ids: Collection[str]) -> None:
        """Let `intern` find the keys of these users' memberships without a statement. At most one for all of them."""
        missing = [user_id for user_id in user_ids if ("m.room.member", user_id) not in self._ids]
        if not missing:
            return
        for key_id, type_, state_key in await db.all(
            "SELECT key_id, type, state_key FROM state_keys WHERE state_key = ANY($1) AND type = 'm.room.member'",
            [_escaped(user_id) for user_id in missing],
        ):
            self._remember((type_, _unescaped(state_key)), key_id)
        for user_id in missing:
            if ("m.room.member", user_id) not in self._ids:
                self._number(("m.room.member", user_id))

    def _number(self, key: StateKey) -> int:
        """A new number."""
        if key[0] == "m.room.member":
            key_id, self._next_member = self._next_member, self._next_member + 1
        else:
            key_id, self._next_other = self._next_other, self._next_other + 1
        self._remember(key, key_id)
        self._pending.add(key_id)
        return key_id

    async def keys(self, db: Reader, key_ids: Collection[int]) -> Mapping[int, StateKey]:
        """The pairs behind numbers. At most one statement."""
        missing = [key_id for key_id in key_ids if key_id not in self._keys]
        if missing:
            for key_id, type_, state_key in await db.all(
                "SELECT key_id, type, state_key FROM state_keys WHERE key_id = ANY($1)", missing
            ):
                self._remember((_unescaped(type_), _unescaped(state_key)), key_id)
        return {key_id: self._keys[key_id] for key_id in key_ids if key_id in self._keys}

    def pending_rows(self, key_ids: Iterable[int]) -> list[tuple[int, str, str]]:
        """Rows for `insert` of those numbers that no commit has stored yet."""
        if not self._pending:
            return []
        return [(key_id, *self._keys[key_id]) for key_id in key_ids if key_id in self._pending]

    def stored(self, key_ids: Iterable[int]) -> None:
        """These numbers are in the database now."""
        self._pending.difference_update(key_ids)

    def _remember(self, key: StateKey, key_id: int) -> None:
        self._ids[key] = key_id
        self._keys[key_id] = key


async def insert(tx: Tx, rows: Collection[tuple[int, str, str]]) -> None:
    """Store numbers; those that are there already stay as they are."""
    await tx.many(
        "INSERT INTO state_keys (key_id, type, state_key) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
        [(key_id, _escaped(type_), _escaped(state_key)) for key_id, type_, state_key in rows],
    )


def _escaped(text: str) -> str:
    if "\0" not in text and _ESCAPE not in text:
        return text
    return text.replace(_ESCAPE, _ESCAPE + "1").replace("\0", _ESCAPE + "0")


def _unescaped(text: str) -> str:
    if _ESCAPE not in text:
        return text
    return text.replace(_ESCAPE + "0", "\0").replace(_ESCAPE + "1", _ESCAPE)
