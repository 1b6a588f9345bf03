"""Servers that mean harm, through signed requests: what they send is refused, and costs little. Never a 500.

What they answer, byte by byte and second by second, is the network's business: `tests/net/test_bounds.py`.
"""

import asyncio
from base64 import b64encode
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import orjson
import pytest

from ranvier.federation.fetch_events import STATE_BYTES, STATE_EVENTS, STATE_TIMEOUT_S
from ranvier.proto.canonical_json import NotCanonical, encode_lenient
from ranvier.proto.event_format import InvalidEvent, parse_event
from ranvier.proto.events import Event
from ranvier.proto.hashing import content_hash, signed_bytes
from ranvier.proto.signing import SigningKey
from ranvier.proto.unpadded_base64 import encode_base64
from ranvier.store.events import ACCEPTED
from tests.budget.test_statements import spending
from tests.federation.signed import EVIL, KEY, Door, Request, behind_door
from tests.plays.virtual_loop import run_virtually

Act = Callable[[Door], Coroutine[None, None, None]]
Run = Callable[..., None]
SEND = "/_matrix/federation/v1/send/t"
HOUR_S = 3600


@pytest.fixture
def run(tmp_path: Path) -> Run:
    async def go(act: Act, version: str) -> None:
        async with behind_door(tmp_path, version=version) as door:
            await act(door)
            # It is as it was for everybody else.
            (await door.alice.send(door.room.room_id, "m.room.message", {"body": "still here"})).ok()

    def start(act: Act, version: str = "11") -> None:
        run_virtually(go(act, version))

    return start


def forged(door: Door, by: str = EVIL, key: SigningKey = KEY, **fields: Any) -> dict[str, Any]:
    """A message with other fields than its maker wants, hashed and signed by this server."""
    pdu: dict[str, Any] = {**door.message().pdu, **fields}
    for gone in [name for name, value in pdu.items() if value is None]:
        del pdu[gone]
    pdu["hashes"] = {"sha256": encode_base64(content_hash(pdu, door.room.version))}
    pdu["signatures"] = {by: {key.key_id: key.sign(signed_bytes(pdu, door.room.version))}}
    return pdu


# Requests.


def test_signatures_of_requests(run: Run) -> None:
    async def act(door: Door) -> None:
        good, wrong = SigningKey(KEY.key_id, bytes(32)), SigningKey(KEY.key_id, b"x" * 32)
        body = b'{"pdus":[]}'
        assert (await door.ask("PUT", SEND, body, key=good))[0] == 200
        async with spending(door.at.server.db) as spent:
            for status, answered in (
                await door.ask("PUT", SEND, body, key=wrong),
                await door.knock("PUT", SEND, body, "X-Matrix nonsense"),
                await door.knock("PUT", SEND, body, f'X-Matrix origin="{EVIL}",key="{KEY.key_id}",sig="AAAA"'),
                await door.ask("PUT", SEND, body, origin="ranvier.test"),
                await door.ask("PUT", SEND, body, origin="not a name"),
            ):
                assert (status, answered["errcode"]) == (401, "M_UNAUTHORIZED")
        assert (spent.statements, spent.write_transactions) == (0, 0)
        assert not door.peers.requests

    run(act)


def test_keys_that_nobody_has_are_asked_for_once(run: Run) -> None:
    async def act(door: Door) -> None:
        for number in range(30):
            key = SigningKey(f"ed25519:new{number}", bytes(32))
            assert (await door.ask("PUT", SEND, b'{"pdus":[]}', key=key))[0] == 401
        assert door.peers.count("server") <= 2

    run(act)


def test_invented_servers_cost_one_question_each(run: Run) -> None:
    async def act(door: Door) -> None:
        door.peers.down = {f"invented{number}.test" for number in range(20)}
        for _ in range(3):
            for server in sorted(door.peers.down):
                assert (await door.ask("PUT", SEND, b'{"pdus":[]}', origin=server))[0] == 401
        assert len(door.peers.requests) <= 20
        assert all(request.timeout_s <= 60 and request.limit_bytes <= 1 << 20 for request in door.peers.requests)

    run(act)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b"[]", 400),
        (b'"\xff"', 400),
        (b'{"pdus":{}}', 400),
        (b'{"pdus":1,"edus":[]}', 400),
        (b'{"pdus":[' + b"[" * 100_000 + b"]" * 100_000 + b"]}", 400),
        (b'{"pdus":[],"edus":[' + b'{"a":' * 5_000 + b"1" + b"}" * 5_000 + b"]}", 400),
        (b'{"pdus":[' + b"{}," * 50 + b"{}]}", 400),
        (b'{"pdus":[],"edus":[' + b"{}," * 100 + b"{}]}", 400),
        (b'{"pdus":["' + b"x" * (12 << 20) + b'"]}', 413),
    ],
    ids=lambda value: value[:12] + b"..%d" % len(value) if isinstance(value, bytes) else str(value),
)
def test_bodies_that_are_no_transactions(run: Run, body: bytes, status: int) -> None:
    async def act(door: Door) -> None:
        async with spending(door.at.server.db) as spent:
            answered, content = await door.ask("PUT", SEND, body)
        if body:
            assert answered == status and content["errcode"].startswith("M_")
        else:
            assert answered in (200, 400)
        assert (spent.statements, spent.write_transactions) == (0, 0)

    run(act)


