"""A state in whatever order it is told, and what is no state."""

from random import Random
from typing import Any

from tests.faster_joins.answers import Request
from tests.faster_joins.stage import DEREK, ELSIE, Stage, staged

NAMES = [f"@user{number}:resident.test" for number in range(60)]


def _shuffled(request: Request, answer: dict[str, Any]) -> dict[str, Any]:
    random = Random(17)
    chain, pdus = answer["auth_chain"] * 2, list(answer["pdus"])
    random.shuffle(chain)
    random.shuffle(pdus)
    return {"auth_chain": chain, "what": ["},{", {"pdus": [1]}], "pdus": pdus + chain[:5]}


def _state_first(request: Request, answer: dict[str, Any]) -> dict[str, Any]:
    return {"pdus": answer["pdus"][::-1], "auth_chain": answer["auth_chain"][::-1]}


def _with_rubbish(request: Request, answer: dict[str, Any]) -> dict[str, Any]:
    rubbish: list[Any] = [{}, {"type": 1}, {"event_id": "$x", "content": {"body": "},{"}}]
    return {**answer, "pdus": rubbish + answer["pdus"]}


async def _told_so(s: Stage, lie: Any) -> None:
    room = s.room(members=[DEREK, *NAMES])
    for name in NAMES[:40]:
        room.member(name, "leave")
        room.member(name, "join")
    await s.join_partially(room)
    s.resident.lie("state", lie)
    s.release()
    await s.until_full(room)
    await s.check_full(room)
    assert len(s.resident.asked("state")) == 1


@staged()
async def test_in_any_order_and_twice(s: Stage) -> None:
    await _told_so(s, _shuffled)


@staged()
async def test_the_state_before_what_it_stands_on(s: Stage) -> None:
    await _told_so(s, _state_first)


@staged()
async def test_rubbish_among_the_events(s: Stage) -> None:
    await _told_so(s, _with_rubbish)


@staged()
async def test_who_tells_no_state_is_left_for_another(s: Stage) -> None:
    room = s.room(members=[DEREK, ELSIE, *NAMES])
    await s.join_partially(room)
    s.resident.lie("state", lambda request, answer: {"pdus": [1, 2, 3], "auth_chain": []})
    s.release()
    await s.until_full(room)
    await s.check_full(room)
