"""Whole rooms in `/sync`: what is read together, undone and shared says the same as what is read alone."""

from collections.abc import Mapping
from typing import Any

from tests.api.asgi import Client, in_room
from tests.api.device import filtered
from tests.api.homeserver import running

LAZY = filtered(room={"state": {"lazy_load_members": True}})


async def rooms_of(client: Client, **query: str) -> Any:
    """The joined rooms of a first sync, without what depends on the moment; state in a fixed order."""
    joined = (await client.get("/sync", timeout="0", **query)).ok()["rooms"]["join"]
    for room in joined.values():
        room["state"]["events"].sort(key=lambda event: (event["type"], event["state_key"]))
        for event in room["timeline"]["events"]:
            event.get("unsigned", {}).pop("age", None)
            event.get("unsigned", {}).pop("membership", None)
            event.get("unsigned", {}).pop("transaction_id", None)
            if event.get("unsigned") == {}:
                del event["unsigned"]
    return joined


def state_after(room: Any) -> dict[tuple[str, str], Any]:
    """What a client makes of a room's section."""
    events = [*room["state"]["events"], *room["timeline"]["events"]]
    return {(event["type"], event["state_key"]): event["event_id"] for event in events if "state_key" in event}


async def told_and_true(client: Client, room_id: str, room: Any) -> tuple[Any, Any]:
    events = (await client.get(f"{in_room(room_id)}/state")).ok()
    return state_after(room), {(event["type"], event["state_key"]): event["event_id"] for event in events}


async def make_rooms(alice: Client, bob: Client, carol: Client) -> list[str]:
    """Rooms in which much changes within one timeline."""
    found = []
    for number in range(4):
        room_id = await alice.create_room(preset="public_chat", **({"name": "x"} if number % 2 else {}))
        found.append(room_id)
        for client in (bob, carol):
            (await client.act(room_id, "join")).ok()
        for text in ("first", "second", "third"):
            (await alice.set_state(room_id, "m.room.topic", {"topic": text})).ok()
            await bob.say(room_id, text)
        if number >= 2:
            for act in ("leave", "join", "leave"):
                (await carol.act(room_id, act)).ok()
            (await alice.set_state(room_id, "m.new", {"n": number})).ok()
    return found


async def test_rooms_read_together_are_as_they_were(db_config: Mapping[str, Any]) -> None:
    async with running(db_config) as server:
        alice, bob, carol = [await server.register(name) for name in ("alice", "bob", "carol")]
        rooms = await make_rooms(alice, bob, carol)
    answers = []
    orders: list[tuple[dict[str, str], ...]] = [(LAZY, {}), ({}, LAZY)]
    for order in orders:
        async with running(db_config) as server:
            alice, bob = alice.at(server.app), bob.at(server.app)
            answers.append({str(query): await rooms_of(alice, **query) for query in order})
            full = await rooms_of(bob)
            for room_id in rooms:
                told, true = await told_and_true(bob, room_id, full[room_id])
                assert told == true
                await bob.say(room_id, "more")
            again = await rooms_of(bob)
            for room_id in rooms:
                told, true = await told_and_true(bob, room_id, again[room_id])
                assert told == true
                assert [event["event_id"] for event in again[room_id]["timeline"]["events"]][:-1] == [
                    event["event_id"] for event in full[room_id]["timeline"]["events"]
                ][1:]
    for room_id in rooms:
        lazy = answers[0][str(LAZY)][room_id]
        senders = {event["sender"] for event in lazy["timeline"]["events"]}
        members = {event["state_key"] for event in lazy["state"]["events"] if event["type"] == "m.room.member"}
        known = members | {
            event["state_key"] for event in lazy["timeline"]["events"] if event["type"] == "m.room.member"
        }
        assert senders <= known


async def test_everyone_gets_their_own_transaction_ids(db_config: Mapping[str, Any]) -> None:
    """Though the room is built once for all."""
    async with running(db_config) as server:
        alice, bob = await server.register("alice"), await server.register("bob")
        room_id = await alice.create_room(preset="public_chat", name="x")
        (await bob.act(room_id, "join")).ok()
        sent = {}
        for number, client in enumerate((alice, bob, alice)):
            answer = await client.send(room_id, "m.room.message", {"body": "x"}, txn_id=f"txn{number}")
            sent[answer.ok()["event_id"]] = (client, f"txn{number}")
        redacted = next(iter(sent))
        (await alice.redact(room_id, redacted)).ok()
        for client in (bob, alice, bob):
            joined = (await client.get("/sync", timeout="0")).ok()["rooms"]["join"][room_id]
            for event in joined["timeline"]["events"]:
                own, txn_id = sent.get(event["event_id"], (None, ""))
                if own is not None:
                    told = event.get("unsigned", {}).get("transaction_id")
                    assert told == (txn_id if own is client else None)
                if event["event_id"] == redacted:
                    assert "redacted_because" in event["unsigned"]


async def test_history_that_is_not_for_all_is_not_shared(db_config: Mapping[str, Any]) -> None:
    """Bob, who came later, does not see what Alice saw before him, whoever asks first."""
    async with running(db_config) as server:
        alice, bob = await server.register("alice"), await server.register("bob")
        room_id = await alice.create_room(preset="public_chat", name="x")
        setting = ("m.room.history_visibility", {"history_visibility": "joined"})
        (await alice.set_state(room_id, *setting)).ok()
        secret = await alice.say(room_id, "secret")
        (await bob.act(room_id, "join")).ok()
        (await alice.set_state(room_id, setting[0], {"history_visibility": "shared"})).ok()
        for client, sees in ((alice, True), (bob, False), (alice, True)):
            joined = (await client.get("/sync", timeout="0")).ok()["rooms"]["join"][room_id]
            assert (secret in [event["event_id"] for event in joined["timeline"]["events"]]) == sees
