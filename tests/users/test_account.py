"""Changing the password, deactivating. Spec: client-server API, "Password management", "Account deactivation"."""

from typing import Any

import pytest

from tests.users.world import World, first_session, refused

ALICE = "@alice:example.org"


def _password(session: str, password: str = "wonderland") -> dict[str, Any]:
    return {
        "type": "m.login.password",
        "identifier": {"type": "m.id.user", "user": "alice"},
        "password": password,
        "session": session,
    }


@pytest.mark.parametrize("logout_devices", [True, False])
async def test_a_new_password(world: World, logout_devices: bool) -> None:
    answer = await world.register(device_id="ONE")
    requester = await world.sessions.authenticate(answer.access_token or "")
    other = (await world.log_in(device_id="TWO")).tokens.access_token

    async def change(auth: dict[str, Any] | None) -> None:
        await world.account.change_password(requester, "looking-glass", auth, logout_devices=logout_devices)

    await change(_password(await first_session(change(None))))
    assert (await refused(world.log_in())).errcode == "M_FORBIDDEN"
    assert await world.sessions.authenticate(answer.access_token or "") == requester
    if logout_devices:
        assert (await refused(world.sessions.authenticate(other))).errcode == "M_UNKNOWN_TOKEN"
    else:
        await world.sessions.authenticate(other)
    await world.log_in(password="looking-glass")


async def test_a_password_can_be_changed_without_a_login(world: World) -> None:
    token = (await world.register()).access_token or ""
    session = await first_session(world.account.change_password(None, "looking-glass", None))
    await world.account.change_password(None, "looking-glass", _password(session))
    assert (await refused(world.sessions.authenticate(token))).errcode == "M_UNKNOWN_TOKEN"
    await world.log_in(password="looking-glass")


async def test_a_bad_new_password_is_refused_first(world: World) -> None:
    requester = await world.requester()
    assert (await refused(world.account.change_password(requester, "", None))).errcode == "M_INVALID_PARAM"


@pytest.mark.parametrize("erase", [False, True])
async def test_deactivating(world: World, erase: bool) -> None:
    answer = await world.register()
    requester = await world.sessions.authenticate(answer.access_token or "")
    await world.account_data.put(requester, ALICE, None, "org.example", {"a": 1})

    async def deactivate(auth: dict[str, Any] | None) -> str:
        return await world.account.deactivate_self(requester, auth, erase=erase)

    assert await deactivate(_password(await first_session(deactivate(None)))) == ALICE
    assert (await refused(world.sessions.authenticate(answer.access_token or ""))).errcode == "M_UNKNOWN_TOKEN"
    error = await refused(world.log_in())
    assert (error.status, error.errcode) == (403, "M_USER_DEACTIVATED")
    assert await world.devices.all(ALICE) == []
    assert dict(await world.profiles.get(ALICE)) == {}
    assert (await world.account_data.content(ALICE, None, "org.example") is None) is erase
    assert (await refused(world.registration.check_available("alice"))).errcode == "M_USER_IN_USE"
    assert (await world.account.get(ALICE)).erased is erase


async def test_coming_back(world: World) -> None:
    await world.register()
    await world.account.deactivate(ALICE, erase=True)
    await world.account.reactivate(ALICE, "second-life")
    await world.log_in(password="second-life")


async def test_unknown_accounts(world: World) -> None:
    nobody = "@nobody:example.org"
    for call in (
        world.account.get(nobody),
        world.account.deactivate(nobody, erase=False),
        world.account.reactivate(nobody, None),
        world.account.set_flag(nobody, "admin", value=True),
        world.account.set_password(nobody, "x", logout_devices=True),
    ):
        assert (await refused(call)).errcode == "M_NOT_FOUND"
