"""The failure modes that `test_failures.py` leaves: residents that break down or lie, crashes of ours, and races."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Literal
from unittest import mock

import pytest

from ranvier.db.engine import Database, Tx
from ranvier.ports import FederationAnswer, FederationUnreachable
from ranvier.proto.events import Event
from tests.faster_joins.answers import Request
from tests.faster_joins.room import MEMBER, ScriptedRoom
from tests.faster_joins.stage import CHARLIE, DEREK, ELSIE, OURS, RESIDENT, Stage, staged
from tests.faster_joins.test_failures import HOUR_S, OTHER, STATES

MANY: Final = [f"@user{number}:{RESIDENT}" for number in range(40)]
Lie = Callable[[Request, dict[str, Any]], Any]


def lie_about_states(s: Stage, lie: Lie) -> None:
    """The resident tells something else of all states."""
    for act in STATES:
        s.resident.lie(act, lie)


async def check_asked_and_full(s: Stage, room: ScriptedRoom) -> None:
    """The resident has been asked for the state, and the room has become what it is."""
    await s.until_full(room)
    assert s.resident.asked(*STATES)
    await s.check_full(room)


@staged()
async def test_failure_01_the_resident_dies_in_the_middle_of_the_resync(s: Stage) -> None:
    """Half of the state has come when the connection ends; and nobody hears of that server again."""
    room = s.room(members=[DEREK, ELSIE, *MANY])
    await s.join_partially(room)

    def die(origin: str, destination: str, target: str, answer: FederationAnswer) -> FederationAnswer:
        if destination == RESIDENT and "/state/" in target:
            s.world.network.apps.pop(RESIDENT, None)
            return FederationAnswer(answer.status, answer.headers, answer.body[: len(answer.body) // 2])
        return answer

    s.world.network.tamper = die
    s.release()
    await s.until_full(room)
    assert RESIDENT not in s.world.network.apps
    assert s.server(OTHER).asked(*STATES)
    await s.check_full(room)


@staged()
async def test_failure_02_all_residents_refuse_at_first(s: Stage) -> None:
    room = s.room(members=[DEREK, ELSIE])
    for server in s.residents.values():
        for act in STATES:
            server.refuse(act, times=3)
    await s.join(room)
    await s.pause(1)
    assert await s.partial(room) is not None
    await check_asked_and_full(s, room)
    assert s.server(OTHER).asked(*STATES)


def _told(room: ScriptedRoom, *wrong: Event, without: str = "") -> Lie:
    """A state with these entries instead of the true ones, and without some user's."""

    def lie(request: Request, answer: dict[str, Any]) -> dict[str, Any]:
        state = {**room.before[request.query["event_id"]], **{event.key or ("", ""): event for event in wrong}}
        told = [event for key, event in state.items() if key != (MEMBER, without)]
        ids, pdus = [event.event_id for event in told], [event.pdu for event in told]
        return {**answer, "pdu_ids": ids} if "pdu_ids" in answer else {**answer, "pdus": pdus}

    return lie


@staged()
async def test_failure_03_the_resident_returns_a_wrong_state(s: Stage) -> None:
    """An entry that has been replaced long since, and with it a member who has been banned since."""
    room = s.room(members=[DEREK, ELSIE])
    old = [room.tell("m.room.topic", {"topic": "old"}, state_key=""), room.state[MEMBER, ELSIE]]
    room.tell("m.room.topic", {"topic": "new"}, state_key="")
    room.member(ELSIE, "ban", by=CHARLIE)
    room.member(f"@fay:{OTHER}", "join")
    lie_about_states(s, _told(room, *old))
    await s.join(room)
    await check_asked_and_full(s, room)


