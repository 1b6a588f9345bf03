"""What shadow-banned users do is answered as done, and nobody sees it. Manual: admin API, "Controlling whether a user is
shadow-banned".
"""

import pytest

from tests.admin.admin import Admin, user
from tests.api.asgi import Client, in_room, part


async def told(client: Client, room_id: str) -> list[tuple[str, str]]:
    """Types and senders of everything in the room after its creation."""
    chunk = (await client.get(f"{in_room(room_id)}/messages", dir="f", limit="100")).ok()["chunk"]
    return [(one["type"], one["sender"]) for one in chunk]


async def test_their_words_go_nowhere(admin: Admin) -> None:
    troll, anna = await admin.server.register("troll"), await admin.server.register("anna")
    carl, dora = await admin.server.register("carl"), await admin.server.register("dora")
    room_id = await anna.create_room(preset="public_chat")
    await troll.act(room_id, "join")
    await carl.act(room_id, "join")
    await anna.set_state(room_id, "m.room.power_levels", {"users": {anna.user_id: 100, troll.user_id: 100}})
    event_id = await troll.say(room_id, "before")
    assert await admin.post(user("troll") + "/shadow_ban") == {}
    before = await told(anna, room_id)

    said = (await troll.send(room_id, "m.room.message", {"body": "x"}, txn_id="one")).ok()["event_id"]
    assert said.startswith("$") and (await troll.send(room_id, "m.room.message", {"body": "x"}, txn_id="one")).ok() == {
        "event_id": said
    }
    assert (await troll.redact(room_id, event_id)).status == 200
    assert (await troll.set_state(room_id, "m.room.topic", {"topic": "x"})).ok()["event_id"].startswith("$")
    for act in ("kick", "ban"):
        (await troll.act(room_id, act, user_id=carl.user_id)).ok()
    (await troll.act(room_id, "invite", user_id=dora.user_id)).ok()
    await troll.put(f"/profile/{part(troll.user_id)}/displayname", {"displayname": "Worse"})
    (await troll.put(f"{in_room(room_id)}/typing/{part(troll.user_id)}", {"typing": True})).ok()
    own = await troll.create_room(invite=[dora.user_id])

    assert await told(anna, room_id) == before
    assert (await dora.get("/sync")).ok().get("rooms", {}).get("invite", {}) == {}
    assert (await anna.get("/joined_rooms")).ok()["joined_rooms"] == [room_id]
    assert own in (await troll.get("/joined_rooms")).ok()["joined_rooms"]
    rooms = admin.server.server.rooms
    assert rooms.ephemeral.typing.in_room((await rooms.rooms.get(room_id)).room_nid) == []


async def test_what_is_forbidden_stays_so_and_they_may_leave(admin: Admin) -> None:
    troll, anna = await admin.server.register("troll"), await admin.server.register("anna")
    room_id = await anna.create_room(preset="public_chat")
    await admin.post(user("troll") + "/shadow_ban")
    (await troll.send(room_id, "m.room.message", {})).refused(403, "M_FORBIDDEN")
    (await troll.act(room_id, "join")).ok()
    (await troll.set_state(room_id, "m.room.topic", {"topic": "x"})).refused(403, "M_FORBIDDEN")
    (await troll.act(room_id, "kick", user_id=anna.user_id)).refused(403, "M_FORBIDDEN")
    (await troll.set_state(room_id, "m.room.member", {"membership": "leave"}, troll.user_id)).ok()
    assert (await troll.get("/joined_rooms")).ok()["joined_rooms"] == []
    assert (await admin.get(user("troll", v=2)))["shadow_banned"] is True


async def test_they_are_heard_again(admin: Admin) -> None:
    troll = await admin.server.register("troll")
    room_id = await troll.create_room()
    await admin.post(user("troll") + "/shadow_ban")
    await troll.say(room_id, "nobody hears")
    assert await admin.delete(user("troll") + "/shadow_ban") == {}
    await troll.say(room_id, "everybody hears")
    assert [kind for kind, _ in await told(troll, room_id)].count("m.room.message") == 1
    (await admin.ask("POST", "/v1/users/@a:elsewhere.test/shadow_ban", {})).refused(400, "M_INVALID_PARAM")


async def test_nobody_sees_them_read(admin: Admin) -> None:
    troll, anna = await admin.server.register("troll"), await admin.server.register("anna")
    room_id = await anna.create_room(preset="public_chat")
    await troll.act(room_id, "join")
    event_id = await anna.say(room_id, "hello")
    await admin.post(user("troll") + "/shadow_ban")
    (await troll.post(f"{in_room(room_id)}/receipt/m.read/{part(event_id)}")).ok()
    (await troll.post(f"{in_room(room_id)}/read_markers", {"m.fully_read": event_id, "m.read": event_id})).ok()
    assert troll.user_id not in str((await anna.get("/sync")).ok()["rooms"]["join"][room_id]["ephemeral"])
    # They have read it all the same.
    room = (await troll.get("/sync")).ok()["rooms"]["join"][room_id]
    assert room["unread_notifications"]["notification_count"] == 0
    assert troll.user_id in str(room["ephemeral"])


async def test_nobody_sees_them_present(admin: Admin) -> None:
    troll, anna = await admin.server.register("troll"), await admin.server.register("anna")
    room_id = await anna.create_room(preset="public_chat")
    await troll.act(room_id, "join")
    await admin.post(user("troll") + "/shadow_ban")
    path = f"/presence/{part(troll.user_id)}/status"
    before = (await anna.get(path)).ok()
    (await troll.put(path, {"presence": "unavailable", "status_msg": "Read this"})).ok()
    (await troll.get("/sync")).ok()
    assert (await anna.get(path)).ok() == before == {"presence": "offline"}
    assert troll.user_id not in str((await anna.get("/sync")).ok().get("presence", {}))


@pytest.mark.parametrize("version", ["10", "12"])
async def test_they_lead_nobody_into_another_room(admin: Admin, version: str) -> None:
    troll, anna = await admin.server.register("troll"), await admin.server.register("anna")
    room_id = await troll.create_room(preset="public_chat", room_alias_name="ours", room_version="10")
    await anna.act(room_id, "join")
    hers = await anna.create_room(preset="public_chat")
    await troll.act(hers, "join")
    await admin.post(user("troll") + "/shadow_ban")
    before = await told(anna, room_id)
    new_id = (await troll.post(f"{in_room(room_id)}/upgrade", {"new_version": version})).ok()["replacement_room"]
    assert new_id.startswith("!") and new_id != room_id and (":" in new_id) == (version == "10")
    assert await told(anna, room_id) == before
    assert (await anna.get(f"/directory/room/{part('#ours:ranvier.test')}")).ok()["room_id"] == room_id
    assert await admin.server.db.value("SELECT COUNT(*) FROM rooms") == 2
    (await troll.post(f"{in_room(hers)}/upgrade", {"new_version": version})).refused(403, "M_FORBIDDEN")
