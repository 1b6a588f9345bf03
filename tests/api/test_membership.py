"""Joining, inviting, leaving, kicking, banning, forgetting, and the lists of members."""

import pytest

from tests.api.asgi import Client, in_room, part


async def membership(client: Client, room_id: str, user_id: str) -> str:
    value: str = (await client.state(room_id, "m.room.member", user_id)).ok()["membership"]
    return value


@pytest.fixture
async def public(alice: Client) -> str:
    """A public room with Alice in it."""
    return await alice.create_room(preset="public_chat")


@pytest.fixture
async def private(alice: Client) -> str:
    """A room by invitation, with Alice in it."""
    return await alice.create_room(preset="private_chat")


async def test_anyone_joins_a_public_room_and_joins_it_once(alice: Client, bob: Client, public: str) -> None:
    assert (await bob.act(public, "join")).ok() == {"room_id": public}
    before = (await alice.state(public, "m.room.member", bob.user_id, format="event")).ok()
    assert (await bob.act(public, "join")).ok() == {"room_id": public}
    after = (await alice.state(public, "m.room.member", bob.user_id, format="event")).ok()
    assert after["event_id"] == before["event_id"]


async def test_rooms_are_joined_by_id_or_alias(alice: Client, bob: Client, carol: Client) -> None:
    room_id = await alice.create_room(preset="public_chat", room_alias_name="tea")
    alias = "#tea:" + alice.user_id.partition(":")[2]
    assert (await bob.post(f"/join/{part(room_id)}")).ok() == {"room_id": room_id}
    assert (await carol.post(f"/join/{part(alias)}?via=elsewhere.example")).ok() == {"room_id": room_id}
    (await bob.post(f"/join/{part('#none:' + alice.user_id.partition(':')[2])}")).refused(404, "M_NOT_FOUND")
    (await bob.post("/join/nonsense")).refused(400, "M_INVALID_PARAM")


async def test_a_private_room_needs_an_invitation(alice: Client, bob: Client, private: str) -> None:
    (await bob.act(private, "join")).refused(403, "M_FORBIDDEN")
    (await alice.act(private, "invite", user_id=bob.user_id, reason="tea")).ok()
    assert await membership(alice, private, bob.user_id) == "invite"
    (await bob.act(private, "join", reason="thirsty")).ok()
    assert (await alice.state(private, "m.room.member", bob.user_id)).ok()["reason"] == "thirsty"


async def test_an_unknown_room_cannot_be_joined(alice: Client) -> None:
    room_id = "!nowhere:" + alice.user_id.partition(":")[2]
    assert (await alice.act(room_id, "join")).status in (403, 404)


async def test_only_members_with_power_invite(alice: Client, bob: Client, carol: Client, public: str) -> None:
    (await bob.act(public, "invite", user_id=carol.user_id)).refused(403, "M_FORBIDDEN")
    (await bob.act(public, "join")).ok()
    (await bob.act(public, "invite", user_id=carol.user_id)).refused(403, "M_FORBIDDEN")
    (await alice.act(public, "invite", user_id=bob.user_id)).refused(403, "M_FORBIDDEN")
    (await alice.act(public, "invite", user_id="carol")).refused(400, "M_INVALID_PARAM")
    (await alice.post(f"{in_room(public)}/invite", {})).refused(400, "M_BAD_JSON")
    email = {"id_server": "127.0.0.1:9", "id_access_token": "y", "medium": "email", "address": "a@b"}
    (await alice.post(f"{in_room(public)}/invite", email)).refused(504, "M_UNKNOWN")


async def test_an_invitation_can_be_turned_down(alice: Client, bob: Client, private: str) -> None:
    (await alice.act(private, "invite", user_id=bob.user_id)).ok()
    (await bob.act(private, "leave")).ok()
    assert await membership(alice, private, bob.user_id) == "leave"
    (await bob.act(private, "join")).refused(403, "M_FORBIDDEN")


async def test_an_invitation_can_be_taken_back(alice: Client, bob: Client, private: str) -> None:
    (await alice.act(private, "invite", user_id=bob.user_id)).ok()
    (await alice.act(private, "kick", user_id=bob.user_id)).ok()
    (await bob.act(private, "join")).refused(403, "M_FORBIDDEN")


async def test_guests_enter_where_guests_may(alice: Client, guest: Client, public: str) -> None:
    join = {"membership": "join"}
    (await guest.act(public, "join")).refused(403, "M_GUEST_ACCESS_FORBIDDEN")
    (await guest.set_state(public, "m.room.member", join, guest.user_id)).refused(403, "M_GUEST_ACCESS_FORBIDDEN")
    (await alice.set_state(public, "m.room.guest_access", {"guest_access": "can_join"})).ok()
    (await guest.act(public, "join")).ok()
    await guest.say(public, "hello")
    (await guest.act(public, "invite", user_id=alice.user_id)).refused(403, "M_GUEST_ACCESS_FORBIDDEN")
    (await guest.post("/createRoom", {})).refused(403, "M_GUEST_ACCESS_FORBIDDEN")


