"""Servers that mean harm, through signed requests: what they send is refused, and costs little. Never a 500.

What they answer, byte by byte and second by second, is the network's business: `tests/net/test_bounds.py`.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from ranvier.federation.fetch_events import STATE_TIMEOUT_S
from ranvier.proto.canonical_json import NotCanonical, encode_lenient
from ranvier.proto.event_format import InvalidEvent
from ranvier.proto.signing import SigningKey
from tests.budget.test_statements import spending
from tests.federation.signed import EVIL, KEY, Door, forged, unharmed
from tests.plays.virtual_loop import run_virtually

Run = Callable[..., None]
SEND = "/_matrix/federation/v1/send/t"
HOUR_S = 3600


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return lambda act, version="11": run_virtually(unharmed(tmp_path, act, version))


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
