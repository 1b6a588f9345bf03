"""What a user has set for a room goes along when they follow it into the room that replaces it.

Spec: client-server API, "Room Upgrades": tags and notifications; and that a conversation is a direct one (`m.direct`).
"""

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from ranvier.proto.push_edit import put_rule
from ranvier.proto.push_rules import UserRules
from ranvier.users.account_data import AccountData
from ranvier.users.push_rules import PushRules

TAGS: Final = "m.tag"
DIRECT: Final = "m.direct"


class CarryOver:
    """Copies settings from room to room."""

    def __init__(self, *, account_data: AccountData, push_rules: PushRules) -> None:
        self._account_data = account_data
        self._push_rules = push_rules

    async def carry_over(self, user_id: str, old_id: str, new_id: str) -> None:
        """Give the new room what the old one has, as far as nothing is set for it. Three statements if there is nothing."""
        tags = await self._account_data.content(user_id, old_id, TAGS)
        if tags is not None and await self._account_data.content(user_id, new_id, TAGS) is None:
            await self._account_data.store(user_id, new_id, TAGS, tags)
        direct = await self._account_data.content(user_id, None, DIRECT)
        changed = None if direct is None else _with_direct(msgspec.json.decode(direct), old_id, new_id)
        if changed is not None:
            await self._account_data.store(user_id, None, DIRECT, msgspec.json.encode(changed))
        await self._copy_push_rules(user_id, old_id, new_id)

    async def _copy_push_rules(self, user_id: str, old_id: str, new_id: str) -> None:
        rules = await self._push_rules.of(user_id)
        if rules.find("room", old_id) or rules.find("override", old_id):
            await self._push_rules.change(user_id, lambda own: _with_rules(own, old_id, new_id))


def _with_rules(rules: UserRules, old_id: str, new_id: str) -> UserRules:
    """The rules with a copy of those about the old room: a room rule, or an override, by which clients mute rooms."""
    about = rules.own.find("room", old_id)
    if about is not None and about.enabled and rules.own.find("room", new_id) is None:
        rules = put_rule(rules, "room", new_id, actions=about.actions)
    mute = rules.own.find("override", old_id)
    if mute is not None and mute.enabled and rules.own.find("override", new_id) is None:
        conditions = _renamed(mute.conditions or (), old_id, new_id)
        rules = put_rule(rules, "override", new_id, actions=mute.actions, conditions=conditions)
    return rules


def _renamed(conditions: Sequence[dict[str, Any]], old_id: str, new_id: str) -> list[dict[str, Any]]:
    return [
        {**condition, "pattern": new_id}
        if condition.get("key") == "room_id" and condition.get("pattern") == old_id
        else condition
        for condition in conditions
    ]


def _with_direct(content: Any, old_id: str, new_id: str) -> dict[str, Any] | None:
    """`m.direct` with the new room beside the old one; `None` if nothing changes."""
    if not isinstance(content, dict):
        return None
    changed = {
        user_id: [*rooms, new_id]
        for user_id, rooms in content.items()
        if isinstance(rooms, list) and old_id in rooms and new_id not in rooms
    }
    return {**content, **changed} if changed else None
