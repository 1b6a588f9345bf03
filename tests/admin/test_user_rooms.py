"""What users do: rooms, data, counts; and redacting it all. Manual: admin API, "User Admin API"."""

import asyncio
from typing import Any

from tests.admin.admin import Admin, user
from tests.api.asgi import Client, part


async def test_rooms_and_memberships(admin: Admin) -> None:
    anna, bea = await admin.server.register("anna"), await admin.server.register("bea")
    one, two = await anna.create_room(), await anna.create_room(invite=[bea.user_id])
    await anna.act(one, "leave")
    assert await admin.get(user("anna") + "/joined_rooms") == {"joined_rooms": [two], "total": 1}
    assert await admin.get(user("anna") + "/memberships") == {"memberships": {one: "leave", two: "join"}}
    assert await admin.get(user("bea") + "/memberships") == {"memberships": {two: "invite"}}
    assert await admin.get("/v1/users/@a:elsewhere.test/joined_rooms") == {"joined_rooms": [], "total": 0}
    (await admin.ask("GET", user("nobody") + "/memberships")).refused(404, "M_NOT_FOUND")


async def test_counts(admin: Admin) -> None:
    anna, bea = await admin.server.register("anna"), await admin.server.register("bea")
    one = await anna.create_room(invite=[bea.user_id])
    await anna.create_room(invite=[bea.user_id, admin.client.user_id])
    await bea.act(one, "join")
    await bea.act(one, "leave")
    assert await admin.get(user("anna") + "/sent_invite_count", {"from_ts": "0"}) == {"invite_count": 3}
    assert await admin.get(user("bea") + "/sent_invite_count", {"from_ts": "0"}) == {"invite_count": 0}
    assert await admin.get(user("anna") + "/sent_invite_count", {"from_ts": "9" * 15}) == {"invite_count": 0}
    path = "/cumulative_joined_room_count"
    assert await admin.get(user("anna") + path, {"from_ts": "0"}) == {"cumulative_joined_room_count": 2}
    assert await admin.get(user("bea") + path, {"from_ts": "0"}) == {"cumulative_joined_room_count": 1}
    assert await admin.get(user("bea") + path, {"from_ts": "9" * 15}) == {"cumulative_joined_room_count": 0}
    (await admin.ask("GET", user("anna") + path)).refused(400, "M_MISSING_PARAM")


async def test_account_data_pushers_and_media(admin: Admin) -> None:
    anna = await admin.server.register("anna")
    room_id = await anna.create_room()
    await anna.put(f"/user/{part(anna.user_id)}/account_data/org.test", {"a": 1})
    await anna.put(f"/user/{part(anna.user_id)}/rooms/{part(room_id)}/account_data/org.test", {"b": 2})
    kept = (await admin.get(user("anna") + "/accountdata"))["account_data"]
    assert kept == {"global": {"org.test": {"a": 1}}, "rooms": {room_id: {"org.test": {"b": 2}}}}
    assert await admin.get(user("anna") + "/pushers") == {"pushers": [], "total": 0}
    assert await admin.get(user("anna") + "/media") == {"media": [], "total": 0}
    assert await admin.delete(user("anna") + "/media") == {"deleted_media": [], "total": 0}
    assert "devices" in await admin.get("/v1/whois/@anna:ranvier.test")


async def finished(admin: Admin, redact_id: str) -> Any:
    while True:
        status = await admin.get(f"/v1/user/redact_status/{redact_id}")
        if status["status"] in ("complete", "failed"):
            return status
        await asyncio.sleep(0.01)


async def bodies(client: Client, room_id: str) -> list[str | None]:
    found = (await client.get(f"/rooms/{part(room_id)}/messages", dir="f", limit="100")).ok()["chunk"]
    return [one["content"].get("body") for one in found if one["type"] == "m.room.message"]


async def test_redact_everything_of_a_user(admin: Admin) -> None:
    anna, bea = await admin.server.register("anna"), await admin.server.register("bea")
    rooms = [await bea.create_room(preset="public_chat") for _ in range(2)]
    for room_id in rooms:
        await anna.act(room_id, "join")
        await anna.say(room_id, "spam")
        await bea.say(room_id, "ham")
    path = "/v1/user/@anna:ranvier.test/redact"
    only = (await admin.post(path, {"rooms": [rooms[0]], "reason": "no"}))["redact_id"]
    assert await finished(admin, only) == {"status": "complete", "failed_redactions": {}, "error": None}
    assert await bodies(bea, rooms[0]) == [None, "ham"]
    assert await bodies(bea, rooms[1]) == ["spam", "ham"]
    await finished(admin, (await admin.post(path, {"rooms": [], "limit": 1}))["redact_id"])
    assert await bodies(bea, rooms[1]) == [None, "ham"]
    state = (await anna.get(f"/rooms/{part(rooms[0])}/joined_members")).ok()
    assert anna.user_id in state["joined"]
    tasks = (await admin.get("/v1/scheduled_tasks", {"resource_id": anna.user_id}))["scheduled_tasks"]
    assert [(task["action"], task["status"]) for task in tasks] == [("redact_all_events", "complete")] * 2
    assert (await admin.get("/v1/scheduled_tasks", {"status": "failed"}))["scheduled_tasks"] == []
    (await admin.ask("GET", "/v1/user/redact_status/none")).refused(404, "M_NOT_FOUND")


async def test_redacting_by_who_may_not(admin: Admin) -> None:
    anna = await admin.server.register("anna")
    room_id = await anna.create_room()
    event_id = await anna.say(room_id, "mine")
    path = "/v1/user/@anna:ranvier.test/redact"
    redact_id = (await admin.post(path, {"rooms": [room_id], "use_admin": True}))["redact_id"]
    assert event_id in (await finished(admin, redact_id))["failed_redactions"]
    assert await bodies(anna, room_id) == ["mine"]


async def test_redacting_goes_on_after_a_restart(admin: Admin) -> None:
    anna = await admin.server.register("anna")
    room_id = await anna.create_room()
    await anna.say(room_id, "mine")
    path = "/v1/user/@anna:ranvier.test/redact"
    redact_id = (await admin.post(path, {"rooms": [room_id], "before_ts": 5}))["redact_id"]
    await finished(admin, redact_id)
    assert await bodies(anna, room_id) == ["mine"]
    async with admin.server.db.write() as tx:
        changed = """UPDATE scheduled_tasks SET status = 'active', params = $1"""
        await tx.run(
            changed,
            b'{"rooms":[],"redactor":"@anna:ranvier.test","reason":null,"limit":9,"after_ts":null,"before_ts":null}',
        )
    tasks = admin.server.server.admin.tasks
    running = asyncio.create_task(tasks.run())
    assert (await finished(admin, redact_id))["status"] == "complete"
    running.cancel()
    assert await bodies(anna, room_id) == [None]
