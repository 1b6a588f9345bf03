"""Devices of other servers' users during the resync: what is kept of them, and what is told. Scenarios 10, 11, 39 to 48."""

from typing import Any

from ranvier.proto.ids import domain_of
from ranvier.proto.signing import SigningKey, sign_json
from ranvier.proto.unpadded_base64 import encode_base64
from tests.faster_joins.room import MEMBER, ScriptedRoom
from tests.faster_joins.stage import CHARLIE, DEREK, ELSIE, Stage, staged

FAY = "@fay:new.test"
SEED = bytes(range(32))


def device(user_id: str, device_id: str = "DEVICE") -> dict[str, Any]:
    """A device with its keys, as `/user/devices` has them."""
    key = SigningKey(f"ed25519:{device_id}", SEED)
    unsigned = {
        "user_id": user_id,
        "device_id": device_id,
        "algorithms": ["m.olm.v1.curve25519-aes-sha2"],
        "keys": {f"ed25519:{device_id}": encode_base64(key.public_key), f"curve25519:{device_id}": encode_base64(SEED)},
    }
    return {"device_id": device_id, "keys": sign_json(unsigned, user_id, key)}


def publish(s: Stage, user_id: str, *device_ids: str, stream_id: int = 1) -> None:
    """The user's server has these devices to tell."""
    devices = [device(user_id, device_id) for device_id in device_ids or ("DEVICE",)]
    server = s.server(domain_of(user_id))
    server.devices[user_id] = {"user_id": user_id, "stream_id": stream_id, "devices": devices}


async def query(s: Stage, user_id: str) -> list[str]:
    """The devices that alice is told of."""
    answer = (await s.alice.post("/keys/query", {"device_keys": {user_id: []}})).ok()
    return sorted(answer["device_keys"].get(user_id, {}))


async def costs(s: Stage, user_id: str) -> int:
    """How many requests to the user's server it takes to tell alice the devices."""
    server = s.server(domain_of(user_id))
    before = len(server.asked("user"))
    assert await query(s, user_id) == ["DEVICE"]
    return len(server.asked("user")) - before


async def is_tracked(s: Stage, user_id: str) -> bool:
    """Whether the devices are kept here: when they have been asked for, nobody is asked again."""
    await costs(s, user_id)
    return await costs(s, user_id) == 0


def update(user_id: str, device_id: str = "DEVICE", stream_id: int = 2, prev: int = 1) -> tuple[str, dict[str, Any]]:
    """The news of a device list."""
    content = {"user_id": user_id, "device_id": device_id, "stream_id": stream_id, "prev_id": [prev]}
    return "m.device_list_update", {**content, "keys": device(user_id, device_id)["keys"]}


async def changed(s: Stage, since: str, *, lazy: bool = True) -> list[str]:
    found: list[str] = (await s.sync(lazy=lazy, since=since))["device_lists"]["changed"]
    return found


@staged()
async def test_scenario_10_can_receive_device_list_updates(s: Stage) -> None:
    room = s.room()
    publish(s, DEREK)
    await s.join_partially(room)
    since = (await s.sync(lazy=True))["next_batch"]
    publish(s, DEREK, "DEVICE", "OTHER", stream_id=2)
    await s.resident.send(edus=[update(DEREK, "OTHER")])
    await s.tell(room.say("still here", sender=DEREK))
    s.release()
    await s.until_full(room)
    await s.pause()
    assert DEREK in await changed(s, since)
    assert await query(s, DEREK) == ["DEVICE", "OTHER"]


@staged()
async def test_scenario_11_can_receive_signing_key_updates(s: Stage) -> None:
    room = s.room()
    publish(s, DEREK)
    await s.join_partially(room)
    since = (await s.sync(lazy=True))["next_batch"]
    key = SigningKey("ed25519:" + encode_base64(SigningKey("ed25519:x", SEED).public_key), SEED)
    master = {
        "user_id": DEREK,
        "usage": ["master"],
        "keys": {f"ed25519:{encode_base64(key.public_key)}": encode_base64(key.public_key)},
    }
    await s.resident.send(edus=[("m.signing_key_update", {"user_id": DEREK, "master_key": master})])
    await s.tell(room.say("still here", sender=DEREK))
    s.release()
    await s.until_full(room)
    await s.pause()
    assert DEREK in await changed(s, since)


@staged()
async def test_scenario_39_members_from_before_are_tracked_when_they_are_known(s: Stage) -> None:
    room = s.room()
    publish(s, DEREK)
    await s.join_partially(room)
    assert not await is_tracked(s, DEREK)
    s.release()
    await s.until_full(room)
    assert await is_tracked(s, DEREK)


