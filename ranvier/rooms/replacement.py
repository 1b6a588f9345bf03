"""What the room that replaces another starts with.

Spec: client-server API, "Room Upgrades", steps 2 and 3. Pure: from the state of the old room to the drafts of the new one.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ranvier.proto.auth.power_levels import CREATOR_LEVEL, LEVEL_NAMES, power_levels
from ranvier.proto.canonical_json import encode
from ranvier.proto.events import Event
from ranvier.proto.ids import is_user_id
from ranvier.proto.room_versions import RoomVersion
from ranvier.rooms.room import Room
from ranvier.rooms.write import Draft
from ranvier.store.events import StoredEvent

COPIED: Final = (
    "m.room.join_rules",
    "m.room.history_visibility",
    "m.room.guest_access",
    "m.room.encryption",
    "m.room.server_acl",
    "m.room.name",
    "m.room.topic",
    "m.room.avatar",
)
ADMIN: Final = 100
TOMBSTONE: Final = 150
"""What is needed to replace a room whose creators are above everybody (spec: `POST /createRoom`, `preset`)."""
_GREATEST: Final = (1 << 53) - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Replacement:
    """The room to be."""

    creator: str
    version: RoomVersion
    additional_creators: Sequence[str]
    predecessor: Mapping[str, str]
    join: Mapping[str, Any]
    """The content of the creator's member event."""
    aliases: Collection[str]
    """The aliases of the old room that move to the new one."""
    bans: Sequence[StoredEvent]

    def drafts(self, old: Room) -> list[Draft]:
        """Its first events, in order."""
        levels = _levels(old, self.version, self.creator)
        for user_id in self._creators:
            levels["users"].pop(user_id, None)
        entries = [*_copied_state(old, self.version), *_canonical_alias(old, self.aliases)]
        bans = [ban for ban in self.bans if ban.event.state_key not in self._creators]
        raised = self._raised(levels, bans)
        drafts = [
            self._state("m.room.create", self._create_content(old)),
            self._state("m.room.member", dict(self.join), self.creator),
            self._state("m.room.power_levels", raised),
            *(self._state(type_, content, state_key) for type_, state_key, content in entries),
            *(self._state("m.room.member", _ban(ban.event), ban.event.state_key or "") for ban in bans),
        ]
        if raised != levels:
            drafts.append(self._state("m.room.power_levels", levels))
        return drafts

    @property
    def _creators(self) -> frozenset[str]:
        """Those who have power because they made the room, by its version."""
        return frozenset((self.creator, *self.additional_creators)) if self.version.privileged_creators else frozenset()

    def _state(self, type_: str, content: dict[str, Any], state_key: str = "") -> Draft:
        return Draft(sender=self.creator, type=type_, state_key=state_key, content=content)

    def _create_content(self, old: Room) -> dict[str, Any]:
        before = old.content("m.room.create")
        content: dict[str, Any] = {"room_version": self.version.identifier, "predecessor": dict(self.predecessor)}
        content |= {key: before[key] for key in ("type", "m.federate") if key in before}
        if self.version.creator_in_content:
            content["creator"] = self.creator
        if self.version.privileged_creators and self.additional_creators:
            content["additional_creators"] = list(dict.fromkeys(self.additional_creators))
        return content

    def _raised(self, levels: dict[str, Any], bans: Iterable[StoredEvent]) -> dict[str, Any]:
        """The levels with enough power for the creator to set the room up, whatever theirs is to be in the end."""
        if self.version.privileged_creators:
            return levels
        users: dict[str, int] = levels["users"]
        default: int = levels.get("users_default", 0)
        own = users.get(self.creator, default)
        banned = [users.get(ban.event.state_key or "", default) + 1 for ban in bans]
        needed = max(levels.get("state_default", 50), levels.get("ban", 50), *levels["events"].values(), *banned)
        return levels if own >= needed else {**levels, "users": {**users, self.creator: needed}}


