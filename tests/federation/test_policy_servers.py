"""Rooms in which a policy server has to agree. Spec: server-server API, "Policy Servers"."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
import pytest

from ranvier.federation.policy_servers import AT_ONCE, BATCH_TIMEOUT_S, TIMEOUT_S
from ranvier.ports import FederationAnswer, FederationUnreachable
from ranvier.proto.events import Event
from ranvier.proto.handshakes.countersign import with_signatures
from ranvier.proto.hashing import signed_bytes
from ranvier.proto.policy import KEY_ID
from ranvier.proto.room_versions import ROOM_VERSIONS
from ranvier.proto.signing import SigningKey
from ranvier.proto.unpadded_base64 import encode_base64
from ranvier.rooms.accept import Arrival
from ranvier.store.events import ACCEPTED, SOFT_FAILED, StoredEvent
from tests.api.asgi import Client
from tests.federation.peers import Peers, Place, answer
from tests.plays.virtual_loop import run_virtually
from tests.rooms.remote_room import RemoteRoom

POLICY = "policy.test"
KEY = SigningKey(KEY_ID, b"p" * 32)
VERSION = ROOM_VERSIONS["11"]


@dataclass
class Policed(Peers):
    """Others, among them a policy server."""

    asked: list[Any] = field(default_factory=list)
    """The events that were to be signed."""
    refusal: FederationAnswer | None = None
    """What it answers to those whose body has `spam` in it."""
    refuses_members: bool = False
    """Whether it answers so to member events too."""
    key: SigningKey = KEY
    takes_s: float = 0.1
    deciding: int = 0
    most_deciding: int = 0

    async def request(
        self,
        *,
        method: str,
        destination: str,
        target: str,
        headers: Mapping[str, str],
        body: bytes | None,
        timeout_s: float,
        limit_bytes: int,
    ) -> FederationAnswer:
        if target != "/_matrix/policy/v1/sign":
            return await super().request(
                method=method,
                destination=destination,
                target=target,
                headers=headers,
                body=body,
                timeout_s=timeout_s,
                limit_bytes=limit_bytes,
            )
        assert (method, destination) == ("POST", POLICY) and headers["authorization"].startswith("X-Matrix ")
        pdu = orjson.loads(body or b"")
        self.asked.append(pdu)
        self.deciding += 1
        self.most_deciding = max(self.most_deciding, self.deciding)
        try:
            await asyncio.sleep(min(self.takes_s, timeout_s))
        finally:
            self.deciding -= 1
        if POLICY in self.down or self.takes_s > timeout_s:
            raise FederationUnreachable("timed out")
        is_refused = "spam" in pdu["content"].get("body", "") or (
            self.refuses_members and "membership" in pdu["content"]
        )
        if self.refusal is not None and is_refused:
            return self.refusal
        return answer(200, {POLICY: {KEY_ID: self.key.sign(signed_bytes(pdu, VERSION))}})


@dataclass
class Scene:
    """A room with a policy server, and a local user in it."""

    at: Place
    peers: Policed
    alice: Client
    room: RemoteRoom

    async def say(self, body: str) -> Any:
        """The answer to what the user sends."""
        return await self.alice.send(self.room.room_id, "m.room.message", {"msgtype": "m.text", "body": body})

    async def accept(self, *events: Event, **known: Any) -> list[int | None]:
        """What has become of events from elsewhere."""
        stored = await self.at.server.rooms.accepting.accept(
            self.room.room_id, [Arrival(event=event, **known) for event in events]
        )
        return [None if one is None else one.status for one in stored]

    async def stored(self, event_id: str) -> StoredEvent:
        return (await self.at.server.rooms.cache.by_id([event_id]))[event_id]

    async def ends(self) -> list[Event]:
        room = await self.at.server.rooms.rooms.get(self.room.room_id)
        return [stored.event for stored in room.extremities]

    def spam(self, body: str = "spam") -> Event:
        """A message of another server."""
        return self.room.tell("m.room.message", {"msgtype": "m.text", "body": body}, sender="@u:one.test")


Play = Callable[[Scene], Coroutine[None, None, None]]
Run = Callable[..., None]


@pytest.fixture
def play(tmp_path: Path) -> Run:
    """Tells what happens in such a room, in virtual time."""

    async def run(act: Play, content: Mapping[str, Any] | None, joined: bool) -> None:
        peers = Policed()
        at = Place(tmp_path, peers=peers)
        homeserver = await at.start()
        try:
            alice = await homeserver.register("alice")
            members = ["@u:one.test", *(["@p:policy.test"] if joined else [])]
            room = RemoteRoom(version="11", server="began.test")
            for member in members:
                room.join(member)
            named = {"via": POLICY, "public_keys": {"ed25519": encode_base64(KEY.public_key)}}
            room.tell("m.room.policy", dict(named if content is None else content), state_key="")
            await room.let_in(homeserver, alice.user_id)
            await act(Scene(at, peers, alice, room))
        finally:
            await at.server.close()

    def start(act: Play, *, content: Mapping[str, Any] | None = None, joined: bool = True) -> None:
        run_virtually(run(act, content, joined))

    return start


def test_what_is_sent_bears_its_signature(play: Run) -> None:
    async def act(scene: Scene) -> None:
        event_id = (await scene.say("hello")).ok()["event_id"]
        (asked,) = scene.peers.asked
        assert asked["content"]["body"] == "hello" and set(asked["signatures"]) == {"ranvier.test"}
        await asyncio.sleep(5)
        for server in ("one.test", POLICY):
            (pdu,) = [pdu for sent in scene.peers.taken[server] for pdu in sent.content["pdus"]]
            assert pdu["signatures"]["ranvier.test"] == asked["signatures"]["ranvier.test"]
            assert set(pdu["signatures"][POLICY]) == {KEY_ID}
        assert [event.event_id for event in await scene.ends()] == [event_id]

    play(act)


@pytest.mark.parametrize(
    ("content", "joined"),
    [
        (None, False),
        ({}, True),
        ({"via": POLICY}, True),
        ({"via": POLICY, "public_keys": {"rsa": "AAAA"}}, True),
        ({"via": POLICY, "public_keys": {"ed25519": 1}}, True),
        ({"via": 1, "public_keys": {"ed25519": "AAAA"}}, True),
        ({"via": "not a name", "public_keys": {"ed25519": "AAAA"}}, True),
    ],
)
def test_rooms_without_one(play: Run, content: Mapping[str, Any] | None, joined: bool) -> None:
    async def act(scene: Scene) -> None:
        (await scene.say("hello")).ok()
        assert await scene.accept(scene.spam()) == [ACCEPTED]
        assert not scene.peers.asked

    play(act, content=content, joined=joined)


@pytest.mark.parametrize(("status", "errcode"), [(400, "M_FORBIDDEN"), (403, "M_FORBIDDEN"), (404, "M_NOT_FOUND")])
def test_what_it_refuses_is_not_sent(play: Run, status: int, errcode: str) -> None:
    async def act(scene: Scene) -> None:
        scene.peers.refusal = answer(status, {"errcode": errcode, "error": "It looks like spam"})
        refused = await scene.say("spam")
        assert (refused.status, refused.json["errcode"], refused.json["error"]) == (
            status,
            errcode,
            "It looks like spam",
        )
        (await scene.say("ham")).ok()
        await asyncio.sleep(60)
        assert scene.peers.events("one.test") == ["ham"]

    play(act)


def test_an_error_that_would_harm_the_client_is_not_passed_on(play: Run) -> None:
    async def act(scene: Scene) -> None:
        scene.peers.refusal = answer(401, {"errcode": "M_UNKNOWN_TOKEN", "error": "log out"})
        refused = await scene.say("spam")
        assert (refused.status, refused.json["errcode"]) == (502, "M_UNKNOWN")

    play(act)


def test_who_is_asked_too_often_says_when_to_come_back(play: Run) -> None:
    async def act(scene: Scene) -> None:
        scene.peers.refusal = answer(429, {"errcode": "M_LIMIT_EXCEEDED", "error": "", "retry_after_ms": 3600000})
        refused = await scene.say("spam")
        assert (refused.status, refused.json["errcode"]) == (429, "M_LIMIT_EXCEEDED")
        assert refused.json["retry_after_ms"] == 3600000

    play(act)


def test_a_wrong_signature_is_none(play: Run) -> None:
    async def act(scene: Scene) -> None:
        scene.peers.key = SigningKey(KEY_ID, b"q" * 32)
        refused = await scene.say("hello")
        assert (refused.status, refused.json["errcode"]) == (403, "M_FORBIDDEN")
        assert await scene.accept(scene.spam()) == [SOFT_FAILED]

    play(act)


def test_when_it_does_not_answer_nothing_is_sent_and_nobody_waits_twice(play: Run) -> None:
    async def act(scene: Scene) -> None:
        scene.peers.takes_s = 3600
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        assert (await scene.say("hello")).status == 502
        assert loop.time() - began_s <= TIMEOUT_S + 1
        began_s = loop.time()
        for _ in range(20):
            assert (await scene.say("hello")).status == 502
            assert await scene.accept(scene.spam()) == [SOFT_FAILED]
        # Its health is known: for a user it is tried again now and then, for what comes in it is not.
        assert loop.time() - began_s <= 2 * TIMEOUT_S and len(scene.peers.asked) <= 3

    play(act)


def test_the_room_does_not_wait_for_it(play: Run) -> None:
    async def act(scene: Scene) -> None:
        scene.peers.takes_s = 5
        sending = asyncio.create_task(scene.say("slow"))
        await asyncio.sleep(1)
        policy = {"via": POLICY, "public_keys": {"ed25519": encode_base64(KEY.public_key)}, "again": True}
        changed = scene.room.tell("m.room.policy", policy, state_key="")
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        assert await scene.accept(changed) == [ACCEPTED]
        assert loop.time() == began_s
        # What was made before that branches off, and says who has sent it all the same.
        event_id = (await sending).ok()["event_id"]
        assert {event.event_id for event in await scene.ends()} == {event_id, changed.event_id}
        path = f"/rooms/{scene.room.room_id}/event/{event_id}"
        assert "transaction_id" in (await scene.alice.get(path)).ok()["unsigned"]
        (await scene.say("next")).ok()
        assert len(await scene.ends()) == 1

    play(act)


def test_many_at_once(play: Run) -> None:
    async def act(scene: Scene) -> None:
        sent = await asyncio.gather(*(scene.say(f"{number}") for number in range(30)))
        ids = {answered.ok()["event_id"] for answered in sent}
        assert len(ids) == 30
        (await scene.say("last")).ok()
        await asyncio.sleep(60)
        assert set(scene.peers.events("one.test")) == {*(f"{number}" for number in range(30)), "last"}

    play(act)


def test_a_request_that_is_repeated_is_sent_once(play: Run) -> None:
    async def act(scene: Scene) -> None:
        path = f"/rooms/{scene.room.room_id}/send/m.room.message/again"
        answers = await asyncio.gather(*(scene.alice.put(path, {"body": "hello"}) for _ in range(3)))
        assert len({answered.ok()["event_id"] for answered in answers}) == 1 and len(scene.peers.asked) == 1

    play(act)


def test_the_entry_that_names_it_needs_no_signature(play: Run) -> None:
    async def act(scene: Scene) -> None:
        levels = {"users": {scene.room.creator: 100, scene.alice.user_id: 100}}
        raised = scene.room.tell("m.room.power_levels", levels, state_key="")
        assert await scene.accept(raised) == [ACCEPTED] and len(scene.peers.asked) == 1
        scene.peers.down = {POLICY}
        at = f"/rooms/{scene.room.room_id}/state/m.room.policy"
        # One with a state key is an event like any other.
        assert (await scene.alice.put(f"{at}/other", {})).status == 502
        (await scene.alice.put(f"{at}/", {})).ok()
        (await scene.say("free again")).ok()
        assert await scene.accept(scene.spam()) == [ACCEPTED]

    play(act)


def test_what_comes_in_without_a_signature_is_asked_about(play: Run) -> None:
    async def act(scene: Scene) -> None:
        scene.peers.refusal = answer(400, {"errcode": "M_FORBIDDEN", "error": "spam"})
        ham, spam = scene.spam("ham"), scene.spam("spam")
        assert await scene.accept(ham, spam) == [ACCEPTED, SOFT_FAILED]
        # The signature is kept, so that it need not be asked for by those to whom it is passed on.
        assert set((await scene.stored(ham.event_id)).event.pdu["signatures"]) == {"one.test", POLICY}
        assert [event.event_id for event in await scene.ends()] == [ham.event_id]
        # Verdicts are final, and nobody is asked twice.
        assert await scene.accept(ham, spam) == [ACCEPTED, SOFT_FAILED]
        assert len(scene.peers.asked) == 2

    play(act)


def test_what_comes_in_with_its_signature_is_not_asked_about(play: Run) -> None:
    async def act(scene: Scene) -> None:
        event = scene.spam("ham")
        good, bad = (SigningKey(KEY_ID, seed * 32).sign(signed_bytes(event.pdu, VERSION)) for seed in (b"p", b"q"))
        assert await scene.accept(with_signatures(event, POLICY, {KEY_ID: good})) == [ACCEPTED]
        assert not scene.peers.asked
        # It may have another key since.
        event = scene.spam("ham")
        assert await scene.accept(with_signatures(event, POLICY, {KEY_ID: bad})) == [ACCEPTED]
        assert len(scene.peers.asked) == 1

    play(act)


def test_history_is_not_asked_about(play: Run) -> None:
    async def act(scene: Scene) -> None:
        policing = scene.at.server.rooms.accepting.policing
        assert policing is not None
        room = await scene.at.server.rooms.rooms.get(scene.room.room_id)
        old = [Arrival(event=scene.spam(), below=1)]
        assert await policing.judged(room, old) == old
        assert not scene.peers.asked

    play(act)


def test_an_invitation_is_signed_before_the_invited_server_sees_it(play: Run) -> None:
    async def act(scene: Scene) -> None:
        scene.peers.refusal = answer(400, {"errcode": "M_FORBIDDEN", "error": "spam"})
        scene.peers.key = SigningKey(KEY_ID, b"q" * 32)
        refused = await scene.alice.post(f"/rooms/{scene.room.room_id}/invite", {"user_id": "@v:other.test"})
        assert refused.status == 403
        assert [pdu["content"]["membership"] for pdu in scene.peers.asked] == ["invite"]
        assert not scene.peers.tried["other.test"]

    play(act)


def test_an_upgrade_that_it_refuses_leaves_no_room_behind(play: Run) -> None:
    async def act(scene: Scene) -> None:
        levels = {"users": {scene.room.creator: 100, scene.alice.user_id: 100}}
        assert await scene.accept(scene.room.tell("m.room.power_levels", levels, state_key="")) == [ACCEPTED]
        upgrade = f"/rooms/{scene.room.room_id}/upgrade"
        good, scene.peers.key = scene.peers.key, SigningKey(KEY_ID, b"q" * 32)
        for version in ("11", "12"):
            assert (await scene.alice.post(upgrade, {"new_version": version})).status == 403
        assert (await scene.alice.get("/joined_rooms")).ok()["joined_rooms"] == [scene.room.room_id]
        scene.peers.key = good
        for version in ("11", "12"):
            (await scene.alice.post(upgrade, {"new_version": version})).ok()
        tombstones = [pdu for pdu in scene.peers.asked if pdu["type"] == "m.room.tombstone"]
        assert len(tombstones) == 4

    play(act)


def test_a_flood_is_asked_about_in_bounded_time(play: Run) -> None:
    async def act(scene: Scene) -> None:
        scene.peers.takes_s = TIMEOUT_S - 1
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        taken = await scene.accept(*(scene.spam("ham") for _ in range(50)))
        assert loop.time() - began_s <= BATCH_TIMEOUT_S
        assert scene.peers.most_deciding <= AT_ONCE
        assert taken.count(ACCEPTED) == 2 * AT_ONCE and taken.count(SOFT_FAILED) == 50 - 2 * AT_ONCE

    play(act)


@pytest.mark.parametrize("hindrance", ["away", "error", "too often", "refusal", "wrong key"])
def test_one_can_always_leave(play: Run, hindrance: str) -> None:
    """The others are told without its signature, and of nothing but that."""

    async def act(scene: Scene) -> None:
        if hindrance == "away":
            scene.peers.down = {POLICY}
        elif hindrance == "wrong key":
            scene.peers.key = SigningKey(KEY_ID, b"q" * 32)
        else:
            status = {"error": 500, "too often": 429, "refusal": 403}[hindrance]
            scene.peers.refusal = answer(status, {"errcode": "M_FORBIDDEN", "error": "stay"})
            scene.peers.refuses_members = True
        leave = f"/rooms/{scene.room.room_id}/leave"
        (await scene.alice.post(leave, {"reason": "You are all terrible"})).ok()
        assert (await scene.alice.get("/joined_rooms")).ok()["joined_rooms"] == []
        await asyncio.sleep(5)
        (left,) = [pdu for sent in scene.peers.taken["one.test"] for pdu in sent.content["pdus"]]
        assert left["content"] == {"membership": "leave"} and set(left["signatures"]) == {"ranvier.test"}

    play(act)


def test_whom_it_lets_leave_it_has_signed_for(play: Run) -> None:
    async def act(scene: Scene) -> None:
        (await scene.alice.post(f"/rooms/{scene.room.room_id}/leave", {"reason": "Bye"})).ok()
        await asyncio.sleep(5)
        (left,) = [pdu for sent in scene.peers.taken["one.test"] for pdu in sent.content["pdus"]]
        assert left["content"]["reason"] == "Bye" and POLICY in left["signatures"]

    play(act)


def test_nobody_is_made_to_leave_without_its_signature(play: Run) -> None:
    async def act(scene: Scene) -> None:
        levels = {"users": {scene.room.creator: 100, scene.alice.user_id: 100}}
        assert await scene.accept(scene.room.tell("m.room.power_levels", levels, state_key="")) == [ACCEPTED]
        scene.peers.down = {POLICY}
        kick = f"/rooms/{scene.room.room_id}/kick"
        assert (await scene.alice.post(kick, {"user_id": "@u:one.test"})).status == 502

    play(act)
