"""Whether an event notifies a user, and in which thread: what unread counts, lists of notifications and pushes share.

Spec: client-server API, "Receiving notifications", "Push Rules".
"""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from ranvier.proto.auth.power_levels import power_levels
from ranvier.proto.push_conditions import EventFacts
from ranvier.proto.push_evaluate import (
    DEFAULT_COMPILED,
    NOTHING,
    Actions,
    CompiledRules,
    evaluate,
    evaluate_for_anybody,
)
from ranvier.rooms.room import Room
from ranvier.rooms.rooms import Rooms
from ranvier.rooms.threads import Threads
from ranvier.store.events import StoredEvent
from ranvier.store.receipts import MAIN
from ranvier.users.ignored_users import IgnoredUsers
from ranvier.users.push_rules import PushRules

FACTS: Final = 1024


@dataclass(frozen=True, slots=True)
class Recipient:
    """A user as events may notify them."""

    user_id: str
    rules: CompiledRules
    ignored: frozenset[str]

    @property
    def has_default_rules(self) -> bool:
        """Whether the user has set none."""
        return self.rules is DEFAULT_COMPILED


class Notifying:
    """Evaluates push rules; what does not depend on the user is worked out once an event."""

    def __init__(self, *, rooms: Rooms, threads: Threads, push_rules: PushRules, ignored_users: IgnoredUsers) -> None:
        self._rooms = rooms
        self._threads = threads
        self._push_rules = push_rules
        self._ignored_users = ignored_users
        self._facts: OrderedDict[int, EventFacts] = OrderedDict()

    async def recipient(self, user_id: str) -> Recipient:
        """A local user. Two statements the first time, then none."""
        return Recipient(user_id, await self._push_rules.compiled(user_id), await self._ignored_users.of(user_id))

    async def actions(self, recipient: Recipient, room: Room, stored: StoredEvent) -> Actions:
        """What the user's rules order for the event. No statement unless they ask for a name that is not in memory.

        The room is taken as it is now.
        """
        event = stored.event
        if stored.redacted_by is not None or event.sender == recipient.user_id or event.sender in recipient.ignored:
            return NOTHING
        name = None
        if recipient.rules.uses_display_name:
            name = await self._display_name(room, recipient.user_id)
        return evaluate(recipient.rules, self._facts_of(room, stored), recipient.user_id, name)

    def for_anybody(self, room: Room, stored: StoredEvent) -> Actions | None:
        """What the default rules order for everybody but the sender, or `None` if that depends on who it is."""
        if stored.redacted_by is not None:
            return NOTHING
        return evaluate_for_anybody(DEFAULT_COMPILED, self._facts_of(room, stored))

    def _facts_of(self, room: Room, stored: StoredEvent) -> EventFacts:
        facts = self._facts.get(stored.event_nid)
        if facts is None:
            facts = EventFacts(stored.event, member_count=_member_count(room), levels=power_levels(room))
            self._facts[stored.event_nid] = facts
            if len(self._facts) > FACTS:
                self._facts.popitem(last=False)
        return facts

    async def thread_of(self, stored: StoredEvent) -> str:
        """The id of the root of the event's thread, or `MAIN`."""
        return await self._threads.root_of(stored) or MAIN

    async def _display_name(self, room: Room, user_id: str) -> str | None:
        member = await self._rooms.member(room, user_id)
        name = None if member is None else member.event.content.get("displayname")
        return name if isinstance(name, str) else None


def _member_count(room: Room) -> int:
    """How many are in the room; in a partially joined one at least how many, so that it does not pass for a chat of two."""
    partial = room.partial
    return (
        room.joined_members if partial is None else max(room.joined_members, partial.members, len(partial.servers) + 1)
    )
