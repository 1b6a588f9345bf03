"""What a mail about missed messages says: its subject, and what its template is given.

Configuration: `email.subjects`, `email.client_base_url`. Manual: "Templates" (`notif_mail`). Pure. Nothing that others
have written gets into the mail as HTML.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

from markupsafe import Markup, escape

from ranvier.sync.missed import MissedEvent, MissedRoom

_NAMES: Final = 3
_BODY: Final = 2000


@dataclass(frozen=True, slots=True)
class Subject:
    """Which of the subjects it is, and what is filled in."""

    kind: str
    person: str
    room: str


def subject_of(missed: Sequence[MissedRoom]) -> Subject:
    """The subject of a mail about these rooms, of which there is one at least."""
    first = missed[0]
    person, room = _people(first), first.name or ""
    if len(missed) > 1:
        kind = "messages_in_room_and_others" if room else "messages_from_person_and_others"
    elif first.inviter is not None:
        kind = "invite_from_person_to_room" if room else "invite_from_person"
    elif first.count == 1:
        kind = "message_from_person_in_room" if room else "message_from_person"
    else:
        kind = "messages_in_room" if room else "messages_from_person"
    return Subject(kind, person, room)


def shown_rooms(missed: Sequence[MissedRoom], client_base_url: str | None) -> list[dict[str, Any]]:
    """The variable `rooms` of the template."""
    return [_room(room, client_base_url) for room in missed]


def link_to(client_base_url: str | None, room_id: str, event_id: str | None = None) -> str:
    """Where a client shows a room, or an event in it."""
    base = "https://matrix.to/#/" if client_base_url is None else f"{client_base_url}/#/room/"
    at = quote(room_id, safe="!:$")
    return base + at if event_id is None else f"{base}{at}/{quote(event_id, safe='!:$')}"


def _room(room: MissedRoom, client_base_url: str | None) -> dict[str, Any]:
    return {
        "title": room.name or _people(room),
        "hash": _colour(room.room_id),
        "avatar_url": room.avatar,
        "invite": room.inviter is not None,
        "inviter": room.inviter,
        "count": room.count,
        "link": link_to(client_base_url, room.room_id),
        "notifs": [
            {
                "link": link_to(client_base_url, room.room_id, missed.event["event_id"]),
                "ts": missed.event.get("origin_server_ts", 0),
                "messages": [_message(missed)],
            }
            for missed in room.events
        ],
    }


def _message(missed: MissedEvent) -> dict[str, Any]:
    event = missed.event
    content = event.get("content")
    content = content if isinstance(content, dict) else {}
    kind = content.get("msgtype")
    shown: dict[str, Any] = {
        "event_type": event.get("type"),
        "is_historical": False,
        "id": event["event_id"],
        "ts": event.get("origin_server_ts", 0),
        "sender_name": missed.sender_name,
        "sender_avatar_url": missed.sender_avatar,
        "sender_hash": _colour(event["sender"]),
        "msgtype": kind if isinstance(kind, str) else None,
    }
    body = content.get("body")
    if isinstance(body, str):
        shown["body_text_plain"] = body[:_BODY]
        shown["body_text_html"] = Markup("<br>\n").join(escape(line) for line in body[:_BODY].splitlines())
    if kind == "m.image" and isinstance(content.get("url"), str):
        shown["image_url"] = content["url"]
    return shown


def _people(room: MissedRoom) -> str:
    """Who has invited, or who has written."""
    if room.inviter is not None:
        return room.inviter
    names = list(dict.fromkeys(missed.sender_name for missed in room.events))
    if len(names) > _NAMES:
        return f"{', '.join(names[:_NAMES])} and others"
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1]))) if names else ""


def _colour(identifier: str) -> int:
    """A number by which a template may choose a colour."""
    return sum(map(ord, identifier))