async def test_leaving_ends_membership_and_may_be_repeated(bob: Client, carol: Client, public: str) -> None:
    (await bob.act(public, "join")).ok()
    assert (await bob.act(public, "leave", reason="bye")).ok() == {}
    assert (await bob.act(public, "leave")).ok() == {}
    (await bob.send(public, "m.room.message", {"body": "x"})).refused(403, "M_FORBIDDEN")
    assert (await carol.act(public, "leave")).status in (403, 404)


async def test_kicking_needs_power_and_a_member(alice: Client, bob: Client, carol: Client, public: str) -> None:
    for client in (bob, carol):
        (await client.act(public, "join")).ok()
    (await bob.act(public, "kick", user_id=carol.user_id)).refused(403, "M_FORBIDDEN")
    (await bob.act(public, "kick", user_id=alice.user_id)).refused(403, "M_FORBIDDEN")
    assert (await alice.act(public, "kick", user_id=bob.user_id, reason="noise")).ok() == {}
    assert (await alice.state(public, "m.room.member", bob.user_id)).ok() == {
        "membership": "leave", "reason": "noise",
    }  # fmt: skip
    (await alice.act(public, "kick", user_id=bob.user_id)).refused(403, "M_FORBIDDEN")
    (await bob.act(public, "join")).ok()


async def test_the_banned_stay_out_until_unbanned(alice: Client, bob: Client, public: str) -> None:
    (await bob.act(public, "join")).ok()
    (await bob.act(public, "ban", user_id=alice.user_id)).refused(403, "M_FORBIDDEN")
    assert (await alice.act(public, "ban", user_id=bob.user_id)).ok() == {}
    (await bob.act(public, "join")).refused(403, "M_FORBIDDEN")
    (await alice.act(public, "invite", user_id=bob.user_id)).refused(403, "M_FORBIDDEN")
    assert (await alice.act(public, "unban", user_id=bob.user_id)).ok() == {}
    assert await membership(alice, public, bob.user_id) == "leave"
    (await bob.act(public, "join")).ok()
    (await alice.act(public, "unban", user_id=bob.user_id)).refused(403, "M_FORBIDDEN")


async def test_strangers_can_be_banned(alice: Client, bob: Client, public: str) -> None:
    (await alice.act(public, "ban", user_id=bob.user_id)).ok()
    (await bob.act(public, "join")).refused(403, "M_FORBIDDEN")


@pytest.mark.parametrize("act", ["kick", "ban", "unban"])
async def test_the_target_is_named(alice: Client, public: str, act: str) -> None:
    (await alice.post(f"{in_room(public)}/{act}", {})).refused(400, "M_BAD_JSON")
    (await alice.post(f"{in_room(public)}/{act}", {"user_id": 1})).refused(400, "M_BAD_JSON")
    assert (await alice.act(public, act, user_id="nonsense")).status in (400, 403)


async def test_a_knock_is_answered_with_an_invitation(alice: Client, bob: Client) -> None:
    room_id = await alice.create_room(
        initial_state=[{"type": "m.room.join_rules", "content": {"join_rule": "knock"}}], room_version="11"
    )
    assert (await bob.post(f"/knock/{part(room_id)}", {"reason": "please"})).ok() == {"room_id": room_id}
    assert await membership(alice, room_id, bob.user_id) == "knock"
    (await bob.act(room_id, "join")).refused(403, "M_FORBIDDEN")
    (await alice.act(room_id, "invite", user_id=bob.user_id)).ok()
    (await bob.act(room_id, "join")).ok()
    (await bob.post(f"/knock/{part(room_id)}", {})).refused(403, "M_FORBIDDEN")


async def test_members_of_one_room_join_another(alice: Client, bob: Client, carol: Client) -> None:
    club = await alice.create_room(preset="public_chat")
    rules = {"join_rule": "restricted", "allow": [{"type": "m.room_membership", "room_id": club}]}
    room_id = await alice.create_room(
        initial_state=[{"type": "m.room.join_rules", "content": rules}], room_version="10"
    )
    (await bob.act(club, "join")).ok()
    (await bob.act(room_id, "join")).ok()
    member = (await alice.state(room_id, "m.room.member", bob.user_id)).ok()
    assert member["join_authorised_via_users_server"] == alice.user_id
    (await carol.act(room_id, "join")).refused(403, "M_FORBIDDEN")
    (await alice.act(room_id, "invite", user_id=carol.user_id)).ok()
    (await carol.act(room_id, "join")).ok()


