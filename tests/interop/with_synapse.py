"""Ranvier and Synapse in the same rooms, in every room version that both create.

Synapse comes from the Python Package Index (`environment.py`), so this file is not among those that `make test` collects.
"""

import secrets
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests.clients.conftest import OpenEncryptingNio
from tests.clients.encryption_story import tell_story
from tests.federation_tls.person import Person, Refused, patiently
from tests.interop.conftest import Neighbours
from tests.interop.partial_joins import asked, was_partial

_HISTORY = 500
_VERSIONS = ["6", "9", "10", "11", "12"]
_FASTER_JOINS = ["9", "10", "11", "12"]
_CROWD = 12
_HOSTS = ["ranvier", "synapse"]

every_room = pytest.mark.parametrize("version", _VERSIONS)
either_host = pytest.mark.parametrize("host", _HOSTS)


async def agree(host: Person, guest: Person, room_id: str) -> None:
    """Both servers come to the same state of the room."""

    async def same() -> bool:
        return await host.state(room_id) == await guest.state(room_id)

    await patiently(same, lambda: f"the servers do not agree on {room_id}")


@every_room
@either_host
async def test_join_and_talk(neighbours: Neighbours, host: str, version: str) -> None:
    one, other = neighbours.host_and_guest(host)
    room_id = await one.create_room(room_version=version, room_alias_name=f"square{version}-{host}", topic="Talk")
    await one.say(room_id, "before")
    await other.join(f"#square{version}-{host}:{neighbours.server_of(one).server_name}")
    said = ["before"]
    for number in range(5):
        for person, hearer in ((one, other), (other, one)):
            said.append(f"{number} from {person.user_id}")
            await person.say(room_id, said[-1])
            await hearer.wait_for_texts(room_id, said[-1:])
    assert await one.said(room_id) == await other.said(room_id) == said
    await agree(one, other, room_id)
    await other.membership(room_id, "leave")
    await one.wait_for_members(room_id, {one.user_id})


@pytest.mark.parametrize("version", _FASTER_JOINS)
@either_host
async def test_join_with_partial_state(neighbours: Neighbours, host: str, version: str) -> None:
    """The guest's server leaves the members for later, and knows them all in the end; both say things meanwhile."""
    one, other = neighbours.host_and_guest(host)
    resident, joiner = neighbours.server_of(one), neighbours.server_of(other)
    room_id = await one.create_room(room_version=version, name="Crowd")
    crowd = [await neighbours.another(one) for _ in range(_CROWD)]
    for person in crowd:
        await person.join(room_id)
    await crowd[0].membership(room_id, "leave")
    await one.membership(room_id, "ban", crowd[1].user_id)
    await other.join(room_id, resident.server_name)
    await other.say(room_id, "here at once")
    await crowd[2].say(room_id, "welcome")
    everybody = {one.user_id, other.user_id, *(person.user_id for person in crowd[2:])}
    for person in (one, other):
        await person.wait_for_members(room_id, everybody)
        await person.wait_for_texts(room_id, ["here at once", "welcome"])
    await agree(one, other, room_id)
    await patiently(lambda: _so(was_partial(joiner, room_id)), lambda: f"the join of {room_id} was not partial")
    if host == "ranvier":
        lines = asked(resident, room_id)
        assert [line for line in lines if "/send_join/" in line and "omit_members=true" in line], lines
        assert [line for line in lines if "/state_ids/" in line or "/state/" in line], lines


async def _so(value: bool) -> bool:
    return value


@every_room
@either_host
async def test_invite_refuse_accept_kick_ban(neighbours: Neighbours, host: str, version: str) -> None:
    one, other = neighbours.host_and_guest(host)
    room_id = await one.create_room(room_version=version, preset="private_chat", name="Private")
    await one.membership(room_id, "invite", other.user_id)
    invited = await other.wait_for_section(room_id, "invite")
    names = [e["content"]["name"] for e in invited["invite_state"]["events"] if e["type"] == "m.room.name"]
    assert names == ["Private"]
    await other.membership(room_id, "leave")
    await _wait_for_membership(one, room_id, other, "leave")
    await one.membership(room_id, "invite", other.user_id)
    await other.wait_for_section(room_id, "invite")
    await other.join(room_id)
    await one.wait_for_members(room_id, {one.user_id, other.user_id})
    await agree(one, other, room_id)
    await one.membership(room_id, "kick", other.user_id)
    await other.wait_for_section(room_id, "leave")
    await one.membership(room_id, "ban", other.user_id)
    with pytest.raises(Refused) as refused:
        await other.join(room_id, neighbours.server_of(one).server_name)
    assert refused.value.status == HTTPStatus.FORBIDDEN


@every_room
@either_host
async def test_history_from_before_the_join(neighbours: Neighbours, host: str, version: str) -> None:
    one, other = neighbours.host_and_guest(host)
    room_id = await one.create_room(room_version=version)
    texts = [f"line {number}" for number in range(_HISTORY)]
    for text in texts:
        await one.say(room_id, text)
    await other.join(room_id, neighbours.server_of(one).server_name)

    async def all_there() -> bool:
        return await other.said(room_id) == texts

    await patiently(all_there, lambda: f"{other.user_id} cannot read all of the history")


