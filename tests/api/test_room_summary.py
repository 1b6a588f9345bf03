"""What a room is, for those who are about to enter it."""

import pytest

from tests.api.asgi import Answer, Client, part
from tests.api.homeserver import SERVER_NAME

PATHS = [
    "/_matrix/client/v1/room_summary/{}",
    "/_matrix/client/unstable/im.nheko.summary/summary/{}",
    "/_matrix/client/unstable/im.nheko.summary/rooms/{}/summary",
]


async def summary(client: Client, room: str, path: str = PATHS[0]) -> Answer:
    return await client.request("GET", path.format(part(room)) + "?via=else.where&via=no.where")


@pytest.mark.parametrize("path", PATHS)
async def test_a_room_in_short(alice: Client, bob: Client, stranger: Client, path: str) -> None:
    room_id = await alice.create_room(
        preset="public_chat",
        name="Den",
        topic="Dens",
        room_alias_name="den",
        room_version="11",
        initial_state=[{"type": "m.room.encryption", "content": {"algorithm": "m.megolm.v1.aes-sha2"}}],
    )
    expected = {
        "room_id": room_id,
        "num_joined_members": 1,
        "world_readable": False,
        "guest_can_join": False,
        "name": "Den",
        "topic": "Dens",
        "canonical_alias": f"#den:{SERVER_NAME}",
        "join_rule": "public",
        "encryption": "m.megolm.v1.aes-sha2",
        "room_version": "11",
    }
    for room in (room_id, f"#den:{SERVER_NAME}"):
        assert (await summary(stranger, room, path)).ok() == expected
        assert (await summary(bob, room, path)).ok() == {**expected, "membership": "leave"}
    assert (await summary(alice, room_id, path)).ok()["membership"] == "join"


async def test_membership(alice: Client, bob: Client) -> None:
    knockable = await alice.create_room(
        initial_state=[{"type": "m.room.join_rules", "content": {"join_rule": "knock"}}], room_version="11"
    )
    (await bob.post(f"/knock/{part(knockable)}")).ok()
    assert (await summary(bob, knockable)).ok()["membership"] == "knock"
    invited = await alice.create_room(invite=[bob.user_id])
    assert (await summary(bob, invited)).ok()["membership"] == "invite"
    open_room = await alice.create_room(
        preset="public_chat",
        initial_state=[{"type": "m.room.history_visibility", "content": {"history_visibility": "world_readable"}}],
    )
    (await alice.act(open_room, "ban", user_id=bob.user_id)).ok()
    found = (await summary(bob, open_room)).ok()
    assert (found["membership"], found["world_readable"]) == ("ban", True)


async def test_what_one_may_not_know_of_is_not_there(alice: Client, bob: Client, stranger: Client) -> None:
    private = await alice.create_room(room_alias_name="private")
    club = await alice.create_room(preset="public_chat")
    rules = {"join_rule": "restricted", "allow": [{"type": "m.room_membership", "room_id": club}]}
    restricted = await alice.create_room(
        initial_state=[{"type": "m.room.join_rules", "content": rules}], room_version="11"
    )
    for client in (bob, stranger):
        for room in (private, f"#private:{SERVER_NAME}", restricted, "!no:where", f"#none:{SERVER_NAME}"):
            (await summary(client, room)).refused(404, "M_NOT_FOUND")
        (await summary(client, "nonsense")).refused(400, "M_INVALID_PARAM")
    (await bob.act(club, "join")).ok()
    assert (await summary(bob, restricted)).ok()["allowed_room_ids"] == [club]
    (await summary(stranger, restricted)).refused(404, "M_NOT_FOUND")
