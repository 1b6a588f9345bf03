"""Whom a user ignores (spec: client-server API, "Ignoring Users")."""

from typing import Any, Final

import msgspec

from ranvier.users.account_data import AccountData, AccountDataChange

TYPE: Final = "m.ignored_user_list"
USERS: Final = 20_000


class IgnoredUsers:
    """Everybody's lists, read when they are first asked for and kept up to date."""

    def __init__(self, *, account_data: AccountData) -> None:
        self._account_data = account_data
        self._known: dict[str, frozenset[str]] = {}
        self._changes = 0
        account_data.listeners.append(self._on_change)

    async def of(self, user_id: str) -> frozenset[str]:
        """The ignored users. One statement the first time, then none."""
        known = self._known.get(user_id)
        if known is not None:
            return known
        before = self._changes
        ignored = _ignored(user_id, await self._account_data.content(user_id, None, TYPE))
        if before == self._changes:
            if len(self._known) >= USERS:
                del self._known[next(iter(self._known))]
            self._known[user_id] = ignored
        return ignored

    def _on_change(self, change: AccountDataChange) -> None:
        if change.type == TYPE and change.room_id is None:
            self._known.pop(change.user_id, None)
            self._changes += 1


def _ignored(user_id: str, content: bytes | None) -> frozenset[str]:
    """A list of the wrong shape ignores nobody; nobody can ignore themselves."""
    found: Any = None if content is None else msgspec.json.decode(content)
    users = found.get("ignored_users") if isinstance(found, dict) else None
    return frozenset(users).difference([user_id]) if isinstance(users, dict) else frozenset()