async def test_a_left_room_can_be_forgotten(alice: Client, bob: Client, public: str) -> None:
    (await bob.act(public, "join")).ok()
    (await bob.act(public, "forget")).refused(400, "M_UNKNOWN")
    (await bob.act(public, "leave")).ok()
    assert (await bob.get(f"{in_room(public)}/state")).status == 200
    assert (await bob.act(public, "forget")).ok() == {}
    (await bob.get(f"{in_room(public)}/state")).refused(403, "M_FORBIDDEN")
    (await bob.act(public, "join")).ok()
    assert (await bob.get(f"{in_room(public)}/state")).status == 200


async def test_joined_rooms_are_the_rooms_joined(alice: Client, bob: Client, public: str, private: str) -> None:
    assert (await bob.get("/joined_rooms")).ok() == {"joined_rooms": []}
    (await bob.act(public, "join")).ok()
    (await alice.act(private, "invite", user_id=bob.user_id)).ok()
    assert (await bob.get("/joined_rooms")).ok() == {"joined_rooms": [public]}
    (await bob.act(public, "leave")).ok()
    assert (await bob.get("/joined_rooms")).ok() == {"joined_rooms": []}
    assert set((await alice.get("/joined_rooms")).ok()["joined_rooms"]) == {public, private}


async def members(client: Client, room_id: str, **query: str) -> dict[str, str]:
    chunk = (await client.get(f"{in_room(room_id)}/members", **query)).ok()["chunk"]
    assert all(event["type"] == "m.room.member" and event["room_id"] == room_id for event in chunk)
    return {event["state_key"]: event["content"]["membership"] for event in chunk}


async def test_members_are_filtered_by_membership(alice: Client, bob: Client, carol: Client, public: str) -> None:
    (await bob.act(public, "join")).ok()
    (await bob.act(public, "leave")).ok()
    (await alice.act(public, "invite", user_id=carol.user_id)).ok()
    everyone = {alice.user_id: "join", bob.user_id: "leave", carol.user_id: "invite"}
    assert await members(alice, public) == everyone
    assert await members(alice, public, membership="join") == {alice.user_id: "join"}
    assert await members(alice, public, not_membership="leave") == {alice.user_id: "join", carol.user_id: "invite"}
    assert set(await members(alice, public, membership="leave", not_membership="invite")) == {
        alice.user_id,
        bob.user_id,
    }
    (await alice.get(f"{in_room(public)}/members", membership="x")).refused(400, "M_INVALID_PARAM")


async def test_members_that_were_redacted_say_so(alice: Client, bob: Client, public: str) -> None:
    (await bob.request("PUT", f"/_matrix/client/v3/profile/{bob.user_id}/displayname", {"displayname": "Bob"})).ok()
    (await bob.act(public, "join")).ok()
    chunk = (await alice.get(f"{in_room(public)}/members")).ok()["chunk"]
    (of_bob,) = [event for event in chunk if event["state_key"] == bob.user_id]
    assert of_bob["content"]["displayname"] == "Bob"
    assert "unsigned" not in of_bob
    (await alice.put(f"{in_room(public)}/redact/{of_bob['event_id']}/1", {})).ok()
    chunk = (await alice.get(f"{in_room(public)}/members")).ok()["chunk"]
    (of_bob,) = [event for event in chunk if event["state_key"] == bob.user_id]
    assert of_bob["content"] == {"membership": "join"}
    assert of_bob["unsigned"]["redacted_because"]["type"] == "m.room.redaction"


async def test_members_of_an_earlier_moment(alice: Client, bob: Client, public: str) -> None:
    before = (await alice.get(f"{in_room(public)}/messages", dir="b", limit="1")).ok()["start"]
    (await bob.act(public, "join")).ok()
    assert set(await members(alice, public, at=before)) == {alice.user_id}
    assert set(await members(alice, public)) == {alice.user_id, bob.user_id}
    (await alice.get(f"{in_room(public)}/members", at="nonsense")).refused(400, "M_INVALID_PARAM")


async def test_whoever_left_sees_the_members_of_that_moment(
    alice: Client, bob: Client, carol: Client, public: str
) -> None:
    (await bob.act(public, "join")).ok()
    (await bob.act(public, "leave")).ok()
    (await carol.act(public, "join")).ok()
    assert await members(bob, public) == {alice.user_id: "join", bob.user_id: "leave"}
    (await bob.get(f"{in_room(public)}/joined_members")).refused(403, "M_FORBIDDEN")


async def test_joined_members_have_their_profile(alice: Client, bob: Client, public: str) -> None:
    (await alice.put(f"/profile/{part(alice.user_id)}/displayname", {"displayname": "Alice A."})).ok()
    (await bob.act(public, "join")).ok()
    joined = (await bob.get(f"{in_room(public)}/joined_members")).ok()["joined"]
    assert set(joined) == {alice.user_id, bob.user_id}
    assert joined[alice.user_id] == {"display_name": "Alice A."}
