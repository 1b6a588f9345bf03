"""`POST /keys/claim`. Spec: client-server API, "One-time and fallback keys"."""

import asyncio
from typing import Any

import pytest

from tests.api.homeserver import Homeserver
from tests.e2ee.person import Person, log_in


async def test_keys_are_given_out_in_the_order_of_upload(alice: Person, bob: Person) -> None:
    for name in "zay":
        (await alice.upload(one_time_keys=alice.one_time_keys(name))).ok()
    found = await bob.claim(alice)
    assert found == {alice.user_id: {alice.device_id: alice.one_time_keys("z")}}
    assert [await bob.claim_name(alice) for _ in range(3)] == ["a", "y", None]
    assert (await bob.claim(alice)) == {}


async def test_the_count_follows(alice: Person, bob: Person) -> None:
    (await alice.upload(one_time_keys=alice.one_time_keys("a", "b"))).ok()
    assert (await alice.sync())["device_one_time_keys_count"] == {"signed_curve25519": 2}
    await bob.claim(alice)
    assert (await alice.sync())["device_one_time_keys_count"] == {"signed_curve25519": 1}


async def test_a_fallback_key_serves_again_and_again(alice: Person, bob: Person) -> None:
    (await alice.upload(one_time_keys=alice.one_time_keys("a"), fallback_keys=alice.fallback_key("f"))).ok()
    assert await bob.claim_name(alice) == "a"
    assert (await alice.sync())["device_unused_fallback_key_types"] == ["signed_curve25519"]
    for _ in range(2):
        assert await bob.claim(alice) == {alice.user_id: {alice.device_id: alice.fallback_key("f")}}
        assert (await alice.sync())["device_unused_fallback_key_types"] == []
    (await alice.upload(fallback_keys=alice.fallback_key("f"))).ok()
    assert (await alice.sync())["device_unused_fallback_key_types"] == []
    (await alice.upload(fallback_keys=alice.fallback_key("g"))).ok()
    assert (await alice.sync())["device_unused_fallback_key_types"] == ["signed_curve25519"]
    assert await bob.claim_name(alice) == "g"


async def test_a_repeated_upload_does_not_bring_a_key_back(alice: Person, bob: Person) -> None:
    """The answer to the first one was lost, and somebody was faster than the repetition."""
    keys = alice.one_time_keys("a", "b")
    (await alice.upload(one_time_keys=keys)).ok()
    first = await bob.claim_name(alice)
    assert (await alice.upload(one_time_keys=keys)).ok()["one_time_key_counts"] == {"signed_curve25519": 1}
    second = await bob.claim_name(alice)
    assert {first, second} == {"a", "b"}
    assert await bob.claim_name(alice) is None


async def test_only_the_asked_devices_and_algorithms(homeserver: Homeserver, alice: Person, bob: Person) -> None:
    """Two users may have devices with one id, and devices several algorithms."""
    same = await log_in(homeserver, bob, alice.device_id)
    for device in (alice, bob, same):
        (await device.upload(one_time_keys={**device.one_time_keys("a"), "curve25519:p": "plain"})).ok()
    found = await bob.claim(alice, bob)
    assert found.keys() == {alice.user_id, bob.user_id}
    assert found[bob.user_id].keys() == {bob.device_id}
    assert (await same.upload()).ok()["one_time_key_counts"] == {"signed_curve25519": 1, "curve25519": 1}
    assert await bob.claim(same, algorithm="curve25519") == {same.user_id: {same.device_id: {"curve25519:p": "plain"}}}


async def test_who_is_unknown_is_left_out(alice: Person, bob: Person) -> None:
    (await alice.upload(one_time_keys=alice.one_time_keys("a"))).ok()
    wanted = {
        alice.user_id: {alice.device_id: "signed_curve25519", "NONE": "signed_curve25519", "\0": "x"},
        "@nobody:ranvier.test": {"X": "signed_curve25519"},
        "@far:elsewhere.test": {"X": "signed_curve25519"},
    }
    found = (await bob.client.post("/keys/claim", {"one_time_keys": wanted})).ok()
    assert found["one_time_keys"] == {alice.user_id: {alice.device_id: alice.one_time_keys("a")}}
    assert found["failures"].keys() == {"elsewhere.test"}
    nothing: dict[str, Any] = {"one_time_keys": {}, "failures": {}}
    assert (await bob.client.post("/keys/claim", {"one_time_keys": {}})).ok() == nothing


@pytest.mark.parametrize("body", [{}, {"one_time_keys": []}, {"one_time_keys": {"@a:b": {"D": 1}}}])
async def test_bad_claims(alice: Person, body: object) -> None:
    assert (await alice.client.post("/keys/claim", body)).status == 400


async def test_many_claim_at_once(homeserver: Homeserver, alice: Person, bob: Person) -> None:
    """Each key goes to one of them, and none is lost."""
    names = [f"k{number}" for number in range(300)]
    (await alice.upload(one_time_keys=alice.one_time_keys(*names))).ok()
    second = await log_in(homeserver, alice, "SECOND")
    (await second.upload(one_time_keys=second.one_time_keys(*names))).ok()

    async def claimer(number: int) -> list[str]:
        found = []
        for _ in range(8):
            pair = (alice, second) if number % 2 else (second, alice)
            for user_id, devices in (await bob.claim(*pair)).items():
                assert user_id == alice.user_id
                found += [f"{device_id} {key}" for device_id, keys in devices.items() for key in keys]
        return found

    claimed = [key for found in await asyncio.gather(*map(claimer, range(50))) for key in found]
    assert len(claimed) == len(set(claimed)) == 600
    assert (await alice.upload()).ok()["one_time_key_counts"] == {"signed_curve25519": 0}


async def test_keys_of_one_upload_that_come_while_others_are_claimed(alice: Person, bob: Person) -> None:
    async def upload() -> None:
        for number in range(20):
            (await alice.upload(one_time_keys=alice.one_time_keys(f"k{number}"))).ok()

    async def claim() -> list[str]:
        found: list[str] = []
        while len(found) < 20:
            name = await bob.claim_name(alice)
            if name is not None:
                found.append(name)
        return found

    _, claimed = await asyncio.gather(upload(), claim())
    assert claimed == [f"k{number}" for number in range(20)]
