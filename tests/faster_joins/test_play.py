"""Joins with partial state between real servers: from the first answer to the full room."""

import asyncio
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import orjson

from ranvier.ports import FederationAnswer
from ranvier.state.history import known_state
from tests.api.asgi import Client
from tests.federation.test_join_plays import ONE, THREE, TWO, Cast, played
from tests.plays.invariants import check_verdicts
from tests.plays.world import heard, say

HELD = 403


def omit_members(answer: FederationAnswer, servers: list[str]) -> FederationAnswer:
    """The answer of a resident that leaves members out."""
    body = orjson.loads(answer.body)
    if answer.status != 200:
        return answer
    state = [event for event in body["state"] if event["type"] != "m.room.member"]
    chain = {orjson.dumps(event): event for event in (*body["auth_chain"], *body["state"])}
    body |= {"state": state, "auth_chain": list(chain.values()), "members_omitted": True, "servers_in_room": servers}
    return FederationAnswer(answer.status, answer.headers, orjson.dumps(body))


class Holding:
    """Residents that leave members out, and hold the state back for a while."""

    def __init__(self, *servers: str) -> None:
        self.servers = list(servers)
        self.holds = True
        self.asked: list[str] = []

    def __call__(self, origin: str, destination: str, target: str, answer: FederationAnswer) -> FederationAnswer:
        parts = urlsplit(target)
        if "/send_join/" in parts.path:
            assert parse_qs(parts.query) == {"omit_members": ["true"]}
            return omit_members(answer, self.servers)
        if "/state_ids/" in parts.path or "/state/" in parts.path:
            self.asked.append(destination)
            if self.holds:
                return FederationAnswer(HELD, answer.headers, b'{"errcode":"M_UNKNOWN","error":"later"}')
        return answer


async def is_partial(cast: Cast, server: str, room_id: str) -> bool:
    room = await cast.w.servers[server].rooms.rooms.get(room_id)
    return room.partial is not None


def test_a_room_is_used_at_once_and_becomes_full(tmp_path: Path) -> None:
    async def play(cast: Cast) -> None:
        alice, bob, carol = cast.alice, cast.bob, cast.carol
        room_id = await alice.create_room(preset="public_chat", name="Square")
        (await carol.post(f"/join/{room_id}?via={ONE}")).ok()
        await cast.w.settle()
        holding = cast.w.network.tamper = Holding(ONE, THREE)
        (await bob.post(f"/join/{room_id}?via={ONE}")).ok()
        assert await is_partial(cast, TWO, room_id)
        await asyncio.sleep(5)  # Carol's server hears of the join.
        await say(bob, room_id, "hello from two")
        await say(alice, room_id, "hello from one")
        await say(carol, room_id, "hello from three")
        await asyncio.sleep(30)
        assert {"hello from one", "hello from three"} <= set(await heard(bob, room_id))
        assert "hello from two" in await heard(carol, room_id)
        assert await is_partial(cast, TWO, room_id)
        assert holding.asked
        holding.holds = False
        await asyncio.sleep(600)
        await cast.w.settle()
        assert not await is_partial(cast, TWO, room_id)
        joined = (await bob.get(f"/rooms/{room_id}/joined_members")).ok()["joined"]
        assert joined.keys() == {alice.user_id, bob.user_id, carol.user_id}
        await cast.w.check_agreement(room_id, [ONE, TWO, THREE])
        for table in ("rooms", "events", "rooms_servers"):
            assert await cast.w.servers[TWO].db.value(f"SELECT COUNT(*) FROM partial_state_{table}") == 0

    played(tmp_path, play)


def test_history_is_not_placed_after_the_join(tmp_path: Path) -> None:
    async def play(cast: Cast) -> None:
        alice, bob = cast.alice, cast.bob
        room_id = await alice.create_room(preset="public_chat")
        for number in range(150):
            await say(alice, room_id, f"{number}")
        holding = cast.w.network.tamper = Holding(ONE)
        (await bob.post(f"/join/{room_id}?via={ONE}")).ok()
        assert len(await heard(bob, room_id)) == 99  # And the join.
        assert await is_partial(cast, TWO, room_id)
        await check_states_before(cast, room_id, bob)
        holding.holds = False
        await asyncio.sleep(600)
        assert not await is_partial(cast, TWO, room_id)
        await check_states_before(cast, room_id, bob)
        await check_verdicts(cast.w, room_id)

    played(tmp_path, play)


async def check_states_before(cast: Cast, room_id: str, joiner: Client) -> None:
    """The join is in no state of what was there before it, and does not replace itself."""
    db = cast.w.servers[TWO].db
    room = await cast.w.servers[TWO].rooms.rooms.get(room_id)
    own = room.get_stored(("m.room.member", joiner.user_id))
    assert own is not None
    assert own.replaces != own.event_nid
    for (state_no,) in await db.all("SELECT DISTINCT state_before FROM events WHERE pos <= $1 AND pos > 0", own.pos):
        assert own.event_nid not in (await room.history.load_state(known_state(state_no))).values()
