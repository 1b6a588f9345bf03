"""Two processes federate over TLS on sockets: rooms, people and names, with nothing in between that pretends."""

from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import pytest

from tests.federation_tls.conftest import Pair
from tests.federation_tls.person import Refused, patiently


async def test_join_by_alias_and_talk(pair: Pair) -> None:
    alice, bob = pair.alice, pair.bob
    room_id = await alice.create_room(room_alias_name="square", name="The Square")
    await alice.say(room_id, "before")
    await bob.join(f"#square:{pair.one.server_name}")
    await bob.say(room_id, "from bob")
    await alice.wait_for_texts(room_id, ["from bob"])
    await alice.say(room_id, "from alice")
    await bob.wait_for_texts(room_id, ["before", "from bob", "from alice"])
    assert await alice.members(room_id) == await bob.members(room_id) == {alice.user_id, bob.user_id}
    assert await alice.state(room_id) == await bob.state(room_id)
    await bob.membership(room_id, "leave")
    await alice.wait_for_members(room_id, {alice.user_id})


async def test_invite_refuse_accept_kick(pair: Pair) -> None:
    alice, bob = pair.alice, pair.bob
    room_id = await alice.create_room(preset="private_chat")
    with pytest.raises(Refused) as refused:
        await bob.join(room_id, pair.one.server_name)
    assert refused.value.status == HTTPStatus.FORBIDDEN
    await alice.membership(room_id, "invite", bob.user_id)
    await bob.wait_for_section(room_id, "invite")
    await bob.membership(room_id, "leave")

    async def refused_at_alice() -> bool:
        path = f"/rooms/{quote(room_id)}/state/m.room.member/{quote(bob.user_id)}"
        content = await alice.ask("GET", path)
        return bool(content["membership"] == "leave")

    await patiently(refused_at_alice, lambda: "alice does not hear that bob has refused")
    await alice.membership(room_id, "invite", bob.user_id)
    await bob.wait_for_section(room_id, "invite")
    await bob.join(room_id)
    await alice.wait_for_members(room_id, {alice.user_id, bob.user_id})
    await alice.membership(room_id, "kick", bob.user_id)
    await bob.wait_for_section(room_id, "leave")
    with pytest.raises(Refused):
        await bob.say(room_id, "still here?")


async def test_profiles_and_public_rooms_of_the_other(pair: Pair) -> None:
    alice, bob = pair.alice, pair.bob
    await alice.ask("PUT", f"/profile/{quote(alice.user_id)}/displayname", {"displayname": "Alice Liddell"})
    assert (await bob.ask("GET", f"/profile/{quote(alice.user_id)}"))["displayname"] == "Alice Liddell"
    with pytest.raises(Refused) as refused:
        await bob.ask("GET", f"/profile/{quote('@nobody:' + pair.one.server_name)}")
    assert refused.value.errcode == "M_NOT_FOUND"
    with pytest.raises(Refused) as refused:
        await bob.ask("GET", f"/directory/room/{quote('#nothing:' + pair.one.server_name)}")
    assert refused.value.errcode == "M_NOT_FOUND"


async def test_what_was_said_while_one_was_down(pair: Pair) -> None:
    alice, bob = pair.alice, pair.bob
    room_id = await alice.create_room()
    await bob.join(room_id, pair.one.server_name)
    await alice.wait_for_members(room_id, {alice.user_id, bob.user_id})
    pair.two.stop()
    missed = [f"missed {number}" for number in range(30)]
    for body in missed:
        await alice.say(room_id, body)
    pair.two.start()
    await bob.wait_for_texts(room_id, missed)
    await bob.say(room_id, "read it all")
    await alice.wait_for_texts(room_id, ["read it all"])
    assert await bob.said(room_id) == [*missed, "read it all"]


async def test_typing_receipts_and_messages_to_devices(pair: Pair) -> None:
    alice, bob = pair.alice, pair.bob
    room_id = await alice.create_room()
    await bob.join(room_id, pair.one.server_name)
    await alice.wait_for_members(room_id, {alice.user_id, bob.user_id})
    event_id = await alice.say(room_id, "read me")
    await bob.wait_for_texts(room_id, ["read me"])
    await bob.ask("POST", f"/rooms/{quote(room_id)}/receipt/m.read/{quote(event_id)}", {})
    await bob.ask("PUT", f"/rooms/{quote(room_id)}/typing/{quote(bob.user_id)}", {"typing": True, "timeout": 60_000})
    await bob.ask("PUT", "/sendToDevice/org.example.test/1", {"messages": {alice.user_id: {"*": {"secret": "knock"}}}})
    seen: dict[str, Any] = {}

    async def all_seen() -> bool:
        sync = await alice.sync()
        for event in sync["rooms"]["join"][room_id]["ephemeral"]["events"]:
            seen[event["type"]] = event["content"]
        for event in sync.get("to_device", {}).get("events", []):
            seen[event["type"]] = event["content"]
        return {"m.receipt", "m.typing", "org.example.test"} <= seen.keys()

    await patiently(all_seen, lambda: f"alice saw only {sorted(seen)}")
    assert bob.user_id in seen["m.receipt"][event_id]["m.read"]
    assert seen["m.typing"] == {"user_ids": [bob.user_id]}
    assert seen["org.example.test"] == {"secret": "knock"}