@staged()
async def test_scenario_40_a_member_from_before_who_shares_another_room_is_tracked(s: Stage) -> None:
    room = s.room()
    publish(s, DEREK)
    await s.join_partially(room)
    assert not await is_tracked(s, DEREK)
    s.resident.answers_in_full = True
    other = s.room()
    await s.join(other)
    assert await s.partial(other) is None
    assert await is_tracked(s, DEREK)
    assert await s.partial(room) is not None
    s.release()
    await s.until_full(room)
    assert await is_tracked(s, DEREK)


async def _comes_in(s: Stage, room: ScriptedRoom) -> None:
    publish(s, FAY)
    await s.join_partially(room)
    await s.tell(room.member(FAY, "join"))


@staged()
async def test_scenario_41_new_members_are_tracked(s: Stage) -> None:
    room = s.room()
    await _comes_in(s, room)
    assert await is_tracked(s, FAY)
    s.release()
    await s.until_full(room)
    assert await costs(s, FAY) == 0


@staged()
async def test_scenario_42_new_members_who_leave_are_not_tracked(s: Stage) -> None:
    room = s.room()
    await _comes_in(s, room)
    assert await is_tracked(s, FAY)
    await s.tell(room.member(FAY, "leave"))
    assert not await is_tracked(s, FAY)
    s.release()
    await s.until_full(room)
    assert not await is_tracked(s, FAY)


@staged()
async def test_scenario_43_when_the_room_is_left_nobody_is_tracked(s: Stage) -> None:
    room = s.room()
    publish(s, DEREK)
    await _comes_in(s, room)
    assert await is_tracked(s, FAY)
    (await s.alice.act(room.room_id, "leave")).ok()
    await s.pause()
    assert not await is_tracked(s, FAY)
    assert not await is_tracked(s, DEREK)


@staged(faster_joins={"give_up_after": "1h"})
async def test_scenario_44_when_the_join_fails_in_the_end_nobody_is_tracked(s: Stage) -> None:
    room = s.room()
    publish(s, DEREK)
    for server in (s.resident, s.server("new.test")):
        server.refuse("state", 404, "M_NOT_FOUND")
        server.refuse("state_ids", 404, "M_NOT_FOUND")
    await _comes_in(s, room)
    s.release()
    await s.pause(2 * 3600)
    assert (await s.alice.get("/joined_rooms")).ok()["joined_rooms"] == []
    assert not await is_tracked(s, FAY)
    assert not await is_tracked(s, DEREK)


async def believed(s: Stage) -> ScriptedRoom:
    """Elsie was banned before the join, and came back by a join that is allowed only as long as nobody knows that."""
    room = s.room(members=[DEREK, ELSIE])
    publish(s, ELSIE)
    before = dict(room.state)
    room.member(ELSIE, "ban", by=CHARLIE)
    await s.join_partially(room)
    content = {"membership": "join", "displayname": "Elsie"}
    back = room.forge(MEMBER, content, sender=ELSIE, state_key=ELSIE, state=before)
    await s.tell(back)
    assert (await s.state_ids(room))[MEMBER, ELSIE] == back.event_id
    assert await is_tracked(s, ELSIE)
    return room


@staged()
async def test_scenario_45_who_was_wrongly_believed_in_the_room_is_not_tracked_in_the_end(s: Stage) -> None:
    room = await believed(s)
    s.release()
    await s.until_full(room)
    await s.pause()
    assert not await is_tracked(s, ELSIE)


@staged()
async def test_scenario_46_who_was_wrongly_believed_and_comes_back_before_the_end_is_tracked(s: Stage) -> None:
    room = await believed(s)
    await s.tell(room.member(ELSIE, "leave", by=CHARLIE), room.member(ELSIE, "join"))
    publish(s, ELSIE, "DEVICE", stream_id=9)
    s.release()
    await s.until_full(room)
    await s.pause()
    assert await is_tracked(s, ELSIE)


@staged()
async def test_scenario_47_who_was_wrongly_believed_and_comes_back_later_is_asked_for_anew(s: Stage) -> None:
    room = await believed(s)
    s.release()
    await s.until_full(room)
    await s.pause()
    publish(s, ELSIE, "DEVICE", "LATER", stream_id=9)
    await s.tell(room.member(ELSIE, "leave", by=CHARLIE), room.member(ELSIE, "join"))
    assert await query(s, ELSIE) == ["DEVICE", "LATER"]


@staged()
async def test_scenario_48_who_was_wrongly_believed_and_shares_another_room_is_tracked(s: Stage) -> None:
    room = await believed(s)
    s.resident.answers_in_full = True
    other = s.room(members=[ELSIE])
    await s.join(other)
    s.release()
    await s.until_full(room)
    await s.pause()
    assert await is_tracked(s, ELSIE)
