"""Accounts: listed, read, made, changed, closed. Manual: admin API, "User Admin API"."""

import pytest

from tests.admin.admin import Admin, user
from tests.api.asgi import Answer, Client

Names = list[str]


async def names(admin: Admin, path: str = "/v2/users", **query: str | list[str]) -> Names:
    found = await admin.get(path, query)
    return [one["name"].partition(":")[0][1:] for one in found["users"]]


@pytest.fixture
async def people(admin: Admin) -> Admin:
    """anna, Berta (called Zoë), carl (deactivated), dora (locked), a guest, a bot, and root."""
    server = admin.server
    for name in ("anna", "berta", "carl", "dora"):
        await server.register(name)
    await server.register("", is_guest=True)
    await admin.put(user("berta", v=2), {"displayname": "Zoë Ober", "avatar_url": "mxc://ranvier.test/b"})
    await admin.post("/v1/deactivate/@carl:ranvier.test")
    await admin.put(user("dora", v=2), {"locked": True})
    assert (await admin.ask("PUT", user("robot", v=2), {"user_type": "bot"})).status == 201
    return admin


async def test_nobody_else_may_ask(admin: Admin) -> None:
    anna = await admin.server.register("anna")
    for method, path in (("GET", "/v2/users"), ("PUT", user("root", v=2)), ("GET", "/v1/registration_tokens")):
        (await admin.ask(method, path, {}, client=anna)).refused(403, "M_FORBIDDEN")
        (await admin.ask(method, path, {}, client=admin.server.stranger())).refused(401, "M_MISSING_TOKEN")


async def test_list_and_its_filters(people: Admin) -> None:
    assert await names(people, guests="false") == ["anna", "berta", "robot", "root"]
    assert "carl" in await names(people, deactivated="true")
    assert "dora" in await names(people, locked="true")
    assert await names(people, "/v3/users", deactivated="true") == ["carl"]
    assert "carl" in await names(people, "/v3/users")
    assert "carl" not in await names(people, "/v3/users", deactivated="false")
    assert await names(people, admins="true") == ["root"]
    assert "root" not in await names(people, admins="false")
    assert await names(people, not_user_type=["", "support"]) == ["robot"]
    assert "robot" not in await names(people, not_user_type="bot")
    assert await names(people, name="zoë") == ["berta"]
    assert await names(people, name="ERT") == ["berta"]
    assert await names(people, user_id="@ann") == ["anna"]
    assert await names(people, name="%") == []
    assert await names(people, name="\0") == []
    assert (await people.ask("GET", "/v2/users", order_by="height")).status == 400
    assert (await people.ask("GET", "/v2/users", limit="-1")).status == 400
    assert (await people.ask("GET", f"/v2/users?from={1 << 70}")).status == 400


async def test_list_in_any_order_and_in_parts(people: Admin) -> None:
    everyone = await names(people, guests="false")
    assert await names(people, guests="false", dir="b") == everyone[::-1]
    assert (await names(people, order_by="displayname", name="r", guests="false"))[-1] == "root"
    for order in ("is_guest", "admin", "user_type", "deactivated", "shadow_banned", "avatar_url", "creation_ts"):
        assert sorted(await names(people, guests="false", order_by=order)) == everyone
    assert await names(people, guests="false", order_by="admin", dir="b", limit="1") == ["root"]
    assert sorted(await names(people, guests="false", order_by="last_seen_ts")) == everyone
    first = await people.get("/v2/users", {"guests": "false", "limit": "3"})
    assert (first["total"], first["next_token"]) == (4, "3")
    rest = await people.get("/v2/users", {"guests": "false", "from": first["next_token"]})
    assert [one["name"] for one in rest["users"]] == ["@root:ranvier.test"] and "next_token" not in rest


async def test_the_names_of_old_accounts_are_found(people: Admin) -> None:
    async with people.server.db.write() as tx:
        await tx.run("UPDATE profiles SET listed = 0, displayname = NULL, folded = NULL")
    people.server.server.users.administration._is_listed = False
    assert await names(people, name="zoë") == ["berta"]


