"""Devices. Spec: client-server API, "Device Management"."""

from collections.abc import Sequence
from typing import Any

import pytest

from ranvier.db.engine import Tx
from tests.users.conftest import MakeWorld
from tests.users.world import World, first_session, refused

ALICE = "@alice:example.org"


def _password(session: str, user: str = "alice", password: str = "wonderland") -> dict[str, Any]:
    return {
        "type": "m.login.password",
        "identifier": {"type": "m.id.user", "user": user},
        "password": password,
        "session": session,
    }


async def test_renaming(world: World) -> None:
    await world.register(device_id="PHONE", initial_device_display_name="Phone")
    told: list[tuple[str, str]] = []

    async def listen(user_id: str, device_id: str) -> None:
        told.append((user_id, device_id))

    world.devices.on_renamed.append(listen)
    await world.devices.rename(ALICE, "PHONE", None)
    assert told == []
    await world.devices.rename(ALICE, "PHONE", "Telephone")
    assert told == [(ALICE, "PHONE")]
    assert (await world.devices.get(ALICE, "PHONE")).display_name == "Telephone"
    for name in ("x" * 101, "a\0"):
        assert (await refused(world.devices.rename(ALICE, "PHONE", name))).errcode == "M_INVALID_PARAM"


@pytest.mark.parametrize("device_id", ["NONE", "a\0", "\ud800", ""])
async def test_unknown_devices(world: World, device_id: str) -> None:
    await world.register(device_id="PHONE")
    for call in (
        world.devices.get(ALICE, device_id),
        world.devices.rename(ALICE, device_id, "x"),
        world.devices.rename(ALICE, device_id, None),
    ):
        error = await refused(call)
        assert (error.status, error.errcode) == (404, "M_NOT_FOUND")


async def test_deleting_needs_the_password_and_logs_out(world: World) -> None:
    requester = await world.requester("alice", device_id="ONE")
    token = (await world.log_in(device_id="TWO")).tokens.access_token
    await world.sessions.authenticate(token)
    steps: list[tuple[str, list[str]]] = []

    async def step(tx: Tx, user_id: str, device_ids: Sequence[str]) -> None:
        steps.append((user_id, list(device_ids)))

    world.removal.steps.append(step)

    async def delete(auth: dict[str, Any] | None) -> None:
        await world.devices.delete(requester, ["TWO", "NONE", "TWO"], auth, operation="POST /delete_devices")

    session = await first_session(delete(None))
    error = await refused(delete(_password(session, password="wrong")))
    assert (error.status, error.errcode) == (401, "M_FORBIDDEN")
    assert (await world.sessions.authenticate(token)).device_id == "TWO"
    await delete(_password(session))
    assert (await refused(world.sessions.authenticate(token))).errcode == "M_UNKNOWN_TOKEN"
    assert [device.device_id for device in await world.devices.all(ALICE)] == ["ONE"]
    assert steps == [(ALICE, ["TWO", "NONE"])]


async def test_anothers_password_does_not_do(world: World) -> None:
    await world.register("bob", "builder")
    requester = await world.requester("alice")
    session = await first_session(world.devices.delete(requester, [], None, operation="op"))
    auth = _password(session, "bob", "builder")
    error = await refused(world.devices.delete(requester, [], auth, operation="op"))
    assert (error.status, error.errcode) == (401, "M_FORBIDDEN")


async def test_without_passwords_nothing_can_be_confirmed(make_world: MakeWorld) -> None:
    requester = await (await make_world()).requester()
    world = await make_world(password_config={"enabled": False})
    error = await refused(world.devices.delete(requester, [], None, operation="op"))
    assert (error.status, error.errcode) == (403, "M_FORBIDDEN")


async def test_others_devices_are_not_touched(world: World) -> None:
    await world.register("bob", device_id="PHONE")
    await world.register("alice", device_id="PHONE")
    await world.devices.delete_now(ALICE, ["PHONE"])
    assert [device.device_id for device in await world.devices.all("@bob:example.org")] == ["PHONE"]