@every_room
@either_host
async def test_both_change_the_room_at_once(neighbours: Neighbours, host: str, version: str) -> None:
    """Neither waits for the other, so the graph forks, and both resolve it to the same."""
    one, other = neighbours.host_and_guest(host)
    room_id = await one.create_room(room_version=version)
    await other.join(room_id, neighbours.server_of(one).server_name)
    levels = await one.ask("GET", f"/rooms/{quote(room_id)}/state/m.room.power_levels/")
    await one.ask(
        "PUT",
        f"/rooms/{quote(room_id)}/state/m.room.power_levels/",
        levels | {"users": levels.get("users", {}) | {other.user_id: 50}},
    )

    async def has_power() -> bool:
        now = await other.ask("GET", f"/rooms/{quote(room_id)}/state/m.room.power_levels/")
        return bool(now.get("users", {}).get(other.user_id) == 50)

    await patiently(has_power, lambda: "the power levels have not arrived")
    for number in range(5):
        for person in (one, other):
            await person.ask("PUT", f"/rooms/{quote(room_id)}/state/m.room.topic/", {"topic": f"{number}"})
            await person.ask("PUT", f"/rooms/{quote(room_id)}/state/m.room.name/", {"name": person.user_id})
    await one.say(room_id, "done")
    await other.say(room_id, "done too")
    await other.wait_for_texts(room_id, ["done", "done too"])
    await one.wait_for_texts(room_id, ["done", "done too"])
    await agree(one, other, room_id)


@either_host
async def test_knock_and_restricted_join(neighbours: Neighbours, host: str) -> None:
    one, other = neighbours.host_and_guest(host)
    name = neighbours.server_of(one).server_name
    knocking = {"type": "m.room.join_rules", "state_key": "", "content": {"join_rule": "knock"}}
    room_id = await one.create_room(preset="private_chat", room_version="10", initial_state=[knocking])
    await other.ask("POST", f"/knock/{quote(room_id)}?via={quote(name)}&server_name={quote(name)}", {"reason": "tea"})
    await _wait_for_membership(one, room_id, other, "knock")
    await one.membership(room_id, "invite", other.user_id)
    await other.wait_for_section(room_id, "invite")
    await other.join(room_id)
    await one.wait_for_members(room_id, {one.user_id, other.user_id})
    allow = [{"type": "m.room_membership", "room_id": room_id}]
    restricted = {
        "type": "m.room.join_rules",
        "state_key": "",
        "content": {"join_rule": "restricted", "allow": allow},
    }
    inner = await one.create_room(preset="private_chat", room_version="10", initial_state=[restricted])
    await other.join(inner, name)
    await agree(one, other, inner)


async def _wait_for_membership(watcher: Person, room_id: str, person: Person, membership: str) -> None:
    async def there() -> bool:
        path = f"/rooms/{quote(room_id)}/state/m.room.member/{quote(person.user_id)}"
        try:
            content = await watcher.ask("GET", path)
        except Refused:
            return False
        return bool(content["membership"] == membership)

    await patiently(there, lambda: f"{watcher.user_id} does not see {membership} of {person.user_id}")


@either_host
async def test_moments_and_messages_to_devices(neighbours: Neighbours, host: str) -> None:
    """Who types, who has read, and what is sent to devices."""
    one, other = neighbours.host_and_guest(host)
    room_id = await one.create_room()
    await other.join(room_id, neighbours.server_of(one).server_name)
    await one.wait_for_members(room_id, {one.user_id, other.user_id})
    event_id = await one.say(room_id, "read me")
    await other.wait_for_texts(room_id, ["read me"])
    since = (await one.sync())["next_batch"]
    await other.ask("POST", f"/rooms/{quote(room_id)}/receipt/m.read/{quote(event_id)}", {})
    typing = f"/rooms/{quote(room_id)}/typing/{quote(other.user_id)}"
    await other.ask("PUT", typing, {"typing": True, "timeout": 60_000})
    secret = {"messages": {one.user_id: {"*": {"secret": "knock"}}}}
    await other.ask("PUT", "/sendToDevice/org.example.test/1", secret)
    seen: dict[str, Any] = {}

    async def all_seen() -> bool:
        sync = await one.ask("GET", f"/sync?since={quote(since)}")
        ephemeral = sync.get("rooms", {}).get("join", {}).get(room_id, {}).get("ephemeral", {}).get("events", [])
        for event in [*ephemeral, *sync.get("to_device", {}).get("events", [])]:
            seen[event["type"]] = event["content"]
        return {"m.receipt", "m.typing", "org.example.test"} <= seen.keys()

    await patiently(all_seen, lambda: f"{one.user_id} saw only {sorted(seen)}")
    assert other.user_id in seen["m.receipt"][event_id]["m.read"]
    assert seen["m.typing"] == {"user_ids": [other.user_id]}
    assert seen["org.example.test"] == {"secret": "knock"}


@either_host
async def test_unmodified_clients_encrypt(
    neighbours: Neighbours, node: Path, open_encrypting_nio: OpenEncryptingNio, host: str
) -> None:
    """Alice with matrix-js-sdk on one server; Bob with it, and Carol with matrix-nio, on the other."""
    one, other = neighbours.ranvier, neighbours.synapse
    if host == "synapse":
        one, other = other, one
    suffix = secrets.token_hex(4)
    carol = open_encrypting_nio(other.url, f"carol-{suffix}")
    await carol.register()
    alice_id, bob_id = f"@alice-{suffix}:{one.server_name}", f"@bob-{suffix}:{other.server_name}"
    await tell_story(node, carol, alice_id=alice_id, bob_id=bob_id, urls=(one.url, other.url))
