"""Tokens, reports, other servers, work in the background, numbers. Manual: admin API."""

from tests.admin.admin import Admin
from tests.api.asgi import in_room, part


async def test_version_without_token(admin: Admin) -> None:
    answer = await admin.ask("GET", "/v1/server_version", client=admin.server.stranger())
    assert set(answer.ok()) == {"server_version"}


async def test_registration_tokens(admin: Admin) -> None:
    path = "/v1/registration_tokens"
    assert await admin.get(path) == {"registration_tokens": []}
    made = await admin.post(path + "/new", {"token": "abc", "uses_allowed": 2})
    assert made == {"token": "abc", "uses_allowed": 2, "pending": 0, "completed": 0, "expiry_time": None}
    assert len((await admin.post(path + "/new", {"length": 5}))["token"]) == 5
    assert await admin.get(path + "/abc") == made
    assert (await admin.put(path + "/abc", {"uses_allowed": None}))["uses_allowed"] is None
    assert (await admin.put(path + "/abc", {"expiry_time": 9_999_999_999_999}))["uses_allowed"] is None
    assert (await admin.put(path + "/abc", {"uses_allowed": 0}))["expiry_time"] == 9_999_999_999_999
    assert [one["token"] for one in (await admin.get(path, {"valid": "false"}))["registration_tokens"]] == ["abc"]
    assert len((await admin.get(path, {"valid": "true"}))["registration_tokens"]) == 1
    assert await admin.delete(path + "/abc") == {}
    for method in ("GET", "PUT", "DELETE"):
        (await admin.ask(method, path + "/abc", {})).refused(404, "M_NOT_FOUND")
    for body in ({"token": "ä"}, {"length": 65}, {"uses_allowed": -1}, {"expiry_time": 5}, {"uses_allowed": 1 << 63}):
        assert (await admin.ask("POST", path + "/new", body)).status == 400, body


async def test_event_reports(admin: Admin) -> None:
    anna = await admin.server.register("anna")
    room_id = await anna.create_room(name="A room", preset="public_chat")
    await admin.client.act(room_id, "join")
    events = [await anna.say(room_id, f"bad {number}") for number in range(3)]
    for event_id in events:
        await admin.client.post(f"{in_room(room_id)}/report/{part(event_id)}", {"reason": "bad", "score": -5})
    listed = await admin.get("/v1/event_reports")
    assert listed["total"] == 3 and [one["event_id"] for one in listed["event_reports"]] == events[::-1]
    first = listed["event_reports"][-1]
    assert (first["name"], first["sender"], first["user_id"]) == ("A room", anna.user_id, admin.client.user_id)
    assert (first["reason"], first["score"]) == ("bad", -5)
    part_of = await admin.get("/v1/event_reports", {"limit": "2", "dir": "f"})
    assert [one["event_id"] for one in part_of["event_reports"]] == events[:2] and part_of["next_token"] == 2
    for query, count in (
        ({"user_id": "root"}, 3), ({"user_id": "anna"}, 0), ({"room_id": room_id[3:8]}, 3), ({"room_id": "none"}, 0),
        ({"event_sender_user_id": anna.user_id}, 3), ({"event_sender_user_id": "@x:y"}, 0),
    ):  # fmt: skip
        assert (await admin.get("/v1/event_reports", query))["total"] == count, query
    path = f"/v1/event_reports/{first['id']}"
    assert (await admin.get(path))["event_json"]["content"]["body"] == "bad 0"
    assert await admin.delete(path) == {}
    (await admin.ask("GET", path)).refused(404, "M_NOT_FOUND")
    (await admin.ask("DELETE", path)).refused(404, "M_NOT_FOUND")
    (await admin.ask("GET", "/v1/event_reports/x")).refused(400, "M_INVALID_PARAM")


async def test_destinations(admin: Admin) -> None:
    health = admin.server.server.federation.health
    for name in ("b.test", "a.test"):
        health.failed(name)
    await health.flush()
    path = "/v1/federation/destinations"
    listed = await admin.get(path, {"limit": "1"})
    assert (listed["total"], listed["next_token"]) == (2, "1")
    assert [one["destination"] for one in listed["destinations"]] == ["a.test"]
    assert (await admin.get(path, {"dir": "b"}))["destinations"][0]["destination"] == "b.test"
    assert (await admin.get(path, {"destination": "b."}))["total"] == 1
    for order in ("retry_last_ts", "retry_interval", "failure_ts", "last_successful_stream_ordering"):
        assert (await admin.get(path, {"order_by": order}))["total"] == 2
    assert (await admin.get(path + "/a.test"))["retry_interval"] > 0
    assert await admin.get(path + "/a.test/rooms") == {"rooms": [], "total": 0}
    assert await admin.post(path + "/a.test/reset_connection") == {}
    (await admin.ask("POST", path + "/a.test/reset_connection", {})).refused(400, "M_UNKNOWN")
    for further in ("", "/rooms"):
        (await admin.ask("GET", path + "/c.test" + further)).refused(404, "M_NOT_FOUND")


async def test_background_updates(admin: Admin) -> None:
    path = "/v1/background_updates"
    assert await admin.get(path + "/enabled") == {"enabled": True}
    assert await admin.post(path + "/enabled", {"enabled": False}) == {"enabled": False}
    assert (await admin.get(path + "/status"))["enabled"] is False
    await admin.post(path + "/enabled", {"enabled": True})
    assert await admin.post(path + "/start_job", {"job_name": "populate_stats_process_rooms"}) == {}
    (await admin.ask("POST", path + "/start_job", {"job_name": "none"})).refused(400, "M_UNKNOWN")
    await admin.until_updated()


async def test_statistics_and_single_events(admin: Admin) -> None:
    assert await admin.get("/v1/statistics/users/media") == {"users": [], "total": 0}
    assert (await admin.ask("GET", "/v1/statistics/users/media", from_ts="5", until_ts="4")).status == 400
    small, large = await admin.client.create_room(), await admin.client.create_room()
    event_id = await admin.client.say(large, "x" * 2000)
    rooms = (await admin.get("/v1/statistics/database/rooms"))["rooms"]
    assert [one["room_id"] for one in rooms] == [large, small] and rooms[0]["estimated_size"] > 2000
    event = (await admin.get(f"/v1/fetch_event/{part(event_id)}"))["event"]
    assert (event["event_id"], event["content"]["body"]) == (event_id, "x" * 2000)
    (await admin.ask("GET", "/v1/fetch_event/$none")).refused(404, "M_NOT_FOUND")
