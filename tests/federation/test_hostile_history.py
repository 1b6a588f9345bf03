"""Events of servers that mean harm, by what they cite: circles, history without end, states that make no sense.

Nobody waits for what is looked for, and what is asked for is bounded.
"""

import asyncio
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ranvier.federation.fetch_events import STATE_BYTES, STATE_EVENTS, STATE_TIMEOUT_S, WHOLE_STATE_TIMEOUT_S
from ranvier.proto.event_format import parse_event
from ranvier.proto.events import Event
from ranvier.proto.unpadded_base64 import encode_base64
from ranvier.store.events import ACCEPTED
from tests.budget.test_statements import spending
from tests.federation.signed import EVIL, Door, Request, forged, unharmed
from tests.plays.virtual_loop import run_virtually

Run = Callable[..., None]
HOUR_S = 3600


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return lambda act, version="11": run_virtually(unharmed(tmp_path, act, version))


def test_events_that_cite_each_other(run: Run) -> None:
    """Only in the versions in which events are not named by their content."""

    async def act(door: Door) -> None:
        ids = [f"${number}:{EVIL}" for number in range(4)]
        cycle = [
            forged(door, event_id=ids[at], prev_events=[[ids[(at + 1) % 4], {"sha256": "AAAA"}]]) for at in range(4)
        ]
        itself = forged(door, event_id=f"$self:{EVIL}", prev_events=[[f"$self:{EVIL}", {"sha256": "AAAA"}]])
        by_id = {pdu["event_id"]: pdu for pdu in [*cycle, itself]}
        door.peers.answers_to = {
            "get_missing_events": lambda request: {"events": list(by_id.values())},
            "event_auth": lambda request: {"auth_chain": list(by_id.values())},
            "event": lambda request: {"pdus": list(by_id.values())},
            "state_ids": lambda request: {"pdu_ids": list(by_id), "auth_chain_ids": list(by_id)},
            "state": lambda request: {"pdus": list(by_id.values()), "auth_chain": list(by_id.values())},
        }
        await door.taken(*cycle, itself)
        for pdu in (*cycle, itself):
            await door.taken(pdu)
        await asyncio.sleep(2 * HOUR_S)
        assert not door.at.server.federation.receiving.is_busy
        assert not await door.ends() & by_id.keys()
        _bounded(door, 5 * 100)

    run(act, "1")


def test_auth_events_that_cite_each_other(run: Run) -> None:
    async def act(door: Door) -> None:
        ids = [f"$auth{number}:{EVIL}" for number in range(3)]
        member = door.room.after[door.room.tip.event_id]["m.room.member", f"@u:{EVIL}"].pdu
        cycle = [
            forged(
                door,
                **{key: member[key] for key in ("type", "state_key", "content", "sender")},
                event_id=ids[at],
                auth_events=[[ids[(at + 1) % 3], {"sha256": "AAAA"}]],
            )
            for at in range(3)
        ]
        door.peers.answers_to = {
            "event_auth": lambda request: {"auth_chain": cycle},
            "event": lambda request: {"pdus": cycle},
        }
        cites = forged(door, event_id=f"$last:{EVIL}", auth_events=[[ids[0], {"sha256": "AAAA"}]])
        await door.taken(cites)
        await asyncio.sleep(2 * HOUR_S)
        assert not door.at.server.federation.receiving.is_busy
        assert await door.status(cites["event_id"]) != ACCEPTED
        _bounded(door, 100)

    run(act, "1")


def test_history_without_end(run: Run) -> None:
    """Whatever is asked for, there is something before it."""

    async def act(door: Door) -> None:
        made = 0

        def before(request: Request) -> Any:
            nonlocal made
            chain: list[Event] = []
            for _ in range(50):
                made += 1
                last = chain[-1] if chain else None
                chain.append(_orphan(door, made, [] if last is None else [last]))
            return {"events": [event.pdu for event in chain]}

        door.peers.answers_to = {"get_missing_events": before}
        hidden = _orphan(door, 0, [])
        events = [door.message(f"{number}", prev=[hidden]) for number in range(5)]
        async with spending(door.at.server.db) as spent:
            assert not any((await door.taken(*events)).values())
        # They are written down and acknowledged; looking for what is missing holds up nobody.
        assert spent.write_transactions <= 2
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        assert not any((await door.taken(door.message())).values())
        assert loop.time() - began_s < 1
        await asyncio.sleep(5 * HOUR_S)
        assert not door.at.server.federation.receiving.is_busy
        _bounded(door, 5 * 120)
        assert made <= 5 * 120 * 50

    run(act)


