"""`POST /keys/upload`. Spec: client-server API, "Uploading keys", "One-time and fallback keys"."""

import asyncio
from typing import Any

import pytest

from ranvier.e2ee.upload_keys import MAX_ONE_TIME_KEYS
from tests.api.homeserver import Homeserver
from tests.e2ee.person import Person, log_in


async def test_keys_are_published_as_they_were_uploaded(alice: Person, bob: Person) -> None:
    assert (await alice.upload(device_keys=alice.device_keys)).ok()["one_time_key_counts"] == {"signed_curve25519": 0}
    assert (await bob.keys_of(alice.user_id))["device_keys"] == {alice.user_id: {alice.device_id: alice.device_keys}}


async def test_the_name_of_a_device_stands_beside_its_keys(alice: Person, bob: Person) -> None:
    await alice.publish()
    for name in ("Phone", "Tablet"):
        (await alice.client.put(f"/devices/{alice.device_id}", {"display_name": name})).ok()
        found = (await bob.keys_of(alice.user_id))["device_keys"][alice.user_id][alice.device_id]
        assert found == {**alice.device_keys, "unsigned": {"device_display_name": name}}


async def test_counts(alice: Person) -> None:
    answer = await alice.upload(
        one_time_keys={**alice.one_time_keys("a", "b"), "curve25519:c": "plain"}, fallback_keys=alice.fallback_key("f")
    )
    counts = {"signed_curve25519": 2, "curve25519": 1}
    assert answer.ok()["one_time_key_counts"] == counts
    for _ in range(2):
        told = await alice.sync()
        assert told["device_one_time_keys_count"] == counts
        assert told["device_unused_fallback_key_types"] == ["signed_curve25519"]
    assert (await alice.upload()).ok()["one_time_key_counts"] == counts


async def test_what_was_uploaded_before_counts_once(alice: Person) -> None:
    for _ in range(2):
        answer = await alice.upload(device_keys=alice.device_keys, one_time_keys=alice.one_time_keys("a", "b"))
        assert answer.ok()["one_time_key_counts"] == {"signed_curve25519": 2}


async def test_another_key_under_a_used_name_is_refused(alice: Person) -> None:
    (await alice.upload(one_time_keys=alice.one_time_keys("a"))).ok()
    other = {"signed_curve25519:a": alice.one_time_key("other"), **alice.one_time_keys("b")}
    (await alice.upload(one_time_keys=other)).refused(400, "M_INVALID_PARAM")
    assert (await alice.upload()).ok()["one_time_key_counts"] == {"signed_curve25519": 1}


async def test_keys_come_again_at_once_and_later(homeserver: Homeserver, alice: Person, bob: Person) -> None:
    """A client that got no answer repeats its request, even while the first is under way."""
    (await alice.upload(one_time_keys=alice.one_time_keys("a", "b"))).ok()
    for names in (("c", "d"), ("d", "c"), ("e", "a", "f")):
        keys = alice.one_time_keys(*names)
        answers = await asyncio.gather(*(alice.upload(one_time_keys=keys) for _ in range(3)))
        assert {answer.status for answer in answers} == {200}
    (await alice.upload(one_time_keys={**alice.one_time_keys("b"), "curve25519:g": "plain"})).ok()
    assert [await bob.claim_name(alice) for _ in range(7)] == ["a", "b", "c", "d", "e", "f", None]
    answer = await alice.upload(one_time_keys=alice.one_time_keys("a", "f"))
    assert answer.ok()["one_time_key_counts"] == {"signed_curve25519": 0, "curve25519": 1}
    assert await bob.claim_name(alice) is None


async def test_a_device_cannot_store_keys_without_end(alice: Person, bob: Person) -> None:
    keys = {f"signed_curve25519:{n}": {"key": "k", "signatures": {}} for n in range(MAX_ONE_TIME_KEYS)}
    (await alice.upload(one_time_keys=keys)).ok()
    (await alice.upload(one_time_keys=alice.one_time_keys("more"))).refused(413, "M_TOO_LARGE")
    (await alice.upload(one_time_keys={"other:more": "key"})).refused(413, "M_TOO_LARGE")
    counts = {"signed_curve25519": MAX_ONE_TIME_KEYS}
    assert (await alice.upload(one_time_keys=keys)).ok()["one_time_key_counts"] == counts
    assert await bob.claim_name(alice) == "0"
    assert (await alice.upload(one_time_keys=alice.one_time_keys("more"))).ok()["one_time_key_counts"] == counts