# Events.


@pytest.mark.parametrize("version", ["1", "5", "6", "10", "11", "12"])
def test_what_is_no_event_is_dropped(run: Run, version: str) -> None:
    async def act(door: Door) -> None:
        room_id = door.room.room_id
        rubbish: list[Any] = [None, 0, "", [], {}, [[]], {"room_id": 1}, {"room_id": room_id}, {"room_id": "!no:x"}]
        wrong: list[Any] = [
            None,
            1,
            -1,
            2**60,
            2**70,
            1.5,
            True,
            "",
            "x\0",
            "x" * 300,
            [],
            {},
            [1],
            [None],
            [["a", "b"]],
        ]
        names = ("type", "sender", "content", "depth", "origin_server_ts", "prev_events", "auth_events", "state_key")
        for name in (*names, "hashes", "signatures", "redacts", "event_id", "room_id"):
            rubbish += [{**door.message().pdu, name: value} for value in wrong]
        for name in names:
            rubbish += [_forged_or_not(door, name, value) for value in wrong]
        for start in range(0, len(rubbish), 50):
            status, answered = await door.send(*rubbish[start : start + 50])
            assert status == 200, answered
        await asyncio.sleep(2 * HOUR_S)
        assert not door.at.server.federation.receiving.is_busy
        assert all(request.timeout_s <= STATE_TIMEOUT_S for request in door.peers.requests)

    run(act, version)


def _forged_or_not(door: Door, name: str, value: Any) -> Any:
    try:
        return forged(door, **{name: value})
    except (NotCanonical, InvalidEvent, TypeError, ValueError, AttributeError):  # It cannot even be signed.
        return {**door.message().pdu, name: value}


def test_nobody_speaks_for_others(run: Run) -> None:
    async def act(door: Door) -> None:
        creator = door.room.creator
        theirs = door.room.say("m.room.message", {"body": "honest"}, prev=[door.room.tip])
        others = [
            forged(door, sender=creator),
            forged(door, by="remote.test", key=SigningKey(KEY.key_id, b"x" * 32), sender=creator),
            forged(door, key=SigningKey(KEY.key_id, b"x" * 32)),
            forged(door, key=SigningKey("rsa:a", bytes(32))),
            {**door.message().pdu, "signatures": {}},
            {**door.message().pdu, "signatures": {EVIL: {KEY.key_id: "AAAA"}}},
        ]
        async with spending(door.at.server.db) as spent:
            results = await door.taken(*others)
        assert len(results) == len(others) and all("error" in result for result in results.values())
        assert spent.write_transactions <= 1  # The key of the other server.
        assert door.peers.count("server") == len(door.peers.requests) <= 1
        # What another server has signed may come from anybody.
        assert await door.taken(theirs) == {theirs.event_id: {}}
        assert await door.ends() == {theirs.event_id}

    run(act)


def test_changed_content_is_pruned(run: Run) -> None:
    async def act(door: Door) -> None:
        event = door.message()
        assert await door.taken({**event.pdu, "content": {"body": "changed"}}) == {event.event_id: {}}
        stored = (await door.at.server.rooms.cache.by_id([event.event_id]))[event.event_id]
        assert stored.event.content == {}

    run(act)


def test_events_of_the_future(run: Run) -> None:
    async def act(door: Door) -> None:
        late = [forged(door, origin_server_ts=ts) for ts in ((1 << 53) - 1, 1_700_000_000_000 + 30 * 86_400_000)]
        results = await door.taken(*late)
        assert len(results) == 2 and all("error" in result for result in results.values())
        for number in range(20):
            await door.taken(forged(door, origin_server_ts=(1 << 53) - 2 - number))
        assert len(door.peers.requests) <= 3
        assert await door.ends() == {door.room.tip.event_id}

    run(act)


def test_events_with_keys_to_come(run: Run) -> None:
    async def act(door: Door) -> None:
        for number in range(20):
            key = SigningKey(f"ed25519:next{number}", bytes(32))
            results = await door.taken(*(forged(door, key=key, depth=depth) for depth in range(1, 11)))
            assert len(results) == 10 and all("error" in result for result in results.values())
        assert door.peers.count("server") == len(door.peers.requests) <= 2

    run(act)