def _orphan(door: Door, number: int, prev: list[Event]) -> Event:
    """An event before which is what nobody has."""
    state = door.room.after[door.room.tip.event_id]
    ghost = door.room.create if not prev else None
    event = door.message(f"old {number}", prev=prev or [ghost], state=state)
    if prev:
        return event
    pdu = forged(door, prev_events=["$" + b64encode(number.to_bytes(32), b"-_").decode().rstrip("=")])
    orphan = parse_event(pdu, door.room.version)
    door.room.after[orphan.event_id] = dict(state)
    door.room.events[orphan.event_id] = orphan
    return orphan


def test_answers_of_any_size_are_asked_for_with_a_limit(run: Run) -> None:
    async def act(door: Door) -> None:
        ids = ["$" + encode_base64(number.to_bytes(32)) for number in range(5_000)]
        door.peers.answers_to = {
            "get_missing_events": lambda request: {"events": [{}] * 5_000},
            "state_ids": lambda request: {"pdu_ids": ids, "auth_chain_ids": ids},
            "state": lambda request: {"pdus": [{}] * 5_000, "auth_chain": [{}] * 5_000},
            "event_auth": lambda request: {"auth_chain": [{}] * 5_000},
        }
        await door.taken(door.message(prev=[_orphan(door, 1, [])]))
        async with spending(door.at.server.db) as spent:
            await asyncio.sleep(HOUR_S)
        assert not door.at.server.federation.receiving.is_busy
        _bounded(door, 120)
        assert spent.write_transactions <= 20

    run(act)


def test_a_state_without_end_is_not_looked_up(run: Run) -> None:
    async def act(door: Door) -> None:
        ids = [f"${number}" for number in range(STATE_EVENTS + 1)]
        door.peers.answers_to = {"state_ids": lambda request: {"pdu_ids": ids, "auth_chain_ids": []}}
        await door.taken(door.message(prev=[_orphan(door, 1, [])]))
        async with spending(door.at.server.db) as spent:
            await asyncio.sleep(60)
        assert door.peers.count("state_ids") and not door.peers.count("state", "event")
        assert spent.statements <= 100

    run(act)


@pytest.mark.parametrize(
    "rubbish", [None, 1, "x", [], {}, {"events": 1}, {"events": [1, None]}, {"pdu_ids": [1], "auth_chain_ids": {}}]
)
def test_answers_that_make_no_sense(run: Run, rubbish: Any) -> None:
    async def act(door: Door) -> None:
        for name in ("get_missing_events", "state_ids", "state", "event_auth", "event", "backfill"):
            door.peers.answers_to[name] = lambda request: rubbish
        event = door.message(prev=[_orphan(door, 1, [])])
        assert await door.taken(event) == {event.event_id: {}}
        await asyncio.sleep(HOUR_S)
        assert not door.at.server.federation.receiving.is_busy
        assert await door.status(event.event_id) is None
        _bounded(door, 120)

    run(act)


def test_a_server_that_answers_slowly_holds_up_nobody(run: Run) -> None:
    async def act(door: Door) -> None:
        door.peers.takes_s = 50.0
        stuck = door.message(prev=[_orphan(door, 1, [])])
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        assert not any((await door.taken(stuck)).values())
        for number in range(10):
            door.room.tip = door.message(f"{number}")
            assert not any((await door.taken(door.room.tip)).values())
        assert loop.time() - began_s < 1
        assert await door.ends() == {door.room.tip.event_id}
        await asyncio.sleep(5 * HOUR_S)
        assert not door.at.server.federation.receiving.is_busy
        _bounded(door, 120)

    run(act)


def _bounded(door: Door, most: int) -> None:
    """Nothing was asked without limits, and not too much."""
    assert len(door.peers.requests) <= most
    for request in door.peers.requests:
        # A whole state may be long in coming, as long as it comes.
        longest_s = WHOLE_STATE_TIMEOUT_S if "/state/" in request.path else STATE_TIMEOUT_S
        assert request.timeout_s <= longest_s and request.limit_bytes <= STATE_BYTES
