"""What was acknowledged is there after a restart, and only once."""

from pathlib import Path
from typing import Any

from tests.api.asgi import Client, in_room
from tests.api.homeserver import Homeserver, running


def again(client: Client, homeserver: Homeserver) -> Client:
    """The same client, at the server that was started again."""
    return client.at(homeserver.app)


def by_key(events: list[Any]) -> dict[tuple[str, str], Any]:
    return {(event["type"], event["state_key"]): event for event in events}


async def test_a_room_goes_on_after_a_restart(tmp_path: Path) -> None:
    database = {"name": "sqlite3", "args": {"database": str(tmp_path / "restart.db")}}
    async with running(database) as homeserver:
        alice, bob = await homeserver.register("alice"), await homeserver.register("bob")
        room_id = await alice.create_room(preset="public_chat", name="Tea", room_alias_name="tea")
        (await bob.act(room_id, "join")).ok()
        first = (await alice.send(room_id, "m.room.message", {"body": "before"}, txn_id="txn")).ok()
        state = (await alice.get(f"{in_room(room_id)}/state")).ok()
    async with running(database) as homeserver:
        alice, bob = again(alice, homeserver), again(bob, homeserver)
        assert (await alice.send(room_id, "m.room.message", {"body": "before"}, txn_id="txn")).ok() == first
        assert by_key((await bob.get(f"{in_room(room_id)}/state")).ok()) == by_key(state)
        await bob.say(room_id, "after")
        (await alice.act(room_id, "kick", user_id=bob.user_id)).ok()
        page = (await alice.get(f"{in_room(room_id)}/messages", dir="b", limit="3")).ok()["chunk"]
        assert [event["content"].get("body") for event in page] == [None, "after", "before"]
        another = await bob.create_room()
        assert (await bob.get("/joined_rooms")).ok() == {"joined_rooms": [another]}
    async with running(database) as homeserver:
        alice = again(alice, homeserver)
        joined = (await alice.get(f"{in_room(room_id)}/joined_members")).ok()["joined"]
        assert set(joined) == {alice.user_id}


async def test_a_redaction_and_power_levels_hold_after_a_restart(tmp_path: Path) -> None:
    database = {"name": "sqlite3", "args": {"database": str(tmp_path / "restart.db")}}
    async with running(database) as homeserver:
        alice, bob = await homeserver.register("alice"), await homeserver.register("bob")
        room_id = await alice.create_room(preset="public_chat")
        (await bob.act(room_id, "join")).ok()
        (await alice.redact(room_id, await bob.say(room_id, "secret"))).ok()
        levels = (await alice.state(room_id, "m.room.power_levels")).ok()
        (await alice.set_state(room_id, "m.room.power_levels", {**levels, "events_default": 1})).ok()
    async with running(database) as homeserver:
        alice, bob = again(alice, homeserver), again(bob, homeserver)
        page = (await bob.get(f"{in_room(room_id)}/messages", dir="b", limit="10")).ok()
        assert "secret" not in str(page)
        (await bob.send(room_id, "m.room.message", {"body": "x"})).refused(403, "M_FORBIDDEN")
        await alice.say(room_id, "x")