def test_events_that_are_too_large_or_too_deep(run: Run) -> None:
    async def act(door: Door) -> None:
        deep: Any = 1
        for _ in range(90):
            deep = {"a": deep}
        large = forged(door, content={"body": "x" * 65_536})
        many = forged(door, content={str(number): number for number in range(8_000)})
        async with spending(door.at.server.db) as spent:
            for pdu in (large, many, {**door.message().pdu, "prev_events": ["$" + "x" * 43] * 2_000}):
                await door.taken(pdu)
        assert spent.write_transactions == 0
        status, _ = await door.send(forged(door, content={"deep": deep}))
        assert status in (200, 400)
        assert not door.peers.requests

    run(act)


def test_rooms_that_nobody_here_is_in(run: Run) -> None:
    async def act(door: Door) -> None:
        pdus = [{**door.message().pdu, "room_id": f"!{number}:elsewhere.test"} for number in range(50)]
        async with spending(door.at.server.db) as spent:
            await door.taken(*pdus)
        assert spent.write_transactions == 0 and spent.statements <= 100
        assert not door.peers.requests

    run(act)


# What they cite.


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
        assert request.timeout_s <= STATE_TIMEOUT_S and request.limit_bytes <= STATE_BYTES


# EDUs.


def test_rubbish_in_edus(run: Run) -> None:
    async def act(door: Door) -> None:
        kinds = (
            "m.typing", "m.receipt", "m.presence", "m.direct_to_device", "m.device_list_update", "m.signing_key_update",
            "x", "",
        )  # fmt: skip
        values: list[Any] = [None, 1, "x", [], {}, {"room_id": 1}, {"user_id": "@u:other.test"}, {"push": [None]}]
        edus: list[Any] = [{"edu_type": kind, "content": value} for kind in kinds for value in values]
        edus += [None, 1, [], {}, {"edu_type": 1}, {"edu_type": "m.typing"}]
        for start in range(0, len(edus), 100):
            body = encode_lenient({"pdus": [], "edus": edus[start : start + 100]})
            assert (await door.ask("PUT", f"{SEND}{start}", body))[0] == 200
        for number in range(100):
            update = {"user_id": f"@u{number}:{EVIL}", "device_id": "D", "stream_id": 10**9, "prev_id": [10**9 - 1]}
            status, _ = await door.send(edus=[{"edu_type": "m.device_list_update", "content": update}])
            assert status == 200
        await asyncio.sleep(HOUR_S)
        # Nobody shares a room with these users: nobody asks for their devices.
        assert not [request for request in door.peers.requests if "/devices/" in request.path and "u1:" in request.path]

    run(act)


def test_every_query_with_rubbish(run: Run) -> None:
    async def act(door: Door) -> None:
        room_id, event_id = door.room.room_id, door.room.tip.event_id
        for at in (
            f"state/{room_id}", f"state_ids/{room_id}", f"backfill/{room_id}", f"event/{event_id}",
            f"event_auth/{room_id}/{event_id}", f"timestamp_to_event/{room_id}", f"hierarchy/{room_id}",
            f"make_join/{room_id}/@x:{EVIL}", f"make_leave/{room_id}/@u:{EVIL}", f"make_knock/{room_id}/@x:{EVIL}",
            "query/profile", "query/directory", "user/devices/@alice:ranvier.test", "publicRooms",
        ):  # fmt: skip
            for query in (
                "",
                "?v=%00",
                "?event_id=",
                "?limit=-1&v=x",
                "?ts=9e999&dir=x",
                "?ver=\0",
                "?event_id=" + "x" * 999,
            ):
                status, _ = await door.ask("GET", f"/_matrix/federation/v1/{at}{query}".replace("\0", "%00"))
                assert status < 500, (at, query)
        for method, at in (
            ("PUT", f"v2/send_join/{room_id}/{event_id}"), ("PUT", f"v1/send_join/{room_id}/{event_id}"),
            ("PUT", f"v2/send_leave/{room_id}/{event_id}"), ("PUT", f"v1/send_knock/{room_id}/{event_id}"),
            ("PUT", f"v2/invite/{room_id}/{event_id}"), ("PUT", f"v1/invite/{room_id}/{event_id}"),
            ("POST", f"v1/get_missing_events/{room_id}"), ("POST", "v1/user/keys/query"), ("POST", "v1/user/keys/claim"),
            ("POST", "v1/publicRooms"), ("PUT", f"v1/exchange_third_party_invite/{room_id}"),
        ):  # fmt: skip
            for body in (
                b"",
                b"{}",
                b"[]",
                b"null",
                b'{"a":' * 200 + b"1" + b"}" * 200,
                orjson.dumps(door.message().pdu),
            ):
                status, _ = await door.ask(method, f"/_matrix/federation/{at}", body)
                assert status < 500, (at, body[:20])

    run(act)
