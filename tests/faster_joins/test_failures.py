"""The eighteen failure modes, as docs/faster-joins.md numbers them: 5 to 10, each at every stage of a resync.

The others are in `test_failures_of_servers.py`.
"""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

import pytest

from tests.faster_joins.answers import Answer, Request
from tests.faster_joins.room import MEMBER, ScriptedRoom
from tests.faster_joins.stage import CHARLIE, DEREK, ELSIE, RESIDENT, Stage, staged
from tests.faster_joins.test_purge import administrator, check_gone, delete

STAGES: Final = ("fetching", "waiting", "replaying")
OTHER: Final = "elsewhere.test"
STATES: Final = ("state", "state_ids")
HOUR_S: Final = 3600.0
Scene = Callable[[Stage, ScriptedRoom], Awaitable[None]]


async def reach(s: Stage, room: ScriptedRoom, stage: str) -> None:
    """Alice has joined, and the resync is at this stage, and stays there: the state is on its way; the next attempt is
    waited for; or the members are here, and the state before a later event is not.
    """
    if stage == "fetching":
        await s.join_partially(room)
        await s.pause()
    elif stage == "waiting":
        for server in s.residents.values():
            for act in STATES:
                server.refuse(act)
        await s.join(room)
        await s.pause(60)
    else:
        await _reach_replay(s, room)
    partial = await s.partial(room)
    assert partial is not None
    assert (partial.full_state_no is not None) == (stage == "replaying")
    assert bool(partial.tries) == (stage != "fetching")


async def _reach_replay(s: Stage, room: ScriptedRoom) -> None:
    join = await s.join_partially(room)

    def of_the_join_alone(request: Request, answer: dict[str, Any]) -> dict[str, Any] | Answer:
        wanted = request.query["event_id"] == join.event_id
        return answer if wanted else (403, {"errcode": "M_FORBIDDEN", "error": "Not now"})

    for server in s.residents.values():
        server.refuse("get_missing_events")
        for act in STATES:
            server.lie(act, of_the_join_alone)
    room.say("nobody tells this one", sender=DEREK)
    await s.tell(room.say("hello", sender=DEREK))
    await s.pause(300)
    s.release()
    await s.pause(60)


def help_again(s: Stage) -> None:
    """Every server tells everything."""
    for server in s.residents.values():
        server.allow("get_missing_events")
        for act in STATES:
            server.lie(act, None)
            server.allow(act)
    s.release()


def at_every_stage(scene: Scene) -> Callable[..., None]:
    """A play that begins when the resync of a room has come to a stage: one for each."""

    @pytest.mark.parametrize("stage", STAGES)
    def test(stage: str, tmp_path: Path, template: Path) -> None:
        async def play(s: Stage) -> None:
            room = s.room(members=[DEREK, ELSIE])
            await reach(s, room, stage)
            await scene(s, room)

        staged(faster_joins={"give_up_after": "7d"})(play)(tmp_path, template)

    test.__name__, test.__doc__ = scene.__name__, scene.__doc__
    return test


async def check_over(s: Stage, room: ScriptedRoom, membership: str) -> None:
    """Alice is out, the job has ended with that, and nobody is asked for states any more."""
    assert (await s.alice.get("/joined_rooms")).ok()["joined_rooms"] == []
    assert await s.rows("rooms", "room_id") == []
    assert await s.rows("resyncs", "room_nid") == []
    assert not s.ours.federation.resyncs.is_busy
    assert room.state[MEMBER, s.alice.user_id].membership == membership
    asked = [len(server.asked(*STATES)) for server in s.residents.values()]
    help_again(s)
    await s.pause(HOUR_S)
    await s.restart()
    await s.pause(HOUR_S)
    assert [len(server.asked(*STATES)) for server in s.residents.values()] == asked


@at_every_stage
async def test_failure_05_a_room_is_left_during_the_resync(s: Stage, room: ScriptedRoom) -> None:
    (await s.alice.act(room.room_id, "leave")).ok()
    await s.pause()
    assert "leave" in [event.membership for event in s.resident.heard if event.state_key == s.alice.user_id]
    await check_over(s, room, "leave")


@at_every_stage
async def test_failure_06_a_room_is_kicked_from_during_the_resync(s: Stage, room: ScriptedRoom) -> None:
    await s.tell(room.member(s.alice.user_id, "leave", by=CHARLIE))
    await s.pause(600)
    await check_over(s, room, "leave")


@at_every_stage
async def test_failure_07_a_room_is_banned_from_during_the_resync(s: Stage, room: ScriptedRoom) -> None:
    await s.tell(room.member(s.alice.user_id, "ban", by=CHARLIE))
    await s.pause(600)
    await check_over(s, room, "ban")


@at_every_stage
async def test_failure_08_a_room_is_purged_during_the_resync(s: Stage, room: ScriptedRoom) -> None:
    await delete(s, await administrator(s), room)
    await check_gone(s, room)
    help_again(s)
    await s.pause(HOUR_S)
    await check_gone(s, room)


@at_every_stage
async def test_failure_09_a_room_is_upgraded_during_the_resync(s: Stage, room: ScriptedRoom) -> None:
    """Alice goes on to the new room, and the old one becomes full all the same."""
    new = s.room(members=[DEREK])
    await s.tell(room.tell("m.room.tombstone", {"replacement_room": new.room_id, "body": "moved"}, state_key=""))
    await s.pause(600)
    assert (await s.get(room, "state/m.room.tombstone")).ok()["replacement_room"] == new.room_id
    await s.join(new)
    help_again(s)
    for one in (room, new):
        await s.until_full(one, at_most_s=2 * HOUR_S)
    await s.pause(HOUR_S)
    for one in (room, new):
        await s.check_full(one)


@at_every_stage
async def test_failure_10_a_room_is_joined_again_during_the_resync(s: Stage, room: ScriptedRoom) -> None:
    (await s.alice.act(room.room_id, "leave")).ok()
    await s.pause()
    await s.join(room, None, RESIDENT)
    assert (await s.alice.get("/joined_rooms")).ok()["joined_rooms"] == [room.room_id]
    assert await s.partial(room) is not None
    help_again(s)
    await s.until_full(room, at_most_s=2 * HOUR_S)
    await s.pause(HOUR_S)
    await s.check_full(room)
    await s.check_joined(room, CHARLIE, DEREK, ELSIE, s.alice.user_id)
