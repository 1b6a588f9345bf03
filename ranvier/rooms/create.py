"""Creating a room: a handful of events in one transaction.

Spec: client-server API, "Creation" (`POST /createRoom`); the order of events is the spec's.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final, Literal

import msgspec

from ranvier.db.engine import Tx
from ranvier.proto.errors import MatrixError, bad_json, forbidden, invalid_param
from ranvier.proto.ids import domain_of, is_room_alias, is_user_id
from ranvier.proto.room_versions import ROOM_VERSIONS, RoomVersion
from ranvier.rooms.directory_rules import DirectoryRules
from ranvier.rooms.invite_rules import InviteRules, third_party_invites_denied
from ranvier.rooms.member_content import MemberContent
from ranvier.rooms.new_room import NewRooms
from ranvier.rooms.room import Room
from ranvier.rooms.rooms import Rooms
from ranvier.rooms.write import Draft, Writer
from ranvier.store import aliases
from ranvier.store.aliases import Alias
from ranvier.users.application_services import ApplicationServices
from ranvier.users.requester import Requester

logger = logging.getLogger(__name__)

Preset = Literal["private_chat", "trusted_private_chat", "public_chat"]

INVITE_LIMIT: Final = 500


class InitialState(msgspec.Struct):
    """One entry of `initial_state`."""

    type: str
    content: dict[str, Any]
    state_key: str = ""


class Invite3pid(msgspec.Struct):
    """One entry of `invite_3pid`."""

    id_server: str
    id_access_token: str
    medium: str
    address: str


class RoomRequest(msgspec.Struct):
    """What a client may say about a room to create."""

    visibility: Literal["public", "private"] | None = None
    room_alias_name: str | None = None
    name: str | None = None
    topic: str | None = None
    invite: list[str] = []
    invite_3pid: list[Invite3pid] = []
    room_version: str | None = None
    creation_content: dict[str, Any] = {}
    initial_state: list[InitialState] = []
    preset: Preset | None = None
    is_direct: bool = False
    power_level_content_override: dict[str, Any] = {}


_PRESETS: Final[dict[str, tuple[str, str, str]]] = {
    "private_chat": ("invite", "shared", "can_join"),
    "trusted_private_chat": ("invite", "shared", "can_join"),
    "public_chat": ("public", "shared", "forbidden"),
}
"""Join rule, history visibility and guest access."""


class Creating:
    """Makes rooms."""

    def __init__(
        self,
        *,
        rooms: Rooms,
        writer: Writer,
        member_content: MemberContent,
        new_rooms: NewRooms,
        invitations: InviteRules,
        alias_rules: DirectoryRules,
        services: ApplicationServices,
        publication_rules: DirectoryRules,
        default_room_version: str,
        encrypted_presets: frozenset[str],
        power_levels: Mapping[str, Mapping[str, Any]],
    ) -> None:
        """`power_levels` are those of the configuration, by preset."""
        self._rooms = rooms
        self._writer = writer
        self._member_content = member_content
        self._new_rooms = new_rooms
        self._invitations = invitations
        self._alias_rules = alias_rules
        self._services = services
        self._publication_rules = publication_rules
        self._default_room_version = default_room_version
        self._encrypted_presets = encrypted_presets
        self._power_levels = power_levels
        self.invite_elsewhere: Callable[[str, Draft], Awaitable[object]] | None = None
        """Invites users of other servers into the room, once it is there; `None` without federation."""
        self.invite_by_address: Callable[[Requester, str, Invite3pid], Awaitable[None]] | None = None
        """Invites whoever has an address; `None` where identity servers are not asked."""

    async def create_room(self, requester: Requester, request: RoomRequest) -> str:
        """Create the room; its id. One transaction.

        Raises 400 `M_UNSUPPORTED_ROOM_VERSION`, `M_ROOM_IN_USE` (alias), `M_INVALID_ROOM_STATE` (the events asked for
        contradict each other), `M_BAD_JSON`, `M_INVALID_PARAM`; 403 for what the auth rules forbid, and
        `M_THREEPID_DENIED`.
        """
        version = ROOM_VERSIONS.get(request.room_version or self._default_room_version)
        if version is None:
            raise MatrixError(400, "M_UNSUPPORTED_ROOM_VERSION", f"Unknown room version {request.room_version!r}")
        if request.invite_3pid and self.invite_by_address is None:
            raise third_party_invites_denied()
        _check_invitees(request)
        alias = await self._free_alias(requester, request.room_alias_name)
        preset = request.preset or ("public_chat" if request.visibility == "public" else "private_chat")
        self._check_directory(requester, request, alias)
        for user_id in dict.fromkeys(request.invite):
            await self._invitations.check(requester, user_id)
        if requester.shadow_banned:  # Nobody is to hear of it.
            request = msgspec.structs.replace(request, invite=[], invite_3pid=[])
        members = [requester.user_id, *request.invite]
        room = await self._new_rooms.begin(version, self._new_rooms.room_id(version), members)
        drafts = await self._drafts(requester.user_id, request, preset, version, alias)
        elsewhere = [draft for draft in drafts if self._goes_elsewhere(draft)]
        here = [draft for draft in drafts if not self._goes_elsewhere(draft)]
        await self._write(room, here, requester, alias, is_public=request.visibility == "public")
        await asyncio.gather(*(self._invite_elsewhere(room.room_id, draft) for draft in elsewhere))
        for wanted in request.invite_3pid:
            await self._invite_by_address(requester, room.room_id, wanted)
        return room.room_id

    def _goes_elsewhere(self, draft: Draft) -> bool:
        return (
            self.invite_elsewhere is not None
            and draft.content.get("membership") == "invite"
            and domain_of(draft.state_key or "") != self._writer.server_name
        )

    async def _invite_elsewhere(self, room_id: str, draft: Draft) -> None:
        """The room is there whatever becomes of the invitation."""
        if self.invite_elsewhere is None:
            return
        try:
            await self.invite_elsewhere(room_id, draft)
        except MatrixError as error:
            logger.info("%s could not be invited to %s: %s", draft.state_key, room_id, error)

    async def _invite_by_address(self, requester: Requester, room_id: str, wanted: Invite3pid) -> None:
        """As `_invite_elsewhere`."""
        if self.invite_by_address is None:
            return
        try:
            await self.invite_by_address(requester, room_id, wanted)
        except MatrixError as error:
            logger.info("Somebody could not be invited by an address to %s: %s", room_id, error)

    def _check_directory(self, requester: Requester, request: RoomRequest, alias: str | None) -> None:
        """Raises 403 if the server does not let the user name or publish rooms like this one, which has no id yet."""
        names = [] if alias is None else [alias]
        who = requester.user_id
        if alias is not None and not self._alias_rules.allow(user_id=who, room_id="", aliases=names):
            raise forbidden("This server does not let you create this alias")
        if request.visibility == "public" and not self._publication_rules.allow(user_id=who, room_id="", aliases=names):
            raise forbidden("This server does not let you publish this room")

    async def _write(
        self, room: Room, drafts: Sequence[Draft], requester: Requester, alias: str | None, *, is_public: bool
    ) -> None:
        async def name_room(tx: Tx) -> None:
            if alias is not None:
                await aliases.insert(tx, Alias(alias, room.room_nid, requester.user_id))

        try:
            await self._new_rooms.write(room, drafts, is_public=is_public, also=[name_room] if alias else [])
        except MatrixError as error:
            if error.errcode == "M_FORBIDDEN":
                raise MatrixError(
                    400, "M_INVALID_ROOM_STATE", f"The room asked for would not be valid: {error.error}"
                ) from error
            if error.status == 500 and alias is not None and await aliases.room_of(self._rooms.db, alias) is not None:
                raise MatrixError(400, "M_ROOM_IN_USE", f"{alias} is taken") from error
            raise

    async def _free_alias(self, requester: Requester, local_part: str | None) -> str | None:
        if local_part is None:
            return None
        alias = f"#{local_part}:{self._writer.server_name}"
        if not local_part or ":" in local_part or "\0" in local_part or not is_room_alias(alias):
            raise invalid_param("room_alias_name: not usable as the local part of a room alias")
        self._services.check_alias(alias, appservice_id=requester.appservice_id)
        if await aliases.room_of(self._rooms.db, alias) is not None:
            raise MatrixError(400, "M_ROOM_IN_USE", f"{alias} is taken")
        return alias

    async def _drafts(
        self, creator: str, request: RoomRequest, preset: str, version: RoomVersion, alias: str | None
    ) -> list[Draft]:
        def state(type_: str, content: dict[str, Any], state_key: str = "") -> Draft:
            return Draft(sender=creator, type=type_, state_key=state_key, content=content)

        join = await self._member_content.of(creator, "join")
        drafts = [
            state("m.room.create", _create_content(creator, request, preset, version)),
            state("m.room.member", join, creator),
            state("m.room.power_levels", _power_levels(creator, request, preset, version, self._power_levels)),
        ]
        if alias is not None:
            drafts.append(state("m.room.canonical_alias", {"alias": alias}))
        drafts += self._state_entries(creator, request, preset)
        for user_id in dict.fromkeys(request.invite):
            content = await self._member_content.of(user_id, "invite")
            if request.is_direct:
                content["is_direct"] = True
            drafts.append(state("m.room.member", content, user_id))
        return drafts

    def _state_entries(self, creator: str, request: RoomRequest, preset: str) -> list[Draft]:
        """Preset, then `initial_state`, then name and topic: what comes later replaces what it overrides."""
        join_rule, visibility, guests = _PRESETS[preset]
        entries: dict[tuple[str, str], dict[str, Any]] = {
            ("m.room.join_rules", ""): {"join_rule": join_rule},
            ("m.room.history_visibility", ""): {"history_visibility": visibility},
            ("m.room.guest_access", ""): {"guest_access": guests},
        }
        if preset in self._encrypted_presets:
            entries["m.room.encryption", ""] = {"algorithm": "m.megolm.v1.aes-sha2"}
        for entry in request.initial_state:
            if "\0" in entry.type or "\0" in entry.state_key:
                raise invalid_param("Event types and state keys cannot hold NUL characters")
            if entry.type in ("m.room.create", "m.room.member"):
                raise MatrixError(400, "M_INVALID_ROOM_STATE", f"initial_state: {entry.type} is not yours to set")
            entries[entry.type, entry.state_key] = entry.content
        if request.name is not None:
            entries["m.room.name", ""] = {"name": request.name}
        if request.topic is not None:
            entries["m.room.topic", ""] = {
                "topic": request.topic,
                "m.topic": {"m.text": [{"body": request.topic}]},
            }
        return [
            Draft(sender=creator, type=type_, state_key=state_key, content=content)
            for (type_, state_key), content in entries.items()
        ]


def _check_invitees(request: RoomRequest) -> None:
    if len(request.invite) + len(request.invite_3pid) > INVITE_LIMIT:
        raise invalid_param(f"invite: at most {INVITE_LIMIT} users can be invited at once")
    for index, user_id in enumerate(request.invite):
        if not is_user_id(user_id):
            raise invalid_param(f"invite[{index}]: not a user id")


def _create_content(creator: str, request: RoomRequest, preset: str, version: RoomVersion) -> dict[str, Any]:
    content = {**request.creation_content, "room_version": version.identifier}
    content.pop("creator", None)
    if version.creator_in_content:
        content["creator"] = creator
    if version.privileged_creators and preset == "trusted_private_chat":
        asked = content.get("additional_creators", [])
        if not isinstance(asked, list) or not all(isinstance(user_id, str) for user_id in asked):
            raise bad_json("creation_content.additional_creators: expected a list of user ids")
        content["additional_creators"] = list(dict.fromkeys([*asked, *request.invite]))
        if not content["additional_creators"]:
            del content["additional_creators"]
    return content


def _power_levels(
    creator: str,
    request: RoomRequest,
    preset: str,
    version: RoomVersion,
    usual: Mapping[str, Mapping[str, Any]],
) -> dict[str, Any]:
    users: dict[str, int] = {} if version.privileged_creators else {creator: 100}
    if preset == "trusted_private_chat" and not version.privileged_creators:
        users |= dict.fromkeys(request.invite, 100)
    content: dict[str, Any] = {
        "users": users,
        "users_default": 0,
        "events": {
            "m.room.name": 50,
            "m.room.power_levels": 100,
            "m.room.history_visibility": 100,
            "m.room.canonical_alias": 50,
            "m.room.avatar": 50,
            "m.room.tombstone": 150 if version.privileged_creators else 100,
            "m.room.server_acl": 100,
            "m.room.encryption": 100,
        },
        "events_default": 0,
        "state_default": 50,
        "ban": 50,
        "kick": 50,
        "redact": 50,
        "invite": 50 if preset == "public_chat" else 0,
        "historical": 100,
    }
    return content | dict(usual.get(preset, {})) | request.power_level_content_override
