"""Registering. Spec: client-server API, "Account registration"."""

import hashlib
import hmac
import re

import pytest

from ranvier.users.create_account import NewAccount
from ranvier.users.interactive_auth import InteractiveAuthRequired
from ranvier.users.registration import RegistrationRequest
from ranvier.users.shared_secret import SharedSecretRequest
from tests.users.conftest import MakeWorld
from tests.users.world import World, first_session, refused


async def test_a_new_user_is_logged_in(world: World) -> None:
    answer = await world.register("alice", device_id="PHONE", initial_device_display_name="Phone")
    assert answer.user_id == "@alice:example.org"
    assert answer.device_id == "PHONE"
    assert answer.access_token is not None
    assert answer.refresh_token is None
    assert answer.expires_in_ms is None
    requester = await world.sessions.authenticate(answer.access_token)
    assert (requester.user_id, requester.device_id) == ("@alice:example.org", "PHONE")
    assert not requester.is_guest and not requester.is_admin
    assert (await world.devices.get("@alice:example.org", "PHONE")).display_name == "Phone"
    assert dict(await world.profiles.get("@alice:example.org")) == {"displayname": "alice"}


async def test_registration_is_one_transaction(world: World) -> None:
    wanted = RegistrationRequest(username="alice", password="x")
    wanted.auth = {"type": "m.login.dummy", "session": await first_session(world.registration.register(wanted))}
    before = world.db.counters.write_transactions
    await world.registration.register(wanted)
    assert world.db.counters.write_transactions - before == 1


async def test_without_auth_nothing_succeeds(world: World) -> None:
    wanted = RegistrationRequest(username="alice", password="x")
    with pytest.raises(InteractiveAuthRequired) as caught:
        await world.registration.register(wanted)
    assert caught.value.status == 401
    assert caught.value.extra["flows"] == [{"stages": ["m.login.dummy"]}]
    assert caught.value.extra["params"] == {}
    assert "completed" not in caught.value.extra


async def test_token_text(world: World) -> None:
    answer = await world.register("al/ice")
    assert answer.access_token is not None
    assert re.fullmatch(r"syt_YWwvaWNl_[A-Za-z]{20}_[0-9A-Za-z]{6}", answer.access_token)


async def test_inhibit_login_gives_no_tokens(world: World) -> None:
    answer = await world.register("alice", inhibit_login=True)
    assert (answer.access_token, answer.device_id) == (None, None)
    assert await world.devices.all("@alice:example.org") == []


async def test_names_are_put_in_lower_case(world: World) -> None:
    assert (await world.register("ALiCe")).user_id == "@alice:example.org"


@pytest.mark.parametrize("name", ["", "é", "a b", "a:b", "a\0b", "\ud800", "_bot", "12345", "x" * 250, "a#b", "@a"])
async def test_invalid_names(world: World, name: str) -> None:
    for call in (
        world.registration.register(RegistrationRequest(username=name, password="x")),
        world.registration.check_available(name),
    ):
        error = await refused(call)
        assert (error.status, error.errcode) == (400, "M_INVALID_USERNAME")


async def test_a_name_that_is_taken_is_refused_before_authentication(world: World) -> None:
    await world.register("alice")
    for call in (
        world.registration.register(RegistrationRequest(username="Alice", password="x")),
        world.registration.check_available("alice"),
    ):
        error = await refused(call)
        assert (error.status, error.errcode) == (400, "M_USER_IN_USE")
    await world.registration.check_available("bob")


async def test_a_name_that_was_taken_meanwhile(world: World) -> None:
    wanted = RegistrationRequest(username="alice", password="x")
    wanted.auth = {"type": "m.login.dummy", "session": await first_session(world.registration.register(wanted))}
    await world.accounts.create(NewAccount(user_id="@alice:example.org"), None)
    assert (await refused(world.registration.register(wanted))).errcode == "M_USER_IN_USE"


async def test_who_names_nobody_is_given_a_name(world: World) -> None:
    wanted = RegistrationRequest(password="x")
    wanted.auth = {"type": "m.login.dummy", "session": await first_session(world.registration.register(wanted))}
    assert re.fullmatch(r"@[a-z]{12}:example\.org", (await world.registration.register(wanted)).user_id)


