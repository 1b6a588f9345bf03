"""Dehydrated devices (MSC3814)."""

from typing import Any

import pytest

from tests.api.asgi import Answer, part
from tests.api.homeserver import Homeserver
from tests.e2ee.person import Person, public

PATH = "/_matrix/client/unstable/org.matrix.msc3814.v1/dehydrated_device"
DATA = {"algorithm": "org.matrix.msc3814.v1.olm", "device_pickle": "encrypted"}


def sleeper(person: Person, name: str = "sleeper") -> Person:
    """The keys of a device that nobody is logged in with."""
    return Person(person.client, public(name))


def body_of(device: Person, **changes: object) -> dict[str, Any]:
    return {
        "device_id": device.device_id,
        "device_data": DATA,
        "initial_device_display_name": "Sleeper",
        "device_keys": device.device_keys,
        "one_time_keys": device.one_time_keys("a"),
        "fallback_keys": device.fallback_key("f"),
        **changes,
    }


async def put(device: Person, **changes: object) -> Answer:
    return await device.client.request("PUT", PATH, body_of(device, **changes))


async def events(person: Person, device: Person, next_batch: str | None = None) -> Any:
    at = f"{PATH}/{part(device.device_id)}/events"
    body = {} if next_batch is None else {"next_batch": next_batch}
    found = (await person.client.request("POST", at, body)).ok()
    assert (await person.client.request("GET", at, query=body)).ok() == found
    return found


async def test_a_device_is_stored_and_found(alice: Person, bob: Person) -> None:
    device = sleeper(alice)
    (await alice.client.request("GET", PATH)).refused(404, "M_NOT_FOUND")
    assert (await put(device)).ok() == {"device_id": device.device_id}
    assert (await alice.client.request("GET", PATH)).ok() == {"device_id": device.device_id, "device_data": DATA}
    (await bob.client.request("GET", PATH)).refused(404, "M_NOT_FOUND")


async def test_it_has_keys_like_others(alice: Person, bob: Person) -> None:
    await alice.room(bob)
    await bob.sync()
    device = sleeper(alice)
    (await put(device)).ok()
    assert await bob.device_lists() == ([alice.user_id], [])
    found = (await bob.keys_of(alice.user_id))["device_keys"][alice.user_id][device.device_id]
    assert found == {**device.device_keys, "unsigned": {"device_display_name": "Sleeper"}}
    assert [await bob.claim_name(device) for _ in range(3)] == ["a", "f", "f"]


async def test_it_receives_messages_that_stay(alice: Person, bob: Person) -> None:
    device = sleeper(alice)
    (await put(device)).ok()
    for number in range(130):
        (await bob.send({alice.user_id: {"*": {"n": number}}}, txn_id=str(number))).ok()
    for _ in range(2):
        numbers: list[int] = []
        next_batch = None
        while True:
            found = await events(alice, device, next_batch)
            next_batch = found["next_batch"]
            if not found["events"]:
                break
            assert len(found["events"]) <= 100
            numbers += [event["content"]["n"] for event in found["events"]]
        assert numbers == list(range(130))


async def test_another_device_replaces_it(alice: Person, bob: Person) -> None:
    first, second = sleeper(alice), sleeper(alice, "second")
    (await put(first)).ok()
    (await bob.send({alice.user_id: {"*": {"n": 1}}}, txn_id="1")).ok()
    (await put(second)).ok()
    assert (await bob.keys_of(alice.user_id))["device_keys"][alice.user_id].keys() == {second.device_id}
    assert (await events(alice, second))["events"] == []
    at = f"{PATH}/{part(first.device_id)}/events"
    (await alice.client.request("POST", at, {})).refused(403, "M_FORBIDDEN")
    assert await bob.claim(first) == {}
    (await put(second)).ok()
    assert (await bob.keys_of(alice.user_id))["device_keys"][alice.user_id].keys() == {second.device_id}


async def test_it_is_deleted(alice: Person, bob: Person) -> None:
    device = sleeper(alice)
    (await alice.client.request("DELETE", PATH)).refused(404, "M_NOT_FOUND")
    (await put(device)).ok()
    assert (await alice.client.request("DELETE", PATH)).ok() == {"device_id": device.device_id}
    (await alice.client.request("GET", PATH)).refused(404, "M_NOT_FOUND")
    assert (await bob.keys_of(alice.user_id))["device_keys"][alice.user_id] == {}
    ids = [entry["device_id"] for entry in (await alice.client.get("/devices")).ok()["devices"]]
    assert ids == [alice.device_id]


async def test_deleting_it_as_a_device(alice: Person) -> None:
    device = sleeper(alice)
    (await put(device)).ok()
    (await alice.confirmed("/delete_devices", {"devices": [device.device_id]})).ok()
    (await alice.client.request("GET", PATH)).refused(404, "M_NOT_FOUND")


@pytest.mark.parametrize(
    ("changes", "errcode"),
    [
        ({"device_keys": None}, "M_MISSING_PARAM"),
        ({"device_id": ""}, "M_MISSING_PARAM"),
        ({"device_id": "OTHER"}, "M_INVALID_PARAM"),
        ({"device_id": 1}, "M_BAD_JSON"),
        ({"device_id": "a\0"}, "M_INVALID_PARAM"),
        ({"device_data": "x"}, "M_BAD_JSON"),
        ({"initial_device_display_name": "x" * 1000}, "M_INVALID_PARAM"),
        ({"one_time_keys": {"x": "y"}}, "M_INVALID_PARAM"),
    ],
)
async def test_bad_devices(alice: Person, changes: dict[str, Any], errcode: str) -> None:
    device = sleeper(alice)
    (await put(device)).ok()
    (await put(device, **changes)).refused(400, errcode)
    assert (await alice.client.request("GET", PATH)).ok()["device_id"] == device.device_id


async def test_a_device_in_use_is_not_put_to_sleep(alice: Person) -> None:
    (await put(alice)).refused(400, "M_INVALID_PARAM")
    (await alice.client.get("/account/whoami")).ok()


async def test_bad_tokens(alice: Person) -> None:
    device = sleeper(alice)
    (await put(device)).ok()
    at = f"{PATH}/{part(device.device_id)}/events"
    for token in ("x", "d", "dx", "d" + "9" * 30):
        (await alice.client.request("POST", at, {"next_batch": token})).refused(400, "M_INVALID_PARAM")


async def test_it_is_said_to_be_there(homeserver: Homeserver) -> None:
    answer = await homeserver.stranger().request("GET", "/_matrix/client/versions")
    assert answer.ok()["unstable_features"]["org.matrix.msc3814"] is True
