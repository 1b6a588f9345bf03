"""Accounts as administrators list them: filtered, in any order, page by page."""

from dataclasses import dataclass
from typing import Final, Literal

from ranvier.db.engine import Database, Row

Order = Literal[
    "name", "is_guest", "admin", "user_type", "deactivated", "shadow_banned", "displayname", "avatar_url",
    "creation_ts", "last_seen_ts",
]  # fmt: skip

_COLUMNS: Final = (
    "u.name, u.is_guest, u.admin, u.user_type, u.deactivated, u.erased, u.shadow_banned, p.displayname, p.avatar_url,"
    " u.creation_ts, u.locked, u.suspended,"
    " (SELECT MAX(d.last_seen_ts) FROM devices d WHERE d.user_id = u.name) AS last_seen_ts"
)
_IN_PROFILE: Final = frozenset(("displayname", "avatar_url"))


@dataclass(frozen=True, slots=True, kw_only=True)
class UserFilter:
    """Which accounts; `None`: whatever it is."""

    user_id: str | None = None
    """Is part of the user id."""
    name: str | None = None
    """Is part of the local part or of the display name, in whatever case. Stands above `user_id`."""
    guests: bool = True
    deactivated: bool | None = None
    locked: bool | None = None
    admins: bool | None = None
    not_user_types: tuple[str, ...] = ()
    """Empty text: accounts without a type."""


@dataclass(frozen=True, slots=True)
class ListedUser:
    """One row of the list."""

    user_id: str
    is_guest: bool
    is_admin: bool
    user_type: str | None
    deactivated: bool
    erased: bool
    shadow_banned: bool
    displayname: str | None
    avatar_url: str | None
    creation_ts: int
    locked: bool
    suspended: bool
    last_seen_ts: int | None


def _listed(row: Row) -> ListedUser:
    name, guest, admin, kind, deactivated, erased, banned, display, avatar, created, locked, suspended, seen = row
    return ListedUser(
        name, bool(guest), bool(admin), kind, bool(deactivated), bool(erased), bool(banned), display, avatar, created,
        bool(locked), bool(suspended), seen,
    )  # fmt: skip


async def page(
    db: Database, wanted: UserFilter, *, order: Order, offset: int, limit: int, backwards: bool
) -> tuple[list[ListedUser], int]:
    """Accounts in this order, those with the same value by name; and how many there are in all. Two statements."""
    where, args = _where(wanted, "instr" if db.dialect == "sqlite" else "strpos")
    source = f"FROM users u LEFT JOIN profiles p ON p.user_id = u.name WHERE {where}"
    total: int = await db.value(f"SELECT COUNT(*) {source}", *args)
    column = "last_seen_ts" if order == "last_seen_ts" else f"{'p' if order in _IN_PROFILE else 'u'}.{order}"
    rows = await db.all(
        f"SELECT {_COLUMNS} {source} ORDER BY {column} {'DESC' if backwards else 'ASC'} NULLS LAST, u.name ASC"
        f" LIMIT ${len(args) + 1} OFFSET ${len(args) + 2}",
        *args,
        limit,
        offset,
    )
    return [_listed(row) for row in rows], total


def _where(wanted: UserFilter, position: str) -> tuple[str, list[object]]:
    args: list[object] = []
    conditions = ["1 = 1"]

    def value(arg: object) -> str:
        args.append(arg)
        return f"${len(args)}"

    if wanted.name is not None:
        localpart = f"substr(u.name, 2, {position}(u.name, ':') - 2)"
        part, folded = value(wanted.name.lower()), value(wanted.name.casefold())
        conditions.append(f"({position}(lower({localpart}), {part}) > 0 OR {position}(p.folded, {folded}) > 0)")
    elif wanted.user_id is not None:
        conditions.append(f"{position}(lower(u.name), {value(wanted.user_id.lower())}) > 0")
    if not wanted.guests:
        conditions.append("u.is_guest = 0")
    for column, flag in (("deactivated", wanted.deactivated), ("locked", wanted.locked), ("admin", wanted.admins)):
        if flag is not None:
            conditions.append(f"u.{column} = {int(flag)}")
    if wanted.not_user_types:
        conditions.append(f"COALESCE(u.user_type, '') <> ALL({value(list(wanted.not_user_types))})")
    return " AND ".join(conditions), args