@staged()
async def test_failure_04_the_resident_returns_a_truncated_state(s: Stage) -> None:
    room = s.room(members=[DEREK, *MANY, ELSIE])

    def half(request: Request, answer: dict[str, Any]) -> dict[str, Any]:
        return {name: told[: len(told) // 2] for name, told in answer.items()}

    lie_about_states(s, half)
    await s.join(room)
    await check_asked_and_full(s, room)


@staged()
async def test_failure_11_two_local_users_join_at_once(s: Stage) -> None:
    """Through different servers, and both have been let in before ours has heard of either."""
    room = s.room(members=[DEREK, ELSIE])
    ben = await s.user("ben")
    for server in s.residents.values():
        server.hold("send_join")
    both = asyncio.gather(s.try_join(room, None, RESIDENT), s.try_join(room, ben, OTHER))
    await s.pause()
    for server in s.residents.values():
        server.release("send_join")
    for answer in await both:
        answer.ok()
    await s.until_full(room)
    await s.pause(600)
    await s.check_full(room)
    await s.check_joined(room, CHARLIE, DEREK, ELSIE, s.alice.user_id, ben.user_id)


class Stopping:
    """Lets a database come to nothing any more at one of its transactions: before or after that is committed."""

    def __init__(self, db: Database, step: int, moment: Literal["before", "after"]) -> None:
        self._write = db.write
        self._left = step
        self._moment = moment
        self.reached = asyncio.Event()

    def write(self) -> "Stopping.Unit":
        """In place of that of the database."""
        self._left -= 1
        return Stopping.Unit(self, self._write(), stops=not self._left)

    async def _stop(self) -> None:
        self.reached.set()
        await asyncio.Event().wait()

    class Unit(AbstractAsyncContextManager[Tx]):
        """A transaction."""

        def __init__(self, stopping: "Stopping", unit: AbstractAsyncContextManager[Tx], *, stops: bool) -> None:
            self._stopping, self._unit, self._stops = stopping, unit, stops

        async def __aenter__(self) -> Tx:
            return await self._unit.__aenter__()

        async def __aexit__(
            self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
        ) -> None:
            if self._stops and self._stopping._moment == "before":
                try:
                    await self._stopping._stop()
                except asyncio.CancelledError as cancelled:
                    await self._unit.__aexit__(type(cancelled), cancelled, None)
                    raise
            await self._unit.__aexit__(kind, error, trace)
            if self._stops:
                await self._stopping._stop()


@pytest.mark.parametrize("moment", ["before", "after"])
def test_failure_12_a_restart_at_every_step_of_the_job(
    moment: Literal["before", "after"], tmp_path: Path, template: Path
) -> None:
    """The job's steps are its transactions: ours crashes at each of them in turn, before or after the commit."""
    stopped: list[bool] = []

    async def play(s: Stage) -> None:
        room = s.room(members=[DEREK, ELSIE, *MANY])
        before = dict(room.state)
        room.member(ELSIE, "ban", by=CHARLIE)
        await s.join_partially(room)
        wrong = room.forge("m.room.message", {"body": "boo"}, sender=ELSIE, state=before)
        await s.tell(room.say("hello", sender=DEREK), wrong, room.member(MANY[0], "leave"))
        said = await s.alice.say(room.room_id, "hello")
        await s.pause(60)
        stopping = Stopping(s.ours.db, len(stopped) + 1, moment)
        with mock.patch.object(s.ours.db, "write", stopping.write):
            s.release()
            reached = asyncio.ensure_future(stopping.reached.wait())
            full = asyncio.ensure_future(s.until_full(room))
            await asyncio.wait([reached, full], return_when=asyncio.FIRST_COMPLETED)
            stopped.append(not full.done())
            for task in (reached, full):
                task.cancel()
            await s.restart()
        await s.until_full(room)
        await s.pause(600)
        await s.check_full(room)
        assert said in await s.shown(room)
        assert wrong.event_id not in await s.shown(room)

    for number in count():
        folder = tmp_path / str(number)
        folder.mkdir()
        staged()(play)(folder, template)
        if not stopped[-1]:
            break
    assert len(stopped) > 4


@staged()
async def test_failure_13_a_hostile_resident_lists_members_who_are_not(s: Stage) -> None:
    """One whom nothing lets in, and one who has not signed it."""
    room = s.room(members=[DEREK, ELSIE])
    ghost, puppet = f"@ghost:{RESIDENT}", f"@puppet:{OTHER}"
    unauthorised = room.forge(MEMBER, {"membership": "join"}, sender=ghost, state_key=ghost, auth=[])
    forged = room.forge(MEMBER, {"membership": "join"}, sender=puppet, state_key=puppet)
    pdus = [unauthorised.pdu, {**forged.pdu, "signatures": {OTHER: {"ed25519:scripted": "x" * 86}}}]

    def further(request: Request, answer: dict[str, Any]) -> dict[str, Any]:
        if "pdus" in answer:
            return {**answer, "pdus": [*answer["pdus"], *pdus]}
        return {**answer, "pdu_ids": [*answer["pdu_ids"], unauthorised.event_id, forged.event_id]}

    lie_about_states(s, further)
    s.resident.lie("event", lambda request, answer: (404, {"errcode": "M_NOT_FOUND", "error": "It is not here"}))
    await s.join(room)
    await check_asked_and_full(s, room)
    await s.check_joined(room, CHARLIE, DEREK, ELSIE, s.alice.user_id)


@staged()
async def test_failure_14_a_hostile_resident_omits_members_who_are(s: Stage) -> None:
    room = s.room(members=[DEREK, ELSIE])
    lie_about_states(s, _told(room, without=ELSIE))
    await s.join(room)
    await check_asked_and_full(s, room)
    await s.check_joined(room, CHARLIE, DEREK, ELSIE, s.alice.user_id)


_LISTS: Final[dict[str, list[str]]] = {
    "made-up": [RESIDENT, OTHER, *[f"made{number}.up.test" for number in range(50)]],
    "none": [],
    "ours": [RESIDENT, OTHER, OURS, "not a name"],
    "another": ["a.test", "b.test"],
}


@pytest.mark.parametrize("told", _LISTS)
def test_failure_15_a_hostile_resident_lies_about_the_servers_in_the_room(
    told: str, tmp_path: Path, template: Path
) -> None:
    """Who is not there delays the room, and no more; who is left out hears everything from then on."""

    async def play(s: Stage) -> None:
        room = s.room(members=[DEREK, ELSIE])
        for name in _LISTS[told]:
            if name.endswith(".test") and name != OURS and "up" not in name:
                s.server(name)
        s.resident.lie("send_join", lambda request, answer: {**answer, "servers_in_room": _LISTS[told]})
        await s.join(room)
        await s.until_full(room)
        await s.check_full(room)
        said = await s.alice.say(room.room_id, "hello")
        await s.pause()
        for name in (RESIDENT, OTHER):
            assert said in s.server(name).heard_ids(), name

    staged()(play)(tmp_path, template)


@staged()
async def test_failure_16_events_arrive_before_their_prev_events(s: Stage) -> None:
    """The last one first, one at a time, and nobody gives what is between."""
    room = s.room(members=[DEREK, ELSIE])
    await s.join_partially(room)
    for server in s.residents.values():
        server.refuse("get_missing_events")
        server.refuse("event")
    events = [room.say("one", sender=DEREK), room.tell("m.room.topic", {"topic": "two"}, state_key="")]
    events += [room.member(ELSIE, "leave"), room.say("four", sender=CHARLIE), room.member(ELSIE, "join")]
    events += [room.say(f"{number}", sender=ELSIE) for number in range(6)]
    for event in reversed(events):
        await s.tell(event)
    s.release()
    await s.until_full(room, at_most_s=5 * HOUR_S)
    await s.pause(HOUR_S)
    await s.check_full(room)
    assert {event.event_id for event in events} <= set(await s.shown(room))


@staged()
async def test_failure_17_a_hundred_extremities(s: Stage) -> None:
    """Each of them another entry of the state, so that all of them meet."""
    room = s.room(members=[DEREK])
    join = await s.join_partially(room)
    entries = [
        room.tell("org.example.entry", {"n": number}, state_key=str(number), after=[join]) for number in range(100)
    ]
    for start in range(0, 100, 25):
        await s.resident.send(*entries[start : start + 25])
        await s.pause()
    assert len(await s.rows("events")) > 100
    s.release()
    await s.until_full(room)
    await s.pause()
    await s.check_full(room)
    said = await s.alice.say(room.room_id, "hello")
    await s.pause()
    assert said in s.resident.heard_ids()
    assert {event.key for event in entries} <= (await s.state_ids(room)).keys()


@pytest.mark.parametrize("times", [1, 2, 1000], ids=["once", "twice", "always"])
def test_failure_18_send_join_times_out_after_the_resident_accepted_it(
    times: int, tmp_path: Path, template: Path
) -> None:
    """In the end both servers agree on whether alice is in the room, and there is one room to come back to."""

    async def play(s: Stage) -> None:
        room = s.room(members=[DEREK, ELSIE])
        left = times

        def lose(origin: str, destination: str, target: str, answer: FederationAnswer) -> FederationAnswer:
            nonlocal left
            if "/send_join/" in target and left > 0:
                left -= 1
                raise FederationUnreachable("timed out")
            return answer

        s.world.network.tamper = lose
        answer = await s.try_join(room)
        await s.pause(HOUR_S)
        is_joined = room.state[MEMBER, s.alice.user_id].membership == "join"
        assert is_joined == (answer.status == 200) == (times == 1)
        assert (await s.alice.get("/joined_rooms")).ok()["joined_rooms"] == ([room.room_id] if is_joined else [])
        assert await s.ours.db.value("SELECT COUNT(*) FROM joins_under_way") == 0
        s.world.network.tamper = None
        await s.join(room)
        await s.until_full(room)
        await s.check_full(room)
        await s.check_joined(room, CHARLIE, DEREK, ELSIE, s.alice.user_id)

    staged()(play)(tmp_path, template)


async def _break_off(s: Stage, room: ScriptedRoom) -> None:
    """The resident lets alice in, and nobody hears of that."""

    def lose(origin: str, destination: str, target: str, answer: FederationAnswer) -> FederationAnswer:
        if "/send_join/" in target:
            s.resident.hold("send_join")
            raise FederationUnreachable("timed out")
        return answer

    s.world.network.tamper = lose
    joining = asyncio.create_task(s.try_join(room))
    await s.pause()
    assert room.state[MEMBER, s.alice.user_id].membership == "join"
    joining.cancel()
    await asyncio.wait([joining])
    s.world.network.tamper = None


async def _check_taken_back(s: Stage, room: ScriptedRoom) -> None:
    await s.pause(HOUR_S)
    assert room.state[MEMBER, s.alice.user_id].membership == "leave"
    assert await s.ours.db.value("SELECT COUNT(*) FROM joins_under_way") == 0


@staged()
async def test_failure_18_and_ours_crashes_before_it_knows(s: Stage) -> None:
    room = s.room(members=[DEREK, ELSIE])
    await _break_off(s, room)
    await s.restart()
    await _check_taken_back(s, room)


@staged()
async def test_failure_18_and_the_user_does_not_wait(s: Stage) -> None:
    room = s.room(members=[DEREK, ELSIE])
    await _break_off(s, room)
    await _check_taken_back(s, room)