@pytest.mark.parametrize(
    ("change", "errcode"),
    [
        ({"user_id": "@mallory:ranvier.test"}, "M_INVALID_PARAM"),
        ({"device_id": "OTHER"}, "M_INVALID_PARAM"),
        ({"user_id": 1}, "M_BAD_JSON"),
        ({"algorithms": "m.olm"}, "M_BAD_JSON"),
        ({"keys": {"ed25519:OTHER": "x"}}, "M_INVALID_PARAM"),
        ({"keys": {"ed25519": "x"}}, "M_INVALID_PARAM"),
        ({"keys": {"ed25519:x": 3}}, "M_BAD_JSON"),
        ({"keys": []}, "M_BAD_JSON"),
        ({"signatures": {"@alice:ranvier.test": "x"}}, "M_BAD_JSON"),
        ({"signatures": None}, "M_BAD_JSON"),
        ({"more": 1.5}, "M_BAD_JSON"),
    ],
)
async def test_bad_device_keys(alice: Person, change: dict[str, Any], errcode: str) -> None:
    one_time_keys = alice.one_time_keys("a")
    answer = await alice.upload(device_keys={**alice.device_keys, **change}, one_time_keys=one_time_keys)
    answer.refused(400, errcode)
    assert (await alice.upload()).ok()["one_time_key_counts"] == {"signed_curve25519": 0}
    assert (await alice.keys_of(alice.user_id))["device_keys"] == {alice.user_id: {}}


@pytest.mark.parametrize("missing", ["user_id", "device_id", "algorithms", "keys", "signatures"])
async def test_incomplete_device_keys(alice: Person, missing: str) -> None:
    keys = {name: value for name, value in alice.device_keys.items() if name != missing}
    (await alice.upload(device_keys=keys)).refused(400, "M_BAD_JSON")


@pytest.mark.parametrize("where", ["one_time_keys", "fallback_keys"])
@pytest.mark.parametrize(
    ("keys", "errcode"),
    [
        ({"noname": "x"}, "M_INVALID_PARAM"),
        ({":a": "x"}, "M_INVALID_PARAM"),
        ({"curve25519:": "x"}, "M_INVALID_PARAM"),
        ({"curve25519:a\0": "x"}, "M_INVALID_PARAM"),
        ({f"curve25519:{'a' * 255}": "x"}, "M_INVALID_PARAM"),
        ({"curve25519:a": 1}, "M_BAD_JSON"),
        ({"signed_curve25519:a": {"signatures": {}}}, "M_BAD_JSON"),
        ({"signed_curve25519:a": {"key": "x"}}, "M_BAD_JSON"),
        ({"signed_curve25519:a": {"key": 1, "signatures": {}}}, "M_BAD_JSON"),
        ({"signed_curve25519:a": {"key": "x", "signatures": {"@a:b": "c"}}}, "M_BAD_JSON"),
        ({"signed_curve25519:a": {"key": "x", "signatures": {}, "more": [{"n": 1.5}]}}, "M_BAD_JSON"),
        ([], "M_BAD_JSON"),
    ],
)
async def test_bad_named_keys(alice: Person, where: str, keys: Any, errcode: str) -> None:
    (await alice.upload(**{where: keys})).refused(400, errcode)


async def test_two_fallback_keys_of_one_algorithm(alice: Person) -> None:
    keys = {**alice.fallback_key("a"), **alice.fallback_key("b")}
    (await alice.upload(fallback_keys=keys)).refused(400, "M_INVALID_PARAM")


async def test_large_keys(alice: Person) -> None:
    (await alice.upload(device_keys={**alice.device_keys, "more": "x" * 70_000})).refused(413, "M_TOO_LARGE")
    body = b'{"one_time_keys":{"curve25519:a":"' + b"x" * (5 << 20) + b'"}}'
    answer = await alice.client.request("POST", "/_matrix/client/v3/keys/upload", raw=body)
    answer.refused(413, "M_TOO_LARGE")


async def test_a_removed_device_takes_its_keys_along(homeserver: Homeserver, alice: Person, bob: Person) -> None:
    second = await log_in(homeserver, alice, "SECOND")
    (
        await second.upload(
            device_keys=second.device_keys,
            one_time_keys=second.one_time_keys("a"),
            fallback_keys=second.fallback_key("f"),
        )
    ).ok()
    (await second.client.post("/logout")).ok()
    assert (await bob.keys_of(alice.user_id))["device_keys"] == {alice.user_id: {}}
    assert await bob.claim(second) == {}
    second = await log_in(homeserver, alice, "SECOND")
    told = await second.sync()
    assert told["device_one_time_keys_count"] == {"signed_curve25519": 0}
    assert told["device_unused_fallback_key_types"] == []


@pytest.mark.parametrize(
    "body",
    [{}, {"device_keys": []}, {"device_keys": {"@a:b": {}}}, {"device_keys": {"@a:b": [1]}}],
)
async def test_bad_queries(alice: Person, body: object) -> None:
    assert (await alice.client.post("/keys/query", body)).status == 400


async def test_queries_name_devices_and_users_that_do_not_exist(alice: Person, bob: Person) -> None:
    await bob.publish()
    wanted = {
        bob.user_id: [bob.device_id, "NONE"],
        "@nobody:ranvier.test": [],
        "@far:elsewhere.test": [],
        "nonsense": [],
        "@a\0b:ranvier.test": [],
    }
    found = (await alice.client.post("/keys/query", {"device_keys": wanted})).ok()
    assert found["device_keys"][bob.user_id].keys() == {bob.device_id}
    assert found["device_keys"].get("@nobody:ranvier.test", {}) == {}
    assert found["failures"].keys() == {"elsewhere.test"}  # What is no user id names no server.
