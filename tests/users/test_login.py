"""Logging in and out. Spec: client-server API, "Login"."""

import pytest

from ranvier.users.login import LoginRequest
from tests.users.conftest import MakeWorld
from tests.users.world import World, refused

ALICE = "@alice:example.org"


@pytest.mark.parametrize("name", ["alice", "Alice", "@alice:example.org", "@ALICE:example.org"])
async def test_by_localpart_or_user_id(world: World, name: str) -> None:
    await world.register()
    login = await world.log_in(name)
    assert login.user_id == ALICE
    requester = await world.sessions.authenticate(login.tokens.access_token)
    assert (requester.user_id, requester.device_id) == (ALICE, login.device_id)


async def test_the_older_form_of_the_request(world: World) -> None:
    await world.register()
    wanted = LoginRequest(type="m.login.password", user="alice", password="wonderland")
    assert (await world.login.login(wanted)).user_id == ALICE


@pytest.mark.parametrize(
    ("name", "password"),
    [
        ("alice", "wrong"),
        ("alice", ""),
        ("alice", "x" * 600),
        ("nobody", "wonderland"),
        ("@alice:elsewhere.org", "wonderland"),
        ("a\0lice", "wonderland"),
        ("\ud800", "wonderland"),
        ("", "wonderland"),
    ],
)
async def test_wrong_credentials(world: World, name: str, password: str) -> None:
    await world.register()
    error = await refused(world.log_in(name, password))
    assert (error.status, error.errcode) == (403, "M_FORBIDDEN")


@pytest.mark.parametrize(
    ("request_", "status", "errcode"),
    [
        (LoginRequest(type="m.login.nonsense"), 400, "M_UNKNOWN"),
        (LoginRequest(type="m.login.password", password="x"), 400, "M_MISSING_PARAM"),
        (LoginRequest(type="m.login.password", user="alice"), 400, "M_MISSING_PARAM"),
        (LoginRequest(type="m.login.password", identifier={}, password="x"), 400, "M_UNKNOWN"),
        (LoginRequest(type="m.login.password", identifier={"type": "m.id.user"}, password="x"), 400, "M_MISSING_PARAM"),
        (
            LoginRequest(type="m.login.password", identifier={"type": "m.id.user", "user": 1}, password="x"),
            400,
            "M_BAD_JSON",
        ),
        (
            LoginRequest(
                type="m.login.password",
                identifier={"type": "m.id.thirdparty", "medium": "email", "address": "a@b.c"},
                password="x",
            ),
            403,
            "M_FORBIDDEN",
        ),
        (LoginRequest(type="m.login.password", medium="email", address="a@b.c", password="x"), 403, "M_FORBIDDEN"),
    ],
)
async def test_malformed_requests(world: World, request_: LoginRequest, status: int, errcode: str) -> None:
    error = await refused(world.login.login(request_))
    assert (error.status, error.errcode) == (status, errcode)


async def test_passwords_can_be_switched_off(make_world: MakeWorld) -> None:
    world = await make_world(password_config={"enabled": False})
    assert world.login.flows() == []
    assert (await refused(world.log_in())).errcode == "M_UNKNOWN"


async def test_a_device_that_logs_in_again_keeps_its_name_and_loses_its_token(world: World) -> None:
    await world.register()
    first = await world.log_in(device_id="PHONE", initial_device_display_name="Phone")
    await world.sessions.authenticate(first.tokens.access_token)
    second = await world.log_in(device_id="PHONE", initial_device_display_name="Other")
    assert (await refused(world.sessions.authenticate(first.tokens.access_token))).errcode == "M_UNKNOWN_TOKEN"
    await world.sessions.authenticate(second.tokens.access_token)
    assert (await world.devices.get(ALICE, "PHONE")).display_name == "Phone"


async def test_too_many_failures(make_world: MakeWorld) -> None:
    world = await make_world(rc_login={"failed_attempts": {"per_second": 0.1, "burst_count": 2}})
    await world.register()
    for _ in range(2):
        assert (await refused(world.log_in("alice", "wrong"))).errcode == "M_FORBIDDEN"
    error = await refused(world.log_in("@Alice:example.org"))
    assert (error.status, error.errcode) == (429, "M_LIMIT_EXCEEDED")
    world.clock.ms += 60_000
    await world.log_in()


async def test_too_many_logins_into_one_account(make_world: MakeWorld) -> None:
    world = await make_world(rc_login={"account": {"per_second": 0.1, "burst_count": 2}})
    await world.register()
    await world.log_in("alice")
    await refused(world.log_in("ALICE", "wrong"))
    error = await refused(world.log_in("@alice:example.org"))
    assert (error.status, error.errcode) == (429, "M_LIMIT_EXCEEDED")
    assert (await refused(world.log_in("bob"))).errcode == "M_FORBIDDEN"


async def test_locked_accounts_cannot_log_in(world: World) -> None:
    await world.register()
    await world.account.set_flag(ALICE, "locked", value=True)
    assert (await refused(world.log_in("alice", "wrong"))).errcode == "M_FORBIDDEN"
    error = await refused(world.log_in())
    assert (error.status, error.errcode, error.extra["soft_logout"]) == (401, "M_USER_LOCKED", True)


async def test_logout_ends_one_login_and_removes_its_device(world: World) -> None:
    first = await world.requester("alice", device_id="ONE")
    second = await world.log_in(device_id="TWO")
    first_token = (await world.log_in(device_id="ONE")).tokens.access_token
    first = await world.sessions.authenticate(first_token)
    told: list[tuple[str, list[str]]] = []
    world.removal.listeners.append(lambda user_id, device_ids: told.append((user_id, list(device_ids))))
    await world.logout.logout(first)
    assert (await refused(world.sessions.authenticate(first_token))).errcode == "M_UNKNOWN_TOKEN"
    await world.sessions.authenticate(second.tokens.access_token)
    assert [device.device_id for device in await world.devices.all(ALICE)] == ["TWO"]
    assert told == [(ALICE, ["ONE"])]


async def test_logout_everywhere(world: World) -> None:
    await world.register()
    tokens = [(await world.log_in(refresh_token=True)).tokens for _ in range(3)]
    for pair in tokens:
        await world.sessions.authenticate(pair.access_token)
    await world.logout.logout_all(ALICE)
    for pair in tokens:
        assert (await refused(world.sessions.authenticate(pair.access_token))).errcode == "M_UNKNOWN_TOKEN"
        assert pair.refresh_token is not None
        assert (await refused(world.refreshing.refresh(pair.refresh_token))).errcode == "M_UNKNOWN_TOKEN"
    assert await world.devices.all(ALICE) == []


async def test_statements_of_a_login(world: World) -> None:
    await world.register()
    before = world.db.counters.statements, world.db.counters.write_transactions
    await world.log_in()
    after = world.db.counters.statements, world.db.counters.write_transactions
    assert (after[0] - before[0], after[1] - before[1]) == (3, 1)
