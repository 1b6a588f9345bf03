"""Room tags. Spec: client-server API, "Room Tagging"."""

import asyncio

import pytest

from tests.api.asgi import Answer, Client, part
from tests.api.device import Device

ROOM = "!room:ranvier.test"


def path(client: Client, tag: str | None = None, room_id: str = ROOM) -> str:
    tags = f"/user/{part(client.user_id)}/rooms/{part(room_id)}/tags"
    return tags if tag is None else f"{tags}/{part(tag)}"


async def remove(client: Client, tag: str) -> Answer:
    return await client.request("DELETE", f"/_matrix/client/v3{path(client, tag)}")


async def test_tags_come_and_go(alice: Client) -> None:
    assert (await alice.get(path(alice))).ok() == {"tags": {}}
    assert (await alice.put(path(alice, "m.favourite"), {"order": 0.25})).ok() == {}
    (await alice.put(path(alice, "u.tea/time"), {})).ok()
    assert (await alice.get(path(alice))).ok() == {"tags": {"m.favourite": {"order": 0.25}, "u.tea/time": {}}}
    (await alice.put(path(alice, "m.favourite"), {"order": 1, "x": "y"})).ok()
    assert (await remove(alice, "u.tea/time")).ok() == {}
    assert (await remove(alice, "u.tea/time")).ok() == {}
    assert (await alice.get(path(alice))).ok() == {"tags": {"m.favourite": {"order": 1, "x": "y"}}}


async def test_sync_tells_of_changes(alice: Client) -> None:
    room_id = await alice.create_room()
    device = Device(alice)
    await device.settle()
    (await alice.put(path(alice, "u.work", room_id), {"order": 0.5})).ok()
    section = await device.joined(room_id)
    assert section["account_data"]["events"] == [{"type": "m.tag", "content": {"tags": {"u.work": {"order": 0.5}}}}]
    (await alice.put(path(alice, "u.work", room_id), {"order": 0.5})).ok()
    assert "rooms" not in await device.sync()


async def test_they_are_account_data(alice: Client) -> None:
    account_data = f"/user/{part(alice.user_id)}/rooms/{part(ROOM)}/account_data/m.tag"
    (await alice.put(path(alice, "u.a"), {})).ok()
    assert (await alice.get(account_data)).ok() == {"tags": {"u.a": {}}}
    for content in ({"tags": 5}, {}):
        (await alice.put(account_data, content)).ok()
        assert (await alice.get(path(alice))).ok() == {"tags": {}}
        (await alice.put(path(alice, "u.b"), {})).ok()
        assert (await alice.get(path(alice))).ok() == {"tags": {"u.b": {}}}


async def test_tags_that_are_set_at_once_are_all_kept(alice: Client) -> None:
    await asyncio.gather(*(alice.put(path(alice, f"u.{n}"), {}) for n in range(10)))
    assert len((await alice.get(path(alice))).ok()["tags"]) == 10


async def test_others_have_no_access(alice: Client, bob: Client) -> None:
    (await bob.get(path(alice))).refused(403, "M_FORBIDDEN")
    (await bob.put(path(alice, "u.a"), {})).refused(403, "M_FORBIDDEN")
    (await bob.request("DELETE", f"/_matrix/client/v3{path(alice, 'u.a')}")).refused(403, "M_FORBIDDEN")


@pytest.mark.parametrize(
    ("tag", "body", "errcode"),
    [("x" * 256, {}, "M_INVALID_PARAM"), ("u.a", {"order": "first"}, "M_BAD_JSON"), ("u.a", [], "M_BAD_JSON")],
)
async def test_malformed_tags_are_refused(alice: Client, tag: str, body: object, errcode: str) -> None:
    (await alice.put(path(alice, tag), body)).refused(400, errcode)


async def test_rooms_have_ids(alice: Client) -> None:
    (await alice.get(path(alice, room_id="room"))).refused(400, "M_INVALID_PARAM")