async def test_registration_can_be_disabled(make_world: MakeWorld) -> None:
    world = await make_world(enable_registration=False)
    for call in (
        world.registration.register(RegistrationRequest(username="alice", password="x")),
        world.registration.check_available("alice"),
        world.registration.is_token_valid("x"),
    ):
        error = await refused(call)
        assert (error.status, error.errcode) == (403, "M_FORBIDDEN")


async def test_guests(make_world: MakeWorld) -> None:
    world = await make_world(allow_guest_access=True)
    answer = await world.registration.register_guest("Browser")
    assert answer.access_token is not None
    assert (await world.sessions.authenticate(answer.access_token)).is_guest
    assert dict(await world.profiles.get(answer.user_id)) == {}


async def test_guests_can_be_refused(world: World) -> None:
    assert (await refused(world.registration.register_guest(None))).errcode == "M_FORBIDDEN"


@pytest.mark.parametrize(
    ("password", "errcode"),
    [
        ("", "M_INVALID_PARAM"),
        ("x" * 513, "M_INVALID_PARAM"),
        ("Ab1!", "M_WEAK_PASSWORD"),
        ("abcdefg1!", "M_WEAK_PASSWORD"),
        ("ABCDEFG1!", "M_WEAK_PASSWORD"),
        ("Abcdefgh!", "M_WEAK_PASSWORD"),
        ("Abcdefgh1", "M_WEAK_PASSWORD"),
    ],
)
async def test_weak_passwords(make_world: MakeWorld, password: str, errcode: str) -> None:
    policy = {
        "enabled": True,
        "minimum_length": 8,
        "require_digit": True,
        "require_symbol": True,
        "require_lowercase": True,
        "require_uppercase": True,
    }
    world = await make_world(password_config={"policy": policy})
    error = await refused(world.registration.register(RegistrationRequest(username="alice", password=password)))
    assert (error.status, error.errcode) == (400, errcode)


@pytest.mark.parametrize("device_id", ["a\0b", "x" * 256, "\ud800"])
async def test_device_ids_that_cannot_be(world: World, device_id: str) -> None:
    wanted = RegistrationRequest(username="alice", password="x", device_id=device_id)
    assert (await refused(world.registration.register(wanted))).errcode == "M_INVALID_PARAM"


async def test_registration_tokens(make_world: MakeWorld) -> None:
    world = await make_world(registration_requires_token=True)
    await world.registration_tokens.create("let-me-in", uses_allowed=1, expiry_time=None)
    assert await world.registration.is_token_valid("let-me-in")
    assert not await world.registration.is_token_valid("a\0b")

    wanted = RegistrationRequest(username="alice", password="x")
    session = await first_session(world.registration.register(wanted))
    wanted.auth = {"type": "m.login.registration_token", "token": "wrong", "session": session}
    error = await refused(world.registration.register(wanted))
    assert (error.status, error.errcode) == (401, "M_UNAUTHORIZED")
    assert error.extra["session"] == session

    other = RegistrationRequest(username="bob", password="x")
    other_session = await first_session(world.registration.register(other))
    wanted.auth = {"type": "m.login.registration_token", "token": "let-me-in", "session": session}
    half = await refused(world.registration.register(wanted))
    assert (half.status, half.extra["completed"]) == (401, ["m.login.registration_token"])
    wanted.auth = {"type": "m.login.dummy", "session": session}
    wanted.password = None
    assert (await refused(world.registration.register(wanted))).errcode == "M_MISSING_PARAM"
    assert (await world.registration_tokens.get("let-me-in")).pending == 1
    other.auth = {"type": "m.login.registration_token", "token": "let-me-in", "session": other_session}
    assert (await refused(world.registration.register(other))).errcode == "M_UNAUTHORIZED"

    wanted.password = "x"
    await world.registration.register(wanted)
    token = await world.registration_tokens.get("let-me-in")
    assert (token.pending, token.completed) == (0, 1)
    assert not await world.registration.is_token_valid("let-me-in")


