"""Who may come into a room, and who may be asked to: knocking, restricted rooms, invitations that are not wanted."""

from pathlib import Path
from typing import Any

import pytest

from tests.api.asgi import Answer, Client, in_room, part
from tests.api.homeserver import running


def rules(rule: str, *rooms: str) -> list[dict[str, object]]:
    allow = [{"type": "m.room_membership", "room_id": room_id} for room_id in rooms]
    content = {"join_rule": rule, "allow": allow} if rooms else {"join_rule": rule}
    return [{"type": "m.room.join_rules", "content": content}]


async def knock(client: Client, room_id: str, **body: str) -> Answer:
    return await client.post(f"/knock/{part(room_id)}", body)


async def member(client: Client, room_id: str, user_id: str) -> Any:
    return (await client.state(room_id, "m.room.member", user_id)).ok()


async def invite(client: Client, room_id: str, target: Client) -> Answer:
    return await client.act(room_id, "invite", user_id=target.user_id)


@pytest.mark.parametrize(
    ("version", "rule", "allowed"),
    [
        ("7", "knock", True),
        ("9", "knock", True),
        ("10", "knock_restricted", True),
        ("12", "knock_restricted", True),
        ("6", "knock", False),
        ("9", "knock_restricted", False),
        ("11", "invite", False),
        ("11", "public", False),
        ("11", "restricted", False),
    ],
)
async def test_where_one_may_knock(alice: Client, bob: Client, version: str, rule: str, allowed: bool) -> None:
    room_id = await alice.create_room(room_version=version, initial_state=rules(rule))
    answer = await knock(bob, room_id, reason="please")
    if not allowed:
        answer.refused(403, "M_FORBIDDEN")
        return
    assert answer.ok() == {"room_id": room_id}
    assert (await member(alice, room_id, bob.user_id)).items() >= {"membership": "knock", "reason": "please"}.items()


async def test_a_knock_by_alias_can_be_repeated_and_taken_back(alice: Client, bob: Client) -> None:
    room_id = await alice.create_room(room_alias_name="door", initial_state=rules("knock"))
    for _ in range(2):
        assert (await knock(bob, "#door:ranvier.test")).ok() == {"room_id": room_id}
    (await bob.act(room_id, "leave")).ok()
    assert (await member(alice, room_id, bob.user_id))["membership"] == "leave"
    (await knock(bob, "#none:ranvier.test")).refused(404, "M_NOT_FOUND")
    (await knock(bob, "!no:where")).refused(502, "M_UNKNOWN")


async def test_a_knock_can_be_refused(alice: Client, bob: Client, carol: Client) -> None:
    room_id = await alice.create_room(initial_state=rules("knock"))
    (await knock(bob, room_id)).ok()
    (await alice.act(room_id, "kick", user_id=bob.user_id)).ok()
    (await knock(bob, room_id)).ok()
    (await alice.act(room_id, "ban", user_id=bob.user_id)).ok()
    (await knock(bob, room_id)).refused(403, "M_FORBIDDEN")
    (await invite(alice, room_id, carol)).ok()
    (await knock(carol, room_id)).refused(403, "M_FORBIDDEN")
    (await knock(alice, room_id)).refused(403, "M_FORBIDDEN")


@pytest.mark.parametrize(("version", "rule"), [("8", "restricted"), ("10", "knock_restricted"), ("12", "restricted")])
async def test_members_of_either_room_are_let_in(
    alice: Client, bob: Client, carol: Client, version: str, rule: str
) -> None:
    clubs = [await alice.create_room(preset="public_chat") for _ in range(2)]
    room_id = await alice.create_room(room_version=version, initial_state=rules(rule, "!no:where", *clubs))
    (await bob.act(clubs[1], "join")).ok()
    (await bob.act(room_id, "join")).ok()
    assert (await member(alice, room_id, bob.user_id))["join_authorised_via_users_server"] == alice.user_id
    (await carol.act(room_id, "join")).refused(403, "M_FORBIDDEN")
    # Having been a member is not enough; who is in stays in.
    (await bob.act(clubs[1], "leave")).ok()
    (await bob.act(room_id, "join")).ok()
    (await bob.act(room_id, "leave")).ok()
    (await bob.act(room_id, "join")).refused(403, "M_FORBIDDEN")


async def test_a_version_without_restricted_rooms_lets_nobody_in(alice: Client, bob: Client) -> None:
    club = await alice.create_room(preset="public_chat")
    (await bob.act(club, "join")).ok()
    for version, rule in (("7", "restricted"), ("9", "knock_restricted")):
        room_id = await alice.create_room(room_version=version, initial_state=rules(rule, club))
        (await bob.act(room_id, "join")).refused(403, "M_FORBIDDEN")


async def test_a_client_cannot_say_who_let_it_in(alice: Client, bob: Client) -> None:
    club = await alice.create_room()
    room_id = await alice.create_room(room_version="11", initial_state=rules("restricted", club))
    forged = {"membership": "join", "join_authorised_via_users_server": alice.user_id}
    (await bob.set_state(room_id, "m.room.member", forged, bob.user_id)).refused(403, "M_FORBIDDEN")
    (await invite(alice, room_id, bob)).ok()
    (await bob.set_state(room_id, "m.room.member", forged, bob.user_id)).ok()
    assert await member(alice, room_id, bob.user_id) == {"membership": "join"}


