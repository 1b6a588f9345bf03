"""What goes to other servers, and what is made of their answers."""

import asyncio
import json
from typing import Any

import pytest

from ranvier.federation.client import FederationClient, RemoteError, Retries, Unreachable
from ranvier.federation.lanes import PER_SERVER
from ranvier.federation.paths import key_path, path
from ranvier.ports import FederationAnswer, FederationUnreachable
from ranvier.proto.canonical_json import encode
from ranvier.proto.signing import check_json, is_signature
from ranvier.proto.x_matrix import parse_x_matrix, request_bytes
from tests.federation.key_servers import OWN, key
from tests.federation.wire import Asked, FakeClock, FakeHealth, Wire, answer


class Net:
    """One client, and what is around it."""

    def __init__(self, **options: Any) -> None:
        self.wire, self.health, self.clock = Wire(), FakeHealth(), FakeClock()
        self.client = FederationClient(
            transport=self.wire,
            server_name=OWN,
            signing_key=key(OWN),
            health=self.health,
            clock=self.clock,
            **options,
        )

    def serves(self, given: FederationAnswer, name: str = "a.test") -> None:
        """The server answers so, whatever it is asked."""

        async def serve(asked: Asked) -> FederationAnswer:
            return given

        self.wire.servers[name] = serve


@pytest.fixture
def net() -> Net:
    return Net()


def test_paths_are_encoded() -> None:
    assert path("v1", "event", "$a/b?c d%é") == "/_matrix/federation/v1/event/%24a%2Fb%3Fc%20d%25%C3%A9"
    assert key_path("v2", "server") == "/_matrix/key/v2/server"


async def test_a_question_is_signed_as_it_is_on_the_wire(net: Net) -> None:
    net.serves(answer({"a": 1}))
    query = [("ver", "1"), ("ver", "2"), ("x", "a b&c/é")]
    assert await net.client.get("a.test", path("v1", "x", "!r:é"), query=query) == {"a": 1}
    (asked,) = net.wire.asked
    assert asked.target == "/_matrix/federation/v1/x/%21r%3A%C3%A9?ver=1&ver=2&x=a%20b%26c%2F%C3%A9"
    assert asked.body is None
    assert "content-type" not in asked.headers
    claim = parse_x_matrix(asked.headers["authorization"])
    assert (claim.origin, claim.destination, claim.key_id) == (OWN, "a.test", "ed25519:1")
    signed = {"method": "GET", "uri": asked.target, "origin": OWN, "destination": "a.test"}
    signed_by = {**signed, "signatures": {OWN: {claim.key_id: claim.signature}}}
    check_json(signed_by, OWN, {claim.key_id: key(OWN).public_key})
    assert net.health.told == [("succeeded", "a.test", None)]


@pytest.mark.parametrize("content", [{"b": [1, "é"], "a": {}}, b'{"a":{},"b":[1]}', {}, {"f": 1.5, "big": 2**70}])
async def test_content_is_sent_as_it_was_signed(net: Net, content: Any) -> None:
    net.serves(answer({}))
    await net.client.put("a.test", path("v1", "send", "1"), content=content)
    await net.client.post("a.test", path("v1", "user"), content=content, query=[("q", "1")])
    for asked, method in zip(net.wire.asked, ("PUT", "POST"), strict=True):
        assert asked.method == method
        assert asked.headers["content-type"] == "application/json"
        claim = parse_x_matrix(asked.headers["authorization"])
        message = request_bytes(method=method, uri=asked.target, origin=OWN, destination="a.test", content=asked.body)
        assert is_signature(message, claim.signature, key(OWN).public_key)
    if isinstance(content, bytes):
        assert net.wire.asked[0].body is content
    elif "f" not in content:
        assert net.wire.asked[0].body == encode(content)


async def test_integers_of_any_size_come_back_as_they_are(net: Net) -> None:
    net.serves(FederationAnswer(status=200, headers={}, body=b'{"a":123456789012345678901234567890,"b":1.5}'))
    assert await net.client.get("a.test", "/x") == {"a": 123456789012345678901234567890, "b": 1.5}


@pytest.mark.parametrize("body", [b"", b"<html>", b"[" * 100_000, b'{"a":' * 300 + b"1" + b"}" * 300, b'"\xff"'])
async def test_answers_that_are_not_json(net: Net, body: bytes) -> None:
    net.serves(FederationAnswer(status=200, headers={}, body=body))
    with pytest.raises(Unreachable, match="not JSON"):
        await net.client.get("a.test", "/x")
    assert net.health.told == [("failed", "a.test", None)]
    net.serves(FederationAnswer(status=404, headers={}, body=body))
    with pytest.raises(RemoteError) as refusal:
        await net.client.get("a.test", "/x")
    assert (refusal.value.status, refusal.value.errcode, refusal.value.body) == (404, "M_UNKNOWN", {})


