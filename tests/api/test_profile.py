"""`/profile/*`. Spec: client-server API, "Profiles"."""

from pathlib import Path

import pytest

from tests.api.asgi import Client, part
from tests.api.homeserver import Homeserver, running


def of(client: Client, key: str | None = None) -> str:
    return f"/profile/{part(client.user_id)}" + ("" if key is None else f"/{part(key)}")


async def delete(client: Client, path: str) -> None:
    (await client.request("DELETE", "/_matrix/client/v3" + path)).ok()


async def test_a_profile_is_there_for_everyone(alice: Client, stranger: Client) -> None:
    assert (await stranger.get(of(alice))).ok() == {"displayname": "alice"}
    (await alice.put(of(alice, "displayname"), {"displayname": "Alice"})).ok()
    (await alice.put(of(alice, "avatar_url"), {"avatar_url": "mxc://ranvier.test/a"})).ok()
    (await alice.put(of(alice, "org.example.pronouns"), {"org.example.pronouns": ["she", {"x": 1}]})).ok()
    assert (await stranger.get(of(alice))).ok() == {
        "displayname": "Alice",
        "avatar_url": "mxc://ranvier.test/a",
        "org.example.pronouns": ["she", {"x": 1}],
    }
    assert (await stranger.get(of(alice, "displayname"))).ok() == {"displayname": "Alice"}
    await delete(alice, of(alice, "org.example.pronouns"))
    (await stranger.get(of(alice, "org.example.pronouns"))).refused(404, "M_NOT_FOUND")


async def test_rooms_are_told(alice: Client, bob: Client) -> None:
    room_id = await alice.create_room(preset="public_chat")
    (await bob.act(room_id, "join")).ok()
    (await bob.put(of(bob, "displayname"), {"displayname": "Robert"})).ok()
    member = (await alice.state(room_id, "m.room.member", bob.user_id)).ok()
    assert (member["membership"], member["displayname"]) == ("join", "Robert")
    await delete(bob, of(bob, "displayname"))
    assert "displayname" not in (await alice.state(room_id, "m.room.member", bob.user_id)).ok()


@pytest.mark.parametrize(
    ("key", "body", "status", "errcode"),
    [
        ("displayname", {}, 400, "M_MISSING_PARAM"),
        ("displayname", {"avatar_url": "x"}, 400, "M_MISSING_PARAM"),
        ("displayname", {"displayname": 1}, 400, "M_BAD_JSON"),
        ("displayname", {"displayname": "x" * 300}, 400, "M_INVALID_PARAM"),
        ("displayname", [], 400, "M_BAD_JSON"),
        ("no dots", {"no dots": 1}, 400, "M_INVALID_PARAM"),
        ("org.example." + "x" * 250, {"org.example." + "x" * 250: 1}, 400, "M_KEY_TOO_LARGE"),
        ("org.example.x", {"org.example.x": "x" * 70_000}, 400, "M_PROFILE_TOO_LARGE"),
    ],
)
async def test_refused(alice: Client, key: str, body: object, status: int, errcode: str) -> None:
    (await alice.put(of(alice, key), body)).refused(status, errcode)


async def test_others_profiles_cannot_be_changed(alice: Client, bob: Client, stranger: Client) -> None:
    (await bob.put(of(alice, "displayname"), {"displayname": "x"})).refused(403, "M_FORBIDDEN")
    (await stranger.put(of(alice, "displayname"), {"displayname": "x"})).refused(401, "M_MISSING_TOKEN")


async def test_unknown_users(stranger: Client) -> None:
    (await stranger.get("/profile/%40nobody%3Aranvier.test")).refused(404, "M_NOT_FOUND")
    (await stranger.get("/profile/nobody")).refused(400, "M_INVALID_PARAM")


async def test_guests_have_nothing_but_a_name(guest: Client) -> None:
    (await guest.put(of(guest, "displayname"), {"displayname": "Visitor"})).ok()
    (await guest.put(of(guest, "avatar_url"), {"avatar_url": "mxc://a/b"})).refused(403, "M_GUEST_ACCESS_FORBIDDEN")


async def test_suspended_users_keep_their_profile(homeserver: Homeserver, alice: Client) -> None:
    await homeserver.server.users.account_changes.set_flag(alice.user_id, "suspended", value=True)
    (await alice.put(of(alice, "displayname"), {"displayname": "x"})).refused(403, "M_USER_SUSPENDED")


async def test_profiles_can_be_hidden_from_strangers(tmp_path: Path) -> None:
    database = {"name": "sqlite3", "args": {"database": str(tmp_path / "homeserver.db")}}
    async with running(database, limit_profile_requests_to_users_who_share_rooms=True) as server:
        alice, bob = await server.register("alice"), await server.register("bob")
        (await server.stranger().get(of(alice))).refused(401, "M_MISSING_TOKEN")
        (await bob.get(of(alice))).refused(403, "M_FORBIDDEN")
        (await alice.get(of(alice))).ok()
        room_id = await alice.create_room(preset="public_chat")
        (await bob.act(room_id, "join")).ok()
        (await bob.get(of(alice))).ok()
