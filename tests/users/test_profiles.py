"""Profiles. Spec: client-server API, "Profiles"."""

from typing import Any

import pytest

from tests.users.conftest import MakeWorld
from tests.users.world import World, refused

ALICE = "@alice:example.org"


async def test_fields_of_any_kind(world: World) -> None:
    alice = await world.requester()
    assert await world.profiles.set(alice, ALICE, "displayname", "Alice\0 👩‍🚀") is True
    assert await world.profiles.set(alice, ALICE, "avatar_url", "mxc://example.org/a") is True
    assert await world.profiles.set(alice, ALICE, "m.tz", "Europe/London") is False
    assert await world.profiles.set(alice, ALICE, "org.example.any", {"list": [1, None]}) is False
    assert dict(await world.profiles.get(ALICE)) == {
        "displayname": "Alice\0 👩‍🚀",
        "avatar_url": "mxc://example.org/a",
        "m.tz": "Europe/London",
        "org.example.any": {"list": [1, None]},
    }
    assert await world.profiles.field(ALICE, "m.tz") == "Europe/London"


async def test_what_does_not_change_is_not_announced(world: World) -> None:
    alice = await world.requester()
    assert await world.profiles.set(alice, ALICE, "displayname", "alice") is False
    assert await world.profiles.delete(alice, ALICE, "avatar_url") is False


async def test_removing(world: World) -> None:
    alice = await world.requester()
    assert await world.profiles.delete(alice, ALICE, "displayname") is True
    error = await refused(world.profiles.field(ALICE, "displayname"))
    assert (error.status, error.errcode) == (404, "M_NOT_FOUND")
    await world.profiles.set(alice, ALICE, "displayname", "Alice")
    assert await world.profiles.set(alice, ALICE, "displayname", "") is True
    assert dict(await world.profiles.get(ALICE)) == {}


async def test_reading_again_costs_nothing(world: World) -> None:
    await world.register()
    await world.profiles.get(ALICE)
    before = world.db.counters.statements
    assert (await world.profiles.of(ALICE))["displayname"] == "alice"
    assert world.db.counters.statements == before


@pytest.mark.parametrize("user_id", ["@nobody:example.org", "\0", "\ud800"])
async def test_unknown_users(world: World, user_id: str) -> None:
    assert (await refused(world.profiles.get(user_id))).errcode == "M_NOT_FOUND"
    assert dict(await world.profiles.of(user_id)) == {}


async def test_only_ones_own(world: World) -> None:
    alice, bob = await world.requester("alice"), "@bob:example.org"
    await world.register("bob")
    for call in (
        world.profiles.set(alice, bob, "displayname", "x"),
        world.profiles.delete(alice, bob, "displayname"),
    ):
        error = await refused(call)
        assert (error.status, error.errcode) == (403, "M_FORBIDDEN")


@pytest.mark.parametrize(
    ("key", "value", "errcode"),
    [
        ("displayname", 1, "M_BAD_JSON"),
        ("displayname", None, "M_BAD_JSON"),
        ("displayname", "x" * 257, "M_INVALID_PARAM"),
        ("avatar_url", "https://example.org", "M_INVALID_PARAM"),
        ("avatar_url", {}, "M_BAD_JSON"),
        ("a" * 256, 1, "M_KEY_TOO_LARGE"),
        ("Upper", 1, "M_INVALID_PARAM"),
        ("", 1, "M_INVALID_PARAM"),
        ("\ud800", 1, "M_INVALID_PARAM"),
        ("org.example.big", "x" * 65_536, "M_PROFILE_TOO_LARGE"),
    ],
)
async def test_limits(world: World, key: str, value: Any, errcode: str) -> None:
    alice = await world.requester()
    error = await refused(world.profiles.set(alice, ALICE, key, value))
    assert (error.status, error.errcode) == (400, errcode)


@pytest.mark.parametrize("value", ["\ud800", {"\ud800": 1}])
async def test_values_that_are_no_unicode(world: World, value: Any) -> None:
    alice = await world.requester()
    error = await refused(world.profiles.set(alice, ALICE, "org.example", value))
    assert (error.status, error.errcode) == (400, "M_BAD_JSON")


async def test_fields_that_the_server_manages(make_world: MakeWorld) -> None:
    world = await make_world(enable_set_displayname=False)
    alice = await world.requester()
    assert (await refused(world.profiles.set(alice, ALICE, "displayname", "x"))).errcode == "M_FORBIDDEN"
    await world.profiles.set(alice, ALICE, "avatar_url", "mxc://example.org/a")
