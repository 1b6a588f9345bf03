"""`device_lists` in `/sync`, and `GET /keys/changes`. Spec: client-server API, "Tracking the device list for a user"."""

import asyncio
from collections.abc import Mapping
from typing import Any

from tests.api.homeserver import Homeserver, running
from tests.e2ee.person import Person, log_in, register

NOTHING: tuple[list[str], list[str]] = ([], [])


async def test_a_first_sync_tells_nothing(alice: Person, bob: Person) -> None:
    await alice.room(bob)
    await alice.publish()
    assert (await bob.sync()).get("device_lists", {}).get("changed", []) == []


async def test_who_shares_a_room_is_told_of_new_keys(alice: Person, bob: Person, carol: Person) -> None:
    await alice.room(bob)
    for person in (alice, bob, carol):
        await person.sync()
    await alice.publish()
    assert await bob.device_lists() == ([alice.user_id], [])
    assert await alice.device_lists() == ([alice.user_id], [])
    assert await carol.device_lists() == NOTHING
    assert await bob.device_lists() == NOTHING
    await alice.publish()
    assert await bob.device_lists() == NOTHING


async def test_new_renamed_and_removed_devices(homeserver: Homeserver, alice: Person, bob: Person) -> None:
    await alice.room(bob)
    await bob.sync()
    second = await log_in(homeserver, alice)
    assert await bob.device_lists() == NOTHING
    await second.publish()
    assert await bob.device_lists() == ([alice.user_id], [])
    (await alice.client.put(f"/devices/{second.device_id}", {"display_name": "Second"})).ok()
    assert await bob.device_lists() == ([alice.user_id], [])
    (await second.client.post("/logout")).ok()
    assert await bob.device_lists() == ([alice.user_id], [])
    third = await log_in(homeserver, alice)
    (await third.client.post("/logout")).ok()
    assert await bob.device_lists() == NOTHING


async def test_who_waits_is_woken(alice: Person, bob: Person) -> None:
    await alice.room(bob)
    await bob.settle()
    waiting = await bob.waiting()
    await alice.publish()
    assert (await asyncio.wait_for(waiting, 2))["device_lists"]["changed"] == [alice.user_id]


async def test_beginning_to_share_a_room(alice: Person, bob: Person, carol: Person) -> None:
    """Those who were there hear of who came, and who came of those who were there."""
    room_id = await alice.room(carol)
    for person in (alice, bob, carol):
        await person.sync()
    await bob.join(room_id)
    assert await alice.device_lists() == ([bob.user_id], [])
    assert await bob.device_lists() == (sorted([alice.user_id, carol.user_id]), [])
    assert await alice.device_lists() == NOTHING


async def test_another_shared_room_is_no_news(alice: Person, bob: Person) -> None:
    first = await alice.room(bob)
    for person in (alice, bob):
        await person.sync()
    second = await alice.room(bob)
    assert await alice.device_lists() == NOTHING
    assert await bob.device_lists() == NOTHING
    await bob.leave(second)
    assert await alice.device_lists() == NOTHING
    assert await bob.device_lists() == NOTHING
    await bob.leave(first)
    assert await alice.device_lists() == ([], [bob.user_id])
    assert await bob.device_lists() == ([], [alice.user_id])
    assert await alice.device_lists() == NOTHING


async def test_who_no_longer_shares_a_room_is_told_nothing(alice: Person, bob: Person) -> None:
    room_id = await alice.room(bob)
    await bob.leave(room_id)
    await bob.sync()
    await alice.publish()
    assert await bob.device_lists() == NOTHING
    await bob.join(room_id)
    assert await bob.device_lists() == ([alice.user_id], [])


async def test_leaving_and_coming_back(alice: Person, bob: Person) -> None:
    room_id = await alice.room(bob)
    for person in (alice, bob):
        await person.sync()
    await bob.leave(room_id)
    assert await alice.device_lists() == ([], [bob.user_id])
    assert await bob.device_lists() == ([], [alice.user_id])
    await bob.join(room_id)
    assert await alice.device_lists() == ([bob.user_id], [])
    assert await bob.device_lists() == ([alice.user_id], [])


async def test_leaving_and_coming_back_between_two_syncs(alice: Person, bob: Person) -> None:
    room_id = await alice.room(bob)
    for person in (alice, bob):
        await person.sync()
    await bob.leave(room_id)
    await bob.publish()
    await bob.join(room_id)
    assert await alice.device_lists() == ([bob.user_id], [])
    assert await bob.device_lists() == (sorted([alice.user_id, bob.user_id]), [])


async def test_coming_and_leaving_between_two_syncs(alice: Person, bob: Person) -> None:
    room_id = await alice.room()
    for person in (alice, bob):
        await person.sync()
    await bob.join(room_id)
    await bob.publish()
    await bob.leave(room_id)
    assert await alice.device_lists() == NOTHING
    assert await bob.device_lists() == ([bob.user_id], [])


