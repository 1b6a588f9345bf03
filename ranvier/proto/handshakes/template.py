"""Templates of member events: what a resident server proposes, and what the user's server signs.

Spec: server-server API, `/make_join`, `/make_knock`, `/make_leave`. Of a template only the event's place in the room is
used, and who vouches for the join; what the event says is the user's server's own.
"""

from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ranvier.proto import limits
from ranvier.proto.event_build import complete_event, edges
from ranvier.proto.event_format import InvalidEvent
from ranvier.proto.events import Event
from ranvier.proto.handshakes.bad_answer import BadAnswer
from ranvier.proto.room_versions import ROOM_VERSIONS, RoomVersion
from ranvier.proto.signing import SigningKey

AUTHORISER: Final = "join_authorised_via_users_server"


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """A template that has passed the checks."""

    version: RoomVersion
    pdu: Mapping[str, Any]

    @property
    def authoriser(self) -> str | None:
        """Who lets the user into a restricted room."""
        value = self.pdu["content"].get(AUTHORISER)
        return value if isinstance(value, str) and self.version.restricted_joins else None


def member_template(
    *,
    version: RoomVersion,
    room_id: str,
    user_id: str,
    content: dict[str, Any],
    prev_events: Sequence[Event],
    auth_events: Sequence[Event],
    origin: str,
    now_ms: int,
) -> dict[str, Any]:
    """The template of a member event that the user's own server is to complete and sign."""
    return {
        "type": "m.room.member",
        "room_id": room_id,
        "sender": user_id,
        "state_key": user_id,
        "content": content,
        "depth": min(1 + max((event.depth for event in prev_events), default=0), limits.MAX_STRICT_INTEGER),
        "prev_events": edges(prev_events, version),
        "auth_events": edges(auth_events, version),
        "origin": origin,
        "origin_server_ts": now_ms,
    }


def as_proposed(template: Mapping[str, Any], version: RoomVersion, prev_events: Sequence[Event]) -> Event:
    """A template of ours as the auth rules see it: without hashes, signatures and id."""
    return Event(
        version=version,
        event_id="",
        room_id=template["room_id"],
        type=template["type"],
        sender=template["sender"],
        state_key=template["state_key"],
        content=template["content"],
        origin_server_ts=template["origin_server_ts"],
        depth=template["depth"],
        prev_events=tuple(event.event_id for event in prev_events),
        auth_events=(),
        redacts=None,
        json=b"",
    )


def read_template(answer: object, *, room_id: str, user_id: str, membership: str) -> Template:
    """The answer to `make_...`, if it is for this membership of this user in this room. Raises `BadAnswer`."""
    if not isinstance(answer, dict) or not isinstance(answer.get("event"), dict):
        raise BadAnswer("event: missing")
    name = answer.get("room_version", "1")
    version = ROOM_VERSIONS.get(name) if isinstance(name, str) else None
    if version is None:
        raise BadAnswer("room_version: unknown")
    pdu = answer["event"]
    content = pdu.get("content")
    if not isinstance(content, dict) or content.get("membership") != membership:
        raise BadAnswer("content.membership: not what was asked for")
    expected = {"type": "m.room.member", "room_id": room_id, "sender": user_id, "state_key": user_id}
    for field, value in expected.items():
        if pdu.get(field) != value:
            raise BadAnswer(f"{field}: not what was asked for")
    for field in ("prev_events", "auth_events"):
        if not isinstance(pdu.get(field), list) or not pdu[field]:
            raise BadAnswer(f"{field}: missing")
    return Template(version=version, pdu=pdu)


def complete_template(
    template: Template,
    content: Mapping[str, Any],
    *,
    server_name: str,
    signing_key: SigningKey,
    now_ms: int,
    random: Callable[[int], bytes],
) -> Event:
    """The event that says `content` and, of a restricted join, who lets the user in; signed. Raises `BadAnswer`."""
    kept = ("type", "room_id", "sender", "state_key", "prev_events", "auth_events")
    pdu: dict[str, Any] = {
        **{field: template.pdu[field] for field in kept},
        "content": dict(content),
        "depth": template.pdu.get("depth", 0),
        "origin": server_name,
        "origin_server_ts": now_ms,
    }
    if template.authoriser is not None and content.get("membership") == "join":
        pdu["content"][AUTHORISER] = template.authoriser
    if template.version.event_ids == "opaque":
        pdu["event_id"] = f"${urlsafe_b64encode(random(18)).decode()}:{server_name}"
    try:
        return complete_event(pdu, template.version, signing_key=signing_key, server_name=server_name)
    except InvalidEvent as error:
        raise BadAnswer(f"the template makes no event: {error}") from error
