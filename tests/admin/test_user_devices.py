"""Devices of users. Manual: admin API, "User devices"."""

from tests.admin.admin import Admin, user
from tests.api.asgi import Answer, part


async def test_list_make_rename_delete(admin: Admin) -> None:
    anna = await admin.server.register("anna")
    path = user("anna", v=2) + "/devices"
    listed = await admin.get(path)
    assert listed["total"] == 1 and listed["devices"][0]["user_id"] == anna.user_id
    first = listed["devices"][0]["device_id"]
    made = await admin.ask("POST", path, {"device_id": "NEW", "display_name": "new one"})
    assert (made.status, made.json) == (201, {})
    assert (await admin.ask("POST", path, {"device_id": "NEW"})).status == 201
    assert (await admin.get(path + "/NEW"))["display_name"] == "new one"
    assert await admin.put(path + "/NEW", {"display_name": "other"}) == {}
    assert (await admin.get(path + "/NEW"))["display_name"] == "other"
    assert await admin.delete(path + "/NEW") == {}
    (await admin.ask("GET", path + "/NEW")).refused(404, "M_NOT_FOUND")
    (await admin.ask("PUT", path + "/NEW", {"display_name": "x"})).refused(404, "M_NOT_FOUND")
    assert await admin.post(user("anna", v=2) + "/delete_devices", {"devices": [first, "NONE"]}) == {}
    assert (await anna.get("/account/whoami")).status == 401
    assert (await admin.get(path))["total"] == 0


async def test_what_is_refused(admin: Admin) -> None:
    path = user("root", v=2) + "/devices"
    (await admin.ask("POST", path, {})).refused(400, "M_MISSING_PARAM")
    (await admin.ask("POST", path, {"device_id": "a\0"})).refused(400, "M_INVALID_PARAM")
    (await admin.ask("DELETE", path + "/" + part("a\0"))).refused(400, "M_INVALID_PARAM")
    (await admin.ask("GET", path + "/" + part("a\0"))).refused(404, "M_NOT_FOUND")
    (await admin.ask("GET", user("nobody", v=2) + "/devices")).refused(404, "M_NOT_FOUND")
    (await admin.ask("GET", "/v2/users/@a:elsewhere.test/devices")).refused(400, "M_INVALID_PARAM")


async def test_replace_keys_without_proof(admin: Admin) -> None:
    path = user("root") + "/_allow_cross_signing_replacement_without_uia"
    (await admin.ask("POST", path, {})).refused(404, "M_NOT_FOUND")
    assert (await upload(admin, "a" * 43)).status == 200
    assert (await upload(admin, "b" * 43)).status == 401
    until = (await admin.post(path))["updatable_without_uia_before_ms"]
    assert until > admin.server.server.users.sessions._clock.now_ms()
    assert (await upload(admin, "b" * 43)).status == 200
    assert (await upload(admin, "c" * 43)).status == 401


async def upload(admin: Admin, public_key: str) -> Answer:
    key = {"user_id": admin.client.user_id, "usage": ["master"], "keys": {f"ed25519:{public_key}": public_key}}
    return await admin.client.post("/keys/device_signing/upload", {"master_key": key})