async def test_details(people: Admin) -> None:
    berta = await people.get(user("berta", v=2))
    assert berta["displayname"] == "Zoë Ober" and berta["creation_ts"] > 1_600_000_000_000
    assert (berta["admin"], berta["is_guest"], berta["threepids"], berta["external_ids"]) == (False, False, [], [])
    assert (await people.get(user("carl", v=2)))["deactivated"] is True
    assert (await people.get(user("dora", v=2)))["locked"] is True
    (await people.ask("GET", user("nobody", v=2))).refused(404, "M_NOT_FOUND")
    (await people.ask("GET", "/v2/users/@a:elsewhere.test")).refused(400, "M_INVALID_PARAM")


async def test_make_and_change_an_account(admin: Admin) -> None:
    body = {"password": "correct horse", "displayname": "Emil", "admin": True}
    answer = await admin.ask("PUT", user("emil", v=2), body)
    assert (answer.status, answer.json["displayname"], answer.json["admin"]) == (201, "Emil", True)
    assert (await log_in(admin, "emil", "correct horse")).status == 200
    identities = {
        "threepids": [{"medium": "email", "address": "emil@example.org"}],
        "external_ids": [{"auth_provider": "oidc-x", "external_id": "a/b"}],
    }
    changed = await admin.put(user("emil", v=2), {**identities, "password": "other horse", "admin": False})
    assert changed["threepids"][0]["address"] == "emil@example.org" and changed["admin"] is False
    assert changed["external_ids"] == [{"auth_provider": "oidc-x", "external_id": "a/b"}]
    assert (await log_in(admin, "emil", "correct horse")).status == 403
    assert (await log_in(admin, "emil", "other horse")).status == 200
    found = await admin.get("/v1/threepid/email/users/emil%40example.org")
    assert found == await admin.get("/v1/auth_providers/oidc-x/users/a%2Fb") == {"user_id": "@emil:ranvier.test"}
    (await admin.ask("GET", "/v1/threepid/email/users/x%40example.org")).refused(404, "M_NOT_FOUND")
    (await admin.ask("GET", "/v1/auth_providers/oidc-x/users/c")).refused(404, "M_NOT_FOUND")
    await admin.ask("PUT", user("fritz", v=2), {})
    assert (await admin.ask("PUT", user("fritz", v=2), identities)).status == 409


@pytest.mark.parametrize(
    "body",
    [
        {"displayname": 1}, {"admin": "yes"}, {"user_type": "king"}, {"password": ""}, {"threepids": [{"medium": "x"}]},
        {"threepids": [{"medium": "pigeon", "address": "a"}]}, {"external_ids": [{"auth_provider": "", "external_id": "a"}]},
        {"avatar_url": "https://x"}, {"deactivated": True, "password": "a long one"}, {"admin": False}, [],
    ],
)  # fmt: skip
async def test_what_an_account_cannot_be(admin: Admin, body: object) -> None:
    before = await admin.get(user("root", v=2))
    assert (await admin.ask("PUT", user("root", v=2), body)).status == 400
    assert before == await admin.get(user("root", v=2))


async def test_what_cannot_be_an_account(admin: Admin) -> None:
    for name in ("Emil", "a b", ""):
        assert (await admin.ask("PUT", "/v2/users/@" + name.replace(" ", "%20") + ":ranvier.test", {})).status in (
            400,
            404,
        )
    assert (await admin.ask("PUT", user("emil", v=2), {"deactivated": True})).status == 400


async def test_deactivate_erase_and_bring_back(admin: Admin) -> None:
    anna = await admin.server.register("anna")
    room_id = await anna.create_room(preset="public_chat")
    await admin.put(user("anna", v=2), {"threepids": [{"medium": "email", "address": "a@example.org"}]})
    assert await admin.post("/v1/deactivate/@anna:ranvier.test", {"erase": True}) == {
        "id_server_unbind_result": "success"
    }
    gone = await admin.get(user("anna", v=2))
    assert (gone["deactivated"], gone["erased"], gone["threepids"]) == (True, True, [])
    assert (await anna.get("/account/whoami")).status == 401
    assert await admin.get(user("anna") + "/memberships") == {"memberships": {room_id: "leave"}}
    (await admin.ask("POST", "/v1/reset_password/@anna:ranvier.test", {"new_password": "x"})).refused(400, "M_UNKNOWN")
    back = await admin.put(user("anna", v=2), {"deactivated": False, "password": "a new horse"})
    assert (back["deactivated"], back["erased"]) == (False, False)
    assert (await log_in(admin, "anna", "a new horse")).status == 200
    (await admin.ask("POST", "/v1/deactivate/@nobody:ranvier.test", {})).refused(404, "M_NOT_FOUND")


