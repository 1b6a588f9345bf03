"""The event nearest to a moment, where our own history has a gap."""

from typing import Any, cast

import orjson
import pytest

from ranvier.federation.ask_moments import MomentAsking
from ranvier.federation.gaps import Gaps
from ranvier.federation.keys import ServerKeys, Verdict
from ranvier.federation.screening import Screens
from ranvier.proto.errors import MatrixError
from ranvier.proto.event_receipt import ReceivedEvent
from ranvier.proto.events import Event
from ranvier.store.backward_extremities import rooms as rooms_with_gaps
from tests.api.asgi import Answer, Client, in_room
from tests.federation.asked import OWN, REMOTE, Asked, message
from tests.federation.elsewhere import Elsewhere, Question, refusal
from tests.rooms.remote_room import RemoteRoom


class TrustedKeys:
    """Every signature is right."""

    async def verify_received(self, events: list[ReceivedEvent], *, resident: str | None = None) -> list[Verdict]:
        return [Verdict(None, authoriser_signed=True) for _ in events]


class Gapped:
    """A room of which the homeserver knows what came after alice's join; another server knows all of it."""

    def __init__(self, asked: Asked, room: RemoteRoom) -> None:
        self.asked = asked
        self.room = room
        self.elsewhere = Elsewhere()
        self.elsewhere.servers[REMOTE] = self._answer
        self.nearest: Event | None = None
        """What the other server says is nearest."""

    async def connect(self) -> None:
        rooms = self.asked.server.server.rooms
        screens = Screens(keys=cast(ServerKeys, TrustedKeys()))
        gaps = Gaps(
            rooms=rooms.rooms,
            accepting=rooms.accepting,
            outliers=rooms.outliers,
            client=self.elsewhere.client,
            screens=screens,
        )
        self._gapped = await rooms_with_gaps(rooms.rooms.db)
        self.asked.directory.timestamp_to_event.remote = MomentAsking(
            client=self.elsewhere.client,
            screens=screens,
            gaps=gaps,
            known=self,
            hosts_of=self.asked.hosts_of,
            server_name=OWN,
        )

    def may_have(self, room_nid: int) -> bool:
        return room_nid in self._gapped

    async def find(self, client: Client, ts: int, *, forwards: bool) -> str | None:
        """The id of the event that a client gets."""
        requester = await self.asked.server.server.users.sessions.authenticate(
            client.token or "", client_ip="", user_agent="", masquerade=None
        )
        try:
            found = await self.asked.directory.timestamp_to_event.find(
                requester, self.room.room_id, ts, forwards=forwards
            )
        except MatrixError as error:
            assert error.status == 404
            return None
        return found.event.event_id

    async def _answer(self, question: Question) -> Any:
        match question.segments:
            case ("timestamp_to_event", _):
                if self.nearest is None:
                    raise refusal(404, "M_NOT_FOUND")
                return {"event_id": self.nearest.event_id, "origin_server_ts": self.nearest.origin_server_ts}
            case ("event", event_id):
                return {"pdus": [orjson.loads(self.room.events[event_id].json)]}
            case ("state_ids", _):
                event = self.room.events[question.query["event_id"]]
                state = list(self.room.after[event.prev_events[0]].values())
                return {
                    "pdu_ids": [entry.event_id for entry in state],
                    "auth_chain_ids": [entry.event_id for entry in self.room.auth_chain(state)],
                }
            case _:
                raise refusal(404, "M_UNRECOGNIZED")


@pytest.fixture
async def gapped(asked: Asked, alice: Client) -> Gapped:
    room = RemoteRoom()
    for number in range(5):
        room.tell("m.room.message", message(f"old {number}"))
    await room.let_in(asked.server, alice.user_id)
    gapped = Gapped(asked, room)
    await gapped.connect()
    await asked.accept(room, room.tell("m.room.message", message("new")))
    return gapped


@pytest.fixture
def asked(homeserver: Any) -> Asked:
    return Asked(homeserver)


def old(gapped: Gapped, number: int) -> Event:
    wanted = message(f"old {number}")
    return next(event for event in gapped.room.events.values() if event.content == wanted)


@pytest.mark.parametrize("forwards", [True, False])
async def test_an_event_from_before_we_came(gapped: Gapped, alice: Client, forwards: bool) -> None:
    event = gapped.nearest = old(gapped, 2)
    assert await gapped.find(alice, event.origin_server_ts, forwards=forwards) == event.event_id
    shown: Answer = await alice.get(f"{in_room(gapped.room.room_id)}/event/{event.event_id}")
    assert shown.ok()["content"] == event.content
    (question, *_) = gapped.elsewhere.asked
    assert question.query == {"ts": str(event.origin_server_ts), "dir": "f" if forwards else "b"}


async def test_nobody_is_asked_where_nothing_is_missing(gapped: Gapped, alice: Client) -> None:
    tip = gapped.room.tip
    assert await gapped.find(alice, tip.origin_server_ts, forwards=True) == tip.event_id
    assert await gapped.find(alice, tip.origin_server_ts, forwards=False) == tip.event_id
    assert await gapped.find(alice, tip.origin_server_ts + 1000, forwards=True) is None
    assert gapped.elsewhere.asked == []


async def test_nobody_knows_better(gapped: Gapped, alice: Client) -> None:
    joined = gapped.room.events[gapped.room.tip.prev_events[0]]
    assert await gapped.find(alice, 0, forwards=True) == joined.event_id
    assert await gapped.find(alice, 0, forwards=False) is None
    gapped.elsewhere.servers.clear()
    assert await gapped.find(alice, 0, forwards=True) == joined.event_id


async def test_answers_that_are_no_better(gapped: Gapped, alice: Client) -> None:
    joined = gapped.room.events[gapped.room.tip.prev_events[0]]
    gapped.nearest = old(gapped, 2)
    # It lies in the other direction.
    assert await gapped.find(alice, gapped.nearest.origin_server_ts + 1, forwards=True) == joined.event_id
    assert [question.segments[0] for question in gapped.elsewhere.asked] == ["timestamp_to_event"]


async def test_an_event_of_another_room_is_not_taken(gapped: Gapped, alice: Client) -> None:
    elsewhere = RemoteRoom(server="third.test")
    foreign = gapped.nearest = elsewhere.tell("m.room.message", message("foreign"))
    gapped.room.events[foreign.event_id] = foreign
    joined = gapped.room.events[gapped.room.tip.prev_events[0]]
    assert await gapped.find(alice, 0, forwards=True) == joined.event_id