@pytest.mark.parametrize(("status", "told"), [(400, "succeeded"), (302, "succeeded"), (410, "succeeded")])
async def test_who_refuses_is_alive(net: Net, status: int, told: str) -> None:
    net.serves(answer({"errcode": "M_FORBIDDEN", "error": "no", "room_version": "7"}, status))
    with pytest.raises(RemoteError) as refusal:
        await net.client.get("a.test", "/x")
    error = refusal.value
    assert (error.status, error.errcode, error.error, error.body["room_version"]) == (status, "M_FORBIDDEN", "no", "7")
    assert net.health.told == [(told, "a.test", None)]


async def test_what_a_server_says_of_its_errors_is_bounded(net: Net) -> None:
    bodies: list[object] = [{"errcode": 7, "error": []}, {"errcode": "M" * 10_000, "error": "x" * 10_000}, []]
    for body in bodies:
        net.serves(answer(body, 403))
        with pytest.raises(RemoteError) as refusal:
            await net.client.get("a.test", "/x")
        assert len(str(refusal.value)) < 1100


@pytest.mark.parametrize("status", [500, 502, 503, 504, 520])
async def test_who_breaks_down_has_stumbled(net: Net, status: int) -> None:
    net.serves(answer({}, status))
    with pytest.raises(RemoteError):
        await net.client.get("a.test", "/x")
    assert net.health.told == [("stumbled", "a.test", None)]
    with pytest.raises(RemoteError):
        await net.client.get("a.test", "/x", records_failure=False)
    assert net.health.told == [("stumbled", "a.test", None)]


def stumbling(net: Net, *given: FederationAnswer) -> None:
    """The server answers so, one after the other, and in the end well."""
    answers = list(given)

    async def serve(asked: Asked) -> FederationAnswer:
        return answers.pop(0) if answers else answer({"a": 1})

    net.wire.servers["a.test"] = serve


@pytest.mark.parametrize("method", ["get", "put", "post"])
async def test_for_a_user_who_waits_it_is_asked_again(net: Net, method: str) -> None:
    stumbling(net, answer({}, 503), answer({}, 502), answer({}, 429, {"retry-after": "1"}))
    began_s = net.clock.monotonic()
    content = {} if method == "get" else {"content": {"b": 2}}
    assert await getattr(net.client, method)("a.test", "/x", patient=True, **content) == {"a": 1}
    assert net.clock.monotonic() - began_s == pytest.approx(0.5 + 1 + 1)
    assert net.wire.count("a.test") == 4 and len({asked.body for asked in net.wire.asked}) == 1


async def test_nobody_else_asks_again(net: Net) -> None:
    stumbling(net, answer({}, 503))
    with pytest.raises(RemoteError):
        await net.client.get("a.test", "/x")
    assert net.wire.count("a.test") == 1


@pytest.mark.parametrize(("most", "longest_s", "took_s"), [(0, 2.0, 0), (1, 2.0, 0.5), (3, 0.6, 1.7), (9, 2.0, 15.5)])
async def test_how_often_and_after_how_long(most: int, longest_s: float, took_s: float) -> None:
    net = Net(retries=Retries(most=most, longest_pause_s=longest_s), timeout_s=100.0)
    net.serves(answer({}, 500))
    began_s = net.clock.monotonic()
    with pytest.raises(RemoteError):
        await net.client.get("a.test", "/x", patient=True)
    assert net.clock.monotonic() - began_s == pytest.approx(took_s)
    assert net.wire.count("a.test") == most + 1


async def test_asking_again_takes_no_longer_than_asking(net: Net) -> None:
    net.serves(answer({}, 500))
    began_s = net.clock.monotonic()
    with pytest.raises(RemoteError):
        await net.client.get("a.test", "/x", patient=True, timeout_s=1.0)
    assert net.clock.monotonic() - began_s < 1.0


@pytest.mark.parametrize(
    "given", [answer({}, 400), answer({}, 404), answer({}, 410), answer({}, 429, {"retry-after": "3"}), answer({}, 429)]
)
async def test_what_will_not_change_soon_is_not_asked_again(net: Net, given: FederationAnswer) -> None:
    net.serves(given)
    with pytest.raises(RemoteError):
        await net.client.get("a.test", "/x", patient=True)
    assert net.wire.count("a.test") == 1


async def test_who_cannot_be_reached_is_tried_once_even_for_a_user(net: Net) -> None:
    with pytest.raises(Unreachable):
        await net.client.get("a.test", "/x", patient=True)
    assert net.wire.count("a.test") == 1


@pytest.mark.parametrize(
    ("headers", "body", "wait_ms"),
    [
        ({}, {}, 5_000),
        ({"retry-after": "12"}, {"retry_after_ms": 3}, 12_000),
        ({}, {"retry_after_ms": 700}, 700),
        ({"retry-after": "soon"}, {"retry_after_ms": "x"}, 5_000),
        ({"retry-after": "999999999999"}, {}, 5_000),
        ({"retry-after": "99999999"}, {}, 3_600_000),
        ({"retry-after": "Tue, 14 Nov 2023 22:13:50 GMT"}, {}, 30_000),
        ({"retry-after": "Tue, 14 Nov 2000 22:13:50 GMT"}, {}, 0),
    ],
)
async def test_who_wants_a_pause_gets_it(net: Net, headers: dict[str, str], body: object, wait_ms: int) -> None:
    net.serves(answer(body, 429, headers))
    with pytest.raises(RemoteError):
        await net.client.get("a.test", "/x")
    assert net.health.told == [("failed", "a.test", wait_ms)]