async def test_changing_keys_and_leaving_between_two_syncs(alice: Person, bob: Person) -> None:
    room_id = await alice.room(bob)
    await alice.sync()
    await bob.publish()
    await bob.leave(room_id)
    assert await alice.device_lists() == ([], [bob.user_id])


async def test_an_invitation_shares_no_room(alice: Person, bob: Person) -> None:
    room_id = await alice.client.create_room(preset="private_chat")
    for person in (alice, bob):
        await person.sync()
    (await alice.client.act(room_id, "invite", user_id=bob.user_id)).ok()
    await bob.publish()
    assert await alice.device_lists() == NOTHING
    assert (await bob.device_lists())[1] == []
    await bob.leave(room_id)
    assert await alice.device_lists() == NOTHING
    assert await bob.device_lists() == NOTHING


async def test_being_kicked_or_banned(alice: Person, bob: Person) -> None:
    room_id = await alice.room(bob)
    for act in ("kick", "ban"):
        for person in (alice, bob):
            await person.sync()
        (await alice.client.act(room_id, act, user_id=bob.user_id)).ok()
        assert await alice.device_lists() == ([], [bob.user_id])
        assert await bob.device_lists() == ([], [alice.user_id])
        if act == "kick":
            await bob.join(room_id)


async def test_leaving_and_forgetting(alice: Person, bob: Person) -> None:
    room_id = await alice.room(bob)
    await bob.sync()
    await bob.leave(room_id)
    (await bob.client.act(room_id, "forget")).ok()
    assert await bob.device_lists() == ([], [alice.user_id])


async def test_another_profile_is_no_news(alice: Person, bob: Person) -> None:
    await alice.room(bob)
    await bob.sync()
    (await alice.client.put(f"/profile/{alice.user_id}/displayname", {"displayname": "Al"})).ok()
    assert await bob.device_lists() == NOTHING


async def test_who_left_while_others_left_too(alice: Person, bob: Person, carol: Person) -> None:
    """Carol left before Bob did: both no longer share a room with him; with Alice he still does, elsewhere."""
    first = await alice.room(bob, carol)
    await alice.room(bob)
    await bob.sync()
    await carol.leave(first)
    await bob.leave(first)
    assert await bob.device_lists() == ([], [carol.user_id])


async def test_a_long_gap(homeserver: Homeserver, alice: Person, bob: Person, carol: Person) -> None:
    """More messages than a timeline shows do not hide who came and left."""
    room_id = await alice.room(carol)
    for person in (alice, bob):
        await person.sync()
    await bob.join(room_id)
    await carol.leave(room_id)
    for number in range(30):
        await alice.client.say(room_id, str(number))
    assert await alice.device_lists() == ([bob.user_id], [carol.user_id])


async def test_changes_between_tokens(alice: Person, bob: Person, carol: Person) -> None:
    room_id = await alice.room(carol)
    await alice.sync()
    start = alice.since or ""
    await carol.publish()
    await bob.join(room_id)
    await carol.leave(room_id)
    await alice.sync()
    found = await alice.client.get("/keys/changes", **{"from": start, "to": alice.since or ""})
    assert found.ok() == {"changed": [bob.user_id], "left": [carol.user_id]}
    (await alice.client.get("/keys/changes", to=start)).refused(400, "M_MISSING_PARAM")
    (await alice.client.get("/keys/changes", **{"from": "x", "to": start})).refused(400, "M_INVALID_PARAM")


async def test_a_restart_changes_nothing(db_config: Mapping[str, Any]) -> None:
    async with running(db_config) as server:
        alice, bob, carol = [await register(server, name) for name in ("alice", "bob", "carol")]
        room_id = await alice.room(carol)
        for person in (alice, bob, carol):
            await person.sync()
        await bob.join(room_id)
        await carol.leave(room_id)
        await alice.publish()
    async with running(db_config) as server:
        alice, bob, carol = alice.at(server), bob.at(server), carol.at(server)
        assert await alice.device_lists() == (sorted([alice.user_id, bob.user_id]), [carol.user_id])
        assert await bob.device_lists() == ([alice.user_id], [])
        assert await carol.device_lists() == ([], [alice.user_id])
        for person in (alice, bob, carol):
            assert await person.device_lists() == NOTHING


async def test_tokens_of_older_servers(alice: Person, bob: Person) -> None:
    """They say nothing about the newer streams; whatever has ever changed is told once."""
    await alice.room(bob)
    await alice.publish()
    await bob.sync()
    bob.since = "_".join((bob.since or "").split("_")[:2])
    assert alice.user_id in (await bob.device_lists())[0]
    assert await bob.device_lists() == NOTHING