def locked_levels(old: Room) -> dict[str, Any] | None:
    """Power levels that keep members from sending to a room and inviting into it (step 6).

    `None`: it is so already, or the room has no levels to change.
    """
    content = dict(old.content("m.room.power_levels"))
    if not content:
        return None
    levels = power_levels(old)
    least = max(50, levels.users_default + 1)
    if levels.events_default >= least and levels.invite >= least:
        return None
    return content | {
        "events_default": max(least, levels.events_default),
        "invite": max(least, levels.invite),
    }


def canonical_alias_left(old: Room, moved: Collection[str]) -> dict[str, Any] | None:
    """The canonical alias of the old room without the aliases that it has lost; `None` if it lists none of them."""
    return _aliases(old, lambda alias: alias not in moved) if _canonical_alias(old, moved) else None


def _canonical_alias(old: Room, moved: Collection[str]) -> list[tuple[str, str, dict[str, Any]]]:
    content = _aliases(old, lambda alias: alias in moved)
    return [("m.room.canonical_alias", "", content)] if content else []


def _aliases(old: Room, wanted: Callable[[str], bool]) -> dict[str, Any]:
    before = old.content("m.room.canonical_alias")
    content: dict[str, Any] = {}
    alias, others = before.get("alias"), before.get("alt_aliases")
    if isinstance(alias, str) and wanted(alias):
        content["alias"] = alias
    kept = [other for other in others if isinstance(other, str) and wanted(other)] if isinstance(others, list) else []
    if kept:
        content["alt_aliases"] = kept
    return content


def _copied_state(old: Room, version: RoomVersion) -> list[tuple[str, str, dict[str, Any]]]:
    """Entries of the old room that fit the new one: none that depend on who has sent them."""
    keys = [(type_, "") for type_ in COPIED]
    if old.content("m.room.create").get("type") == "m.space":
        keys += [key for key in old.state if key[0] == "m.space.child"]
    found = [(*key, old.state[key].event.content) for key in keys if key in old.state]
    return [entry for entry in found if entry[2] and _is_encodable(entry[2], version)]


def _is_encodable(content: dict[str, Any], version: RoomVersion) -> bool:
    """Old versions allow numbers that newer ones do not."""
    if not version.strict_canonical_json:
        return True
    try:
        encode(content)
    except ValueError:
        return False
    return True


def _levels(old: Room, version: RoomVersion, creator: str) -> dict[str, Any]:
    """The old room's power levels in the form that the new version wants.

    The power of having created the old room goes to nobody but who creates the new one.
    """
    levels = power_levels(old)
    raw = old.content("m.room.power_levels")
    content: dict[str, Any] = {name: value for name, value in raw.items() if name not in LEVEL_NAMES and _is_int(value)}
    content |= {name: _fitting(level) for name, level in levels.explicit.items()}
    content["users"] = {
        user_id: _fitting(level)
        for user_id, level in levels.users.items()
        if level != CREATOR_LEVEL and is_user_id(user_id)
    }
    content["events"] = {type_: _fitting(level) for type_, level in levels.events.items()}
    if levels.notifications:
        content["notifications"] = {key: _fitting(level) for key, level in levels.notifications.items()}
    if not version.privileged_creators and levels.user_level(creator) == CREATOR_LEVEL:
        content["users"][creator] = max([ADMIN, *content["users"].values()])
    if version.privileged_creators and not old.version.privileged_creators:
        # Who replaces a room becomes its creator, above everybody: admins of the old room cannot do it by themselves.
        events = content["events"]
        events["m.room.tombstone"] = max(TOMBSTONE, levels.state_default + 1, events.get("m.room.tombstone", 0))
    return content


def _is_int(value: object) -> bool:
    return type(value) is int and abs(value) <= _GREATEST


def _fitting(level: int) -> int:
    return max(-_GREATEST, min(level, _GREATEST))


def _ban(event: Event) -> dict[str, Any]:
    reason = event.content.get("reason")
    return {"membership": "ban", "reason": reason} if isinstance(reason, str) else {"membership": "ban"}