async def test_a_join_by_state_is_authorised_as_well(alice: Client, bob: Client) -> None:
    club = await alice.create_room(preset="public_chat")
    room_id = await alice.create_room(room_version="11", initial_state=rules("restricted", club))
    (await bob.act(club, "join")).ok()
    (await bob.set_state(room_id, "m.room.member", {"membership": "join"}, bob.user_id)).ok()
    assert (await member(alice, room_id, bob.user_id))["join_authorised_via_users_server"] == alice.user_id


async def test_someone_here_has_to_be_able_to_invite(alice: Client, bob: Client, carol: Client) -> None:
    club = await alice.create_room(preset="public_chat")
    room_id = await alice.create_room(
        room_version="11",
        initial_state=rules("restricted", club),
        power_level_content_override={"invite": 100},
    )
    for client in (bob, carol):
        (await client.act(club, "join")).ok()
    (await bob.act(room_id, "join")).ok()
    (await alice.act(room_id, "leave")).ok()
    (await carol.act(room_id, "join")).refused(400, "M_UNABLE_TO_GRANT_JOIN")


async def test_any_member_vouches_where_all_may_invite(alice: Client, bob: Client, carol: Client) -> None:
    club = await alice.create_room(preset="public_chat")
    room_id = await alice.create_room(room_version="11", initial_state=rules("restricted", club))
    for client in (bob, carol):
        (await client.act(club, "join")).ok()
    (await bob.act(room_id, "join")).ok()
    (await alice.act(room_id, "leave")).ok()
    (await carol.act(room_id, "join")).ok()
    assert (await member(bob, room_id, carol.user_id))["join_authorised_via_users_server"] == bob.user_id


async def test_the_banned_are_not_let_in(alice: Client, bob: Client) -> None:
    club = await alice.create_room(preset="public_chat")
    room_id = await alice.create_room(room_version="11", initial_state=rules("restricted", club))
    (await bob.act(club, "join")).ok()
    (await alice.act(room_id, "ban", user_id=bob.user_id)).ok()
    (await bob.act(room_id, "join")).refused(403, "M_FORBIDDEN")


async def block(client: Client, content: object) -> None:
    (await client.put(f"/user/{part(client.user_id)}/account_data/m.invite_permission_config", content)).ok()


async def test_who_wants_no_invitations_gets_none(alice: Client, bob: Client) -> None:
    room_id, other = [await alice.create_room() for _ in range(2)]
    (await invite(alice, other, bob)).ok()
    await block(bob, {"default_action": "block"})
    (await invite(alice, room_id, bob)).refused(403, "M_INVITE_BLOCKED")
    state = {"membership": "invite"}
    (await alice.set_state(room_id, "m.room.member", state, bob.user_id)).refused(403, "M_INVITE_BLOCKED")
    (await alice.post("/createRoom", {"invite": [bob.user_id]})).refused(403, "M_INVITE_BLOCKED")
    # An earlier invitation is not told of, but can be accepted by who knows of it.
    assert "invite" not in (await bob.get("/sync")).ok().get("rooms", {})
    await block(bob, {})
    assert set((await bob.get("/sync")).ok()["rooms"]["invite"]) == {other}
    (await invite(alice, room_id, bob)).ok()


@pytest.mark.parametrize("content", [{"default_action": "allow"}, {"default_action": ["block"]}, {"x": 1}])
async def test_other_wishes_block_nothing(alice: Client, bob: Client, content: object) -> None:
    await block(bob, content)
    (await invite(alice, await alice.create_room(), bob)).ok()


async def test_only_admins_may_invite_where_the_server_says_so(tmp_path: Path) -> None:
    database = {"name": "sqlite3", "args": {"database": str(tmp_path / "homeserver.db")}}
    async with running(database, block_non_admin_invites=True) as server:
        alice, bob = [await server.register(name) for name in ("alice", "bob")]
        room_id = await alice.create_room()
        (await invite(alice, room_id, bob)).refused(403, "M_FORBIDDEN")
        (await alice.post("/createRoom", {"invite": [bob.user_id]})).refused(403, "M_FORBIDDEN")
        (await alice.set_state(room_id, "m.room.member", {"membership": "invite"}, bob.user_id)).refused(
            403, "M_FORBIDDEN"
        )


async def test_a_server_may_forget_for_its_users(tmp_path: Path) -> None:
    database = {"name": "sqlite3", "args": {"database": str(tmp_path / "homeserver.db")}}
    async with running(database, forget_rooms_on_leave=True) as server:
        alice, bob, carol = [await server.register(name) for name in ("alice", "bob", "carol")]
        capabilities = (await alice.get("/capabilities")).ok()["capabilities"]
        assert capabilities["m.forget_forced_upon_leave"] == {"enabled": True}
        room_id = await alice.create_room(preset="public_chat")
        for client in (bob, carol):
            (await client.act(room_id, "join")).ok()
        since = (await carol.get("/sync")).ok()["next_batch"]
        (await bob.act(room_id, "leave")).ok()
        (await alice.act(room_id, "kick", user_id=carol.user_id)).ok()
        for client in (bob, carol):
            (await client.get(f"{in_room(room_id)}/messages", dir="b")).refused(403, "M_FORBIDDEN")
        # They still learn that they have left.
        assert set((await carol.get("/sync", since=since)).ok()["rooms"]["leave"]) == {room_id}
        (await bob.act(room_id, "join")).ok()
        (await bob.get(f"{in_room(room_id)}/messages", dir="b")).ok()
    async with running(database) as server:
        (alice,) = [await server.register(name) for name in ("dave",)]
        capabilities = (await alice.get("/capabilities")).ok()["capabilities"]
        assert capabilities["m.forget_forced_upon_leave"] == {"enabled": False}
