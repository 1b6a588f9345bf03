"""States that others tell, where branches meet of which one is known here: they are taken as they are.

What comes out where branches meet depends on what is in conflict there, and so do not all resolutions come to the same:
resolved once more with the states of one branch, a told state can become one that nobody else has.
"""

from pathlib import Path
from urllib.parse import unquote

import pytest

from ranvier.ports import FederationAnswer
from tests.api.asgi import in_room, part
from tests.plays.byzantine_answers import let_in
from tests.plays.held_states import until_full
from tests.plays.virtual_loop import run_virtually
from tests.plays.world import World, say, world

ONE, THREE = "one.test", "three.test"
TOPIC = "m.room.topic"


def no_events_between(origin: str, destination: str, target: str, answer: FederationAnswer) -> FederationAnswer:
    """Nobody gets them."""
    if "/get_missing_events/" not in unquote(target):
        return answer
    return FederationAnswer(200, answer.headers, b'{"events":[]}')


async def _branch(w: World, version: str) -> str:
    """Two servers know a branch each: on one somebody sets a topic and is banned, on the other there was neither.

    The second then knows both, for the first there is no way to the other's. Their users are `@u`; the room.
    """
    alice, carol = await w.user("u", ONE), await w.user("u", THREE)
    room_id = await alice.create_room(
        preset="public_chat", room_version=version, power_level_content_override={"events": {TOPIC: 0}}
    )
    (await alice.put(f"{in_room(room_id)}/state/{TOPIC}", {"topic": "as it was"})).ok()
    (await carol.post(f"/join/{part(room_id)}?via={ONE}")).ok()
    peer = (await let_in(w, room_id, ONE)).peer
    await w.settle()
    (place,) = peer.ends
    w.network.part(ONE, THREE)
    hidden = peer.make("m.room.message", {"body": "for one server alone"}, prev=[place])
    await peer.send(THREE, [hidden.pdu])
    topic = peer.make(TOPIC, {"topic": "of somebody who is banned"}, state_key="", prev=[place])
    await peer.send(ONE, [topic.pdu])
    (await alice.post(f"{in_room(room_id)}/ban", {"user_id": peer.users[0]})).ok()
    peer.is_quiet = True
    await peer.send(THREE, [topic.pdu])
    w.network.tamper = no_events_between
    return room_id


@pytest.mark.parametrize("version", ["6", "11", "12"])
def test_a_told_state_is_not_resolved_once_more(tmp_path: Path, version: str) -> None:
    async def play() -> None:
        async with world(1, tmp_path, ONE, THREE) as w:
            room_id = await _branch(w, version)
            w.network.heal()
            await w.settle()
            await say(w.clients[f"@u:{THREE}"], room_id, "where both meet")
            await w.settle()
            assert await w.state(ONE, room_id) == await w.state(THREE, room_id)

    run_virtually(play())


@pytest.mark.parametrize("version", ["6", "11", "12"])
def test_who_comes_back_has_the_state_that_others_have(tmp_path: Path, version: str) -> None:
    """What was known from before somebody left is not resolved with the state that they come back to."""

    async def play() -> None:
        async with world(1, tmp_path, ONE, THREE) as w:
            room_id = await _branch(w, version)
            alice = w.clients[f"@u:{ONE}"]
            (await alice.post(f"{in_room(room_id)}/leave")).ok()
            w.network.heal()
            await w.settle()
            (await alice.post(f"/join/{part(room_id)}?via={THREE}")).ok()
            await w.settle()
            await until_full(w)
            assert await w.state(ONE, room_id) == await w.state(THREE, room_id)

    run_virtually(play())
