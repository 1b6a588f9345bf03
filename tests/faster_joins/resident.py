"""A server that the test plays: answers what is true unless told otherwise, holds answers back, and remembers requests."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import orjson

from ranvier.http.response import Header
from ranvier.ports import FederationTransport
from ranvier.proto.canonical_json import encode_lenient
from ranvier.proto.event_format import parse_event
from ranvier.proto.events import Event
from ranvier.proto.handshakes.countersign import countersign
from ranvier.proto.key_documents import write_key_document
from ranvier.proto.signing import authorising_server
from ranvier.proto.x_matrix import parse_x_matrix, x_matrix_header
from tests.faster_joins import answers
from tests.faster_joins.answers import FORBIDDEN, NOT_FOUND, Answer, Request
from tests.faster_joins.room import MEMBER, ScriptedRoom, key_of, now_ms

Lie = Callable[[Request, dict[str, Any]], Any]
"""What is answered instead of the truth: a changed body, or status and body."""
DAY_MS = 24 * 3600 * 1000
STATES = ("state", "state_ids")


@dataclass
class Resident:
    """One such server."""

    name: str
    transport: FederationTransport
    ours: str
    """The server under test."""
    rooms: dict[str, ScriptedRoom] = field(default_factory=dict)
    """By id; shared with the other scripted servers."""
    requests: list[Request] = field(default_factory=list)
    """All but those for keys."""
    answers_in_full: bool = False
    """Whether joins are answered with all members, also to those who can do without."""
    devices: dict[str, dict[str, Any]] = field(default_factory=dict)
    """By user: the answer of `/user/devices`."""
    heard: list[Event] = field(default_factory=list)
    """Events from transactions, in the order in which they came."""
    edus: list[dict[str, Any]] = field(default_factory=list)
    knows_keys_of: set[str] = field(default_factory=set)
    """Other servers, whose keys it tells."""
    keys_asked: int = 0
    """How often it was asked for the keys of others."""
    _held: dict[str, asyncio.Event] = field(default_factory=dict)
    _refusals: dict[str, list[Answer]] = field(default_factory=dict)
    _always: dict[str, Answer] = field(default_factory=dict)
    _lies: dict[str, Lie] = field(default_factory=dict)
    _sent: int = 0

    # What the test has it do.

    def hold(self, *acts: str) -> None:
        """Do not answer these requests until they are released; without a name: those for states."""
        for act in acts or STATES:
            self._held.setdefault(act, asyncio.Event())

    def release(self, *acts: str) -> None:
        """Answer them."""
        for act in acts or STATES:
            if act in self._held:
                self._held.pop(act).set()

    def refuse(self, act: str, status: int = 403, errcode: str = "M_FORBIDDEN", *, times: int | None = None) -> None:
        """Answer with an error: so many times, or until `allow`."""
        answer = (status, {"errcode": errcode, "error": "The test says so"})
        if times is None:
            self._always[act] = answer
        else:
            self._refusals.setdefault(act, []).extend([answer] * times)

    def allow(self, act: str) -> None:
        """Answer again."""
        self._always.pop(act, None)

    def lie(self, act: str, lie: Lie | None) -> None:
        """Let something else be told than what is so; `None`: the truth again."""
        if lie is None:
            self._lies.pop(act, None)
        else:
            self._lies[act] = lie

    def asked(self, *acts: str) -> list[Request]:
        """The requests of these kinds."""
        return [request for request in self.requests if request.act in acts]

    def heard_ids(self) -> list[str]:
        """The ids of what it was sent."""
        return [event.event_id for event in self.heard]

    def heard_edus(self, edu_type: str) -> list[Any]:
        """The contents of EDUs that it was sent."""
        return [edu["content"] for edu in self.edus if edu["edu_type"] == edu_type]

    async def send(self, *events: Event, edus: Sequence[tuple[str, Any]] = ()) -> dict[str, Any]:
        """One transaction to the server under test; what it answers about the events."""
        self._sent += 1
        content = {
            "origin": self.name,
            "origin_server_ts": now_ms(),
            "pdus": [event.pdu for event in events],
            "edus": [{"edu_type": edu_type, "content": edu} for edu_type, edu in edus],
        }
        status, answer = await self.ask("PUT", f"/_matrix/federation/v1/send/{self._sent}", content)
        assert status == 200, answer
        told: dict[str, Any] = answer["pdus"]
        return told

    async def ask(self, method: str, path: str, content: Any = None) -> tuple[int, Any]:
        """A signed request to the server under test."""
        body = None if content is None else encode_lenient(content)
        signed = x_matrix_header(
            method=method, uri=path, origin=self.name, destination=self.ours, content=body, key=key_of(self.name)
        )
        answer = await self.transport.request(
            method=method,
            destination=self.ours,
            target=path,
            headers={"Authorization": signed},
            body=body,
            timeout_s=300.0,
            limit_bytes=1 << 24,
        )
        return answer.status, orjson.loads(answer.body)

    # What it does when it is asked.

    async def handle(
        self, method: str, target: str, headers: Sequence[Header] = (), body: bytes = b""
    ) -> tuple[int, list[Header], bytes]:
        """An application, as the network of the plays knows them."""
        url = urlsplit(target)
        segments = [unquote(segment) for segment in url.path.removeprefix("/_matrix/").split("/")]
        if segments[0] == "key":
            status, answer = 200, self._keys_of_others(body) if segments[-1] == "query" else _keys(self.name)
        else:
            _, _, act, *rest = segments
            request = Request(
                act, rest, dict(parse_qsl(url.query)), orjson.loads(body) if body else None, _origin(headers),
                asyncio.get_running_loop().time(), url.path,
            )  # fmt: skip
            status, answer = await self._respond(request)
        return status, [(b"content-type", b"application/json")], orjson.dumps(answer)

    async def _respond(self, request: Request) -> Answer:
        self.requests.append(request)
        held = self._held.get(request.act)
        if held is not None:
            await held.wait()
        if self._refusals.get(request.act):
            return self._refusals[request.act].pop(0)
        if request.act in self._always:
            return self._always[request.act]
        status, answer = self._truth(request)
        lie = self._lies.get(request.act)
        if lie is None:
            return status, answer
        told = lie(request, answer)
        return told if isinstance(told, tuple) else (status, told)

    def _truth(self, request: Request) -> Answer:
        if request.act == "send":
            return self._take(request.body)
        if request.act == "user":
            return self._user(request)
        if request.act == "query":
            return NOT_FOUND
        if request.act == "event":
            rooms = [room for room in self.rooms.values() if request.rest[0] in room.events]
            found = answers.pdus([room.events[request.rest[0]] for room in rooms])
            return (200, {"origin": self.name, "origin_server_ts": now_ms(), "pdus": found}) if rooms else NOT_FOUND
        room = self.rooms.get(request.rest[0]) if request.rest else None
        return NOT_FOUND if room is None else self._in_room(room, request)

    def _in_room(self, room: ScriptedRoom, request: Request) -> Answer:
        match request.act:
            case "state" | "state_ids":
                return answers.state_at(room, request.query["event_id"], ids=request.act == "state_ids")
            case "event_auth":
                return answers.event_auth(room, request.rest[1])
            case "get_missing_events":
                return answers.missing_events(room, request.body)
            case "backfill":
                return answers.backfill(room, request.query["v"], int(request.query["limit"]))
        return self._handshake(room, request)

    def _handshake(self, room: ScriptedRoom, request: Request) -> Answer:
        if request.act in ("make_leave", "send_leave") and not _may_leave(room, request):
            return FORBIDDEN
        match request.act:
            case "make_join" | "make_leave":
                return answers.template(room, request.rest[1], request.act.removeprefix("make_"))
            case "send_join":
                omits = request.query.get("omit_members") == "true" and not self.answers_in_full
                join = parse_event(request.body, room.version)
                if authorising_server(join) == self.name:
                    join = countersign(join, self.name, key_of(self.name))
                return answers.joined(room, room.hear(join.pdu), omit_members=omits)
            case "invite":
                invite = countersign(room.hear(request.body["event"]), self.name, key_of(self.name))
                return 200, {"event": invite.pdu}
            case "send_leave":
                self.heard.append(room.hear(request.body))
                return 200, {}
        return NOT_FOUND

    def _take(self, body: Any) -> Answer:
        told = {}
        for pdu in body.get("pdus", ()):
            room = self.rooms.get(pdu.get("room_id", ""))
            if room is not None:
                event = room.hear(pdu)
                self.heard.append(event)
                told[event.event_id] = dict[str, Any]()
        self.edus += body.get("edus", ())
        return 200, {"pdus": told}

    def _user(self, request: Request) -> Answer:
        """`/user/devices/{user}` and `/user/keys/query`."""
        if request.rest[0] == "devices":
            nothing = {"user_id": request.rest[1], "stream_id": 1, "devices": []}
            return 200, self.devices.get(request.rest[1], nothing)
        if request.rest[:2] == ["keys", "query"]:
            found = {
                user_id: {device["device_id"]: device["keys"] for device in self.devices[user_id]["devices"]}
                for user_id in request.body["device_keys"]
                if user_id in self.devices
            }
            return 200, {"device_keys": found}
        return NOT_FOUND

    def _keys_of_others(self, body: bytes) -> dict[str, Any]:
        self.keys_asked += 1
        asked = orjson.loads(body)["server_keys"]
        return {"server_keys": [_keys(name) for name in asked if name in self.knows_keys_of]}


def _may_leave(room: ScriptedRoom, request: Request) -> bool:
    """Whether somebody is in the room, or invited; or whether the very same leave has come before."""
    if request.rest[1] in room.events:
        return True
    user_id = request.rest[1] if request.act == "make_leave" else request.body["state_key"]
    member = room.state.get((MEMBER, user_id))
    return member is not None and member.membership in ("join", "invite", "knock")


def _keys(name: str) -> dict[str, Any]:
    return write_key_document(server_name=name, keys=[key_of(name)], old_keys={}, valid_until_ts=now_ms() + 7 * DAY_MS)


def _origin(headers: Sequence[Header]) -> str:
    given = {name.lower(): value.decode() for name, value in headers}
    header = given.get(b"authorization")
    return "" if header is None else parse_x_matrix(header).origin