async def test_who_cannot_be_reached_has_failed(net: Net) -> None:
    with pytest.raises(Unreachable, match="not there"):
        await net.client.get("gone.test", "/x")
    assert net.health.told == [("failed", "gone.test", None)]


async def test_who_is_away_is_asked_for_impatient_users_only_and_not_too_often(net: Net) -> None:
    net.health.away.add("a.test")
    net.serves(answer({}))
    with pytest.raises(Unreachable, match="lately"):
        await net.client.get("a.test", "/x")
    assert not net.wire.asked
    assert await net.client.get("a.test", "/x", patient=True) == {}
    for _ in range(10):
        with pytest.raises(Unreachable, match="lately"):
            await net.client.get("a.test", "/x", patient=True)
    net.clock.advance(16)
    assert await net.client.get("a.test", "/x", patient=True) == {}
    assert len(net.wire.asked) == 2


async def test_nobody_asks_themselves_or_whom_the_operator_does_not_want() -> None:
    net = Net(allowed=["a.test"])
    net.serves(answer({}))
    net.serves(answer({}), "b.test")
    assert await net.client.get("a.test", "/x") == {}
    for name in ("b.test", OWN):
        with pytest.raises(Unreachable):
            await net.client.get(name, "/x", patient=True)
    assert [asked.destination for asked in net.wire.asked] == ["a.test"]


async def test_requests_at_the_same_time_are_bounded() -> None:
    net = Net(max_connections=5)
    for number in range(50):
        net.serves(answer({}), f"s{number}.test")
    await asyncio.gather(*(net.client.get(f"s{number}.test", "/x") for number in range(50)))
    assert net.wire.most_at_once == 5


async def test_who_gives_up_leaves_room_for_others() -> None:
    net = Net(max_connections=1)
    never = asyncio.Event()

    async def serve(asked: Asked) -> FederationAnswer:
        await never.wait()
        return answer({})

    net.wire.servers["slow.test"] = serve
    net.serves(answer({}))
    waiting = asyncio.create_task(net.client.get("slow.test", "/x"))
    await asyncio.sleep(0.01)
    waiting.cancel()
    assert await net.client.get("a.test", "/x") == {}


LARGE: dict[str, Any] = {
    "origin": "a.test",
    "state": [{"n": number, "content": {"body": "x" * 900, "tags": [[], {}]}} for number in range(3000)],
    "more": [],
    "text": "[" * 2_000_000,
}


async def test_large_answers_are_read_whole_and_do_not_stop_the_loop(net: Net) -> None:
    net.serves(answer(LARGE))
    turns = 0

    async def turn() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    turning = asyncio.create_task(turn())
    assert await net.client.get("a.test", "/x") == LARGE
    turning.cancel()
    assert turns > 10
    net.serves(answer([LARGE]))
    assert await net.client.get("a.test", "/x") == [LARGE]


@pytest.mark.parametrize(
    ("before", "after"), [(b"", b"}"), (b"x", b""), (b'{"a":[1,', b"}"), (b'{"a":[{}' + b"[" * 300 + b"],", b"}")]
)
async def test_large_answers_that_are_not_json(net: Net, before: bytes, after: bytes) -> None:
    body = before + json.dumps(LARGE).encode()[:-1] + after * 2
    net.serves(FederationAnswer(status=200, headers={}, body=body))
    with pytest.raises(Unreachable, match="not JSON"):
        await net.client.get("a.test", "/x")


async def test_a_slow_server_does_not_take_the_places_of_others() -> None:
    net = Net(max_connections=PER_SERVER + 2)
    go_on = asyncio.Event()

    async def slow(asked: Asked) -> FederationAnswer:
        await go_on.wait()
        return answer({})

    net.wire.servers["slow.test"] = slow
    net.serves(answer({"a": 1}))
    waiting = [asyncio.create_task(net.client.get("slow.test", "/x")) for _ in range(5 * PER_SERVER)]
    await asyncio.sleep(0.01)
    assert net.wire.count("slow.test") == PER_SERVER
    async with asyncio.timeout(5):
        assert await net.client.get("a.test", "/x") == {"a": 1}
    go_on.set()
    assert await asyncio.gather(*waiting) == [{}] * (5 * PER_SERVER)


async def test_who_has_waited_for_a_server_that_is_away_does_not_try_it_too(net: Net) -> None:
    async def away(asked: Asked) -> FederationAnswer:
        await asyncio.sleep(0.01)
        net.health.away.add("away.test")
        raise FederationUnreachable("timed out")

    net.wire.servers["away.test"] = away
    asking = [asyncio.create_task(net.client.get("away.test", "/x")) for _ in range(5 * PER_SERVER)]
    results = await asyncio.gather(*asking, return_exceptions=True)
    assert all(isinstance(result, Unreachable) for result in results)
    assert net.wire.count("away.test") == PER_SERVER