async def test_reset_password(admin: Admin) -> None:
    anna = await admin.server.register("anna")
    path = "/v1/reset_password/@anna:ranvier.test"
    assert await admin.post(path, {"new_password": "another", "logout_devices": False}) == {}
    assert (await anna.get("/account/whoami")).status == 200
    await admin.post(path, {"new_password": "a third"})
    assert (await anna.get("/account/whoami")).status == 401
    assert (await log_in(admin, "anna", "a third")).status == 200
    (await admin.ask("POST", path, {})).refused(400, "M_BAD_JSON")


async def test_administrators(admin: Admin) -> None:
    anna = await admin.server.register("anna")
    assert await admin.get(user("anna") + "/admin") == {"admin": False}
    assert await admin.put(user("anna") + "/admin", {"admin": True}) == {}
    assert (await admin.ask("GET", user("root") + "/admin", client=anna)).ok() == {"admin": True}
    assert (await admin.ask("PUT", user("root") + "/admin", {"admin": False})).status == 400
    (await admin.ask("GET", user("nobody") + "/admin")).refused(404, "M_NOT_FOUND")


async def test_act_as_a_user(admin: Admin) -> None:
    anna = await admin.server.register("anna")
    token = (await admin.post(user("anna") + "/login"))["access_token"]
    puppet = Client(admin.server.app, token=token, user_id=anna.user_id)
    assert (await puppet.get("/account/whoami")).ok() == {"user_id": anna.user_id, "is_guest": False}
    assert (await admin.get(user("anna", v=2) + "/devices"))["total"] == 1
    assert (await admin.ask("POST", user("root") + "/login", {})).status == 400
    assert (await admin.ask("POST", user("anna") + "/login", {"valid_until_ms": 5})).status == 400
    (await admin.ask("POST", user("nobody") + "/login", {})).refused(404, "M_NOT_FOUND")
    await admin.post("/v1/deactivate/@anna:ranvier.test")
    (await puppet.get("/account/whoami")).refused(401, "M_UNKNOWN_TOKEN")


async def test_suspend(admin: Admin) -> None:
    anna = await admin.server.register("anna")
    room_id = await anna.create_room()
    assert await admin.put("/v1/suspend/@anna:ranvier.test", {"suspend": True}) == {}
    (await anna.send(room_id, "m.room.message", {})).refused(403, "M_USER_SUSPENDED")
    await admin.put("/v1/suspend/@anna:ranvier.test", {"suspend": False})
    await anna.say(room_id, "hello")


async def test_is_a_name_free(admin: Admin) -> None:
    assert await admin.get("/v1/username_available", {"username": "free"}) == {"available": True}
    (await admin.ask("GET", "/v1/username_available", username="root")).refused(400, "M_USER_IN_USE")
    (await admin.ask("GET", "/v1/username_available", username="ä")).refused(400, "M_INVALID_USERNAME")
    (await admin.ask("GET", "/v1/username_available")).refused(400, "M_MISSING_PARAM")


async def test_experiments(admin: Admin) -> None:
    path = "/v1/experimental_features/@root:ranvier.test"
    assert set((await admin.get(path))["features"].values()) == {False}
    await admin.put(path, {"features": {"msc3881": True}})
    assert (await admin.get(path))["features"] == {"msc3881": True, "msc3575": False, "msc4222": False}
    assert (await admin.ask("PUT", path, {"features": {"msc1": True}})).status == 400


async def log_in(admin: Admin, name: str, password: str) -> Answer:
    body = {
        "type": "m.login.password",
        "identifier": {"type": "m.id.user", "user": name},
        "password": password,
    }
    return await admin.server.stranger().post("/login", body)