async def test_a_reservation_ends_with_its_session(make_world: MakeWorld) -> None:
    world = await make_world(registration_requires_token=True)
    await world.registration_tokens.create("once", uses_allowed=1, expiry_time=None)
    assert await world.registration_tokens.reserve("once", "session")
    assert not await world.registration_tokens.is_valid("once")
    world.clock.ms += 3_600_000
    assert await world.registration_tokens.is_valid("once")


async def test_registration_tokens_expire(world: World) -> None:
    await world.registration_tokens.create("soon", uses_allowed=None, expiry_time=world.clock.ms + 10)
    assert await world.registration_tokens.is_valid("soon")
    world.clock.ms += 10
    assert not await world.registration_tokens.is_valid("soon")
    assert [token.token for token in await world.registration_tokens.all(valid=False)] == ["soon"]
    assert await world.registration_tokens.all(valid=True) == []


async def test_administering_registration_tokens(world: World) -> None:
    tokens = world.registration_tokens
    assert re.fullmatch(
        r"[A-Za-z0-9._~-]{9}", (await tokens.create(None, length=9, uses_allowed=None, expiry_time=None)).token
    )
    await tokens.create("a", uses_allowed=2, expiry_time=None)
    for call in (
        tokens.create("a", uses_allowed=None, expiry_time=None),
        tokens.create("b c", uses_allowed=None, expiry_time=None),
        tokens.create("b", uses_allowed=-1, expiry_time=None),
        tokens.create("b", uses_allowed=None, expiry_time=1),
        tokens.create(None, length=65, uses_allowed=None, expiry_time=None),
    ):
        assert (await refused(call)).errcode == "M_INVALID_PARAM"
    assert (await tokens.update("a", uses_allowed=None, expiry_time=None)).uses_allowed is None
    await tokens.delete("a")
    for missing in (tokens.get("a"), tokens.delete("a"), tokens.update("a", uses_allowed=1, expiry_time=None)):
        assert (await refused(missing)).errcode == "M_NOT_FOUND"


SECRET = "shared secret"


def _mac(*parts: str) -> str:
    return hmac.new(SECRET.encode(), "\0".join(parts).encode(), hashlib.sha1).hexdigest()


async def test_shared_secret(make_world: MakeWorld) -> None:
    world = await make_world(registration_shared_secret=SECRET, enable_registration=False)
    nonce = world.shared_secret.new_nonce()
    wanted = SharedSecretRequest(nonce, "root", "pässword", _mac(nonce, "root", "pässword", "admin"), admin=True)
    answer = await world.shared_secret.register(wanted)
    assert answer.user_id == "@root:example.org"
    assert answer.access_token is not None
    assert (await world.sessions.authenticate(answer.access_token)).is_admin
    assert (await refused(world.shared_secret.register(wanted))).error == "unrecognised nonce"


async def test_shared_secret_with_a_user_type(make_world: MakeWorld) -> None:
    world = await make_world(registration_shared_secret=SECRET)
    nonce = world.shared_secret.new_nonce()
    mac = _mac(nonce, "bot", "p", "notadmin", "bot")
    await world.shared_secret.register(SharedSecretRequest(nonce, "bot", "p", mac, user_type="bot"))
    assert (await world.account.get("@bot:example.org")).user_type == "bot"


async def test_shared_secret_refusals(make_world: MakeWorld) -> None:
    world = await make_world(registration_shared_secret=SECRET)
    nonce = world.shared_secret.new_nonce()
    error = await refused(world.shared_secret.register(SharedSecretRequest(nonce, "a", "p", "0" * 40)))
    assert (error.status, error.errcode) == (403, "M_FORBIDDEN")
    nonce = world.shared_secret.new_nonce()
    world.clock.ms += 60_000
    late = SharedSecretRequest(nonce, "a", "p", _mac(nonce, "a", "p", "notadmin"))
    assert (await refused(world.shared_secret.register(late))).status == 400


async def test_no_shared_secret(world: World) -> None:
    assert (await refused(world.shared_secret.register(SharedSecretRequest("n", "a", "p", "")))).status == 400
