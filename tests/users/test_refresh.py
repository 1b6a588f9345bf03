"""Refreshing access tokens. Spec: client-server API, "Refreshing access tokens"."""

from ranvier.proto.errors import MatrixError
from ranvier.users.issue_login import IssuedTokens
from tests.users.conftest import MakeWorld
from tests.users.world import World, refused


async def _login(world: World) -> IssuedTokens:
    await world.register()
    tokens = (await world.log_in(device_id="PHONE", refresh_token=True)).tokens
    await world.sessions.authenticate(tokens.access_token)
    return tokens


async def _refresh(world: World, tokens: IssuedTokens) -> IssuedTokens:
    assert tokens.refresh_token is not None
    return await world.refreshing.refresh(tokens.refresh_token)


async def _is_known(world: World, tokens: IssuedTokens) -> bool:
    try:
        await world.sessions.authenticate(tokens.access_token)
    except MatrixError:
        return False
    return True


async def test_a_login_that_can_be_refreshed_expires(world: World) -> None:
    tokens = await _login(world)
    assert (tokens.refresh_token or "").startswith("syr_")
    assert tokens.expires_in_ms == 300_000
    world.clock.ms += 300_000
    assert (await refused(world.sessions.authenticate(tokens.access_token))).extra["soft_logout"] is True
    fresh = await _refresh(world, tokens)
    requester = await world.sessions.authenticate(fresh.access_token)
    assert (requester.user_id, requester.device_id) == ("@alice:example.org", "PHONE")


async def test_the_old_pair_is_revoked_when_the_new_access_token_is_used(world: World) -> None:
    old = await _login(world)
    new = await _refresh(world, old)
    assert await _is_known(world, old)
    assert await _is_known(world, new)
    assert not await _is_known(world, old)
    assert (await refused(_refresh(world, old))).errcode == "M_UNKNOWN_TOKEN"


async def test_the_old_pair_is_revoked_when_the_new_refresh_token_is_used(world: World) -> None:
    old = await _login(world)
    new = await _refresh(world, old)
    newer = await _refresh(world, new)
    assert (await refused(_refresh(world, old))).errcode == "M_UNKNOWN_TOKEN"
    assert not await _is_known(world, old)
    assert await _is_known(world, newer)


async def test_a_lost_answer_can_be_asked_for_again(world: World) -> None:
    old = await _login(world)
    lost = await _refresh(world, old)
    again = await _refresh(world, old)
    assert not await _is_known(world, lost)
    assert (await refused(_refresh(world, lost))).errcode == "M_UNKNOWN_TOKEN"
    assert await _is_known(world, again)
    assert not await _is_known(world, old)


async def test_unknown_tokens(world: World) -> None:
    for token in ("", "syr_x", "\ud800"):
        error = await refused(world.refreshing.refresh(token))
        assert (error.status, error.errcode) == (401, "M_UNKNOWN_TOKEN")


async def test_refresh_tokens_expire(make_world: MakeWorld) -> None:
    world = await make_world(refresh_token_lifetime="1h")
    old = await _login(world)
    world.clock.ms += 3_600_000
    error = await refused(_refresh(world, old))
    assert (error.status, error.errcode, error.extra["soft_logout"]) == (401, "M_UNKNOWN_TOKEN", True)


async def test_no_token_outlives_its_session(make_world: MakeWorld) -> None:
    world = await make_world(
        session_lifetime="1h", refreshable_access_token_lifetime="50m", refresh_token_lifetime="2h"
    )
    tokens = await _login(world)
    assert tokens.expires_in_ms == 3_000_000
    world.clock.ms += 1_800_000
    tokens = await _refresh(world, tokens)
    assert tokens.expires_in_ms == 1_800_000
    world.clock.ms += 1_800_000
    assert (await refused(_refresh(world, tokens))).errcode == "M_UNKNOWN_TOKEN"


async def test_tokens_do_not_pile_up(world: World) -> None:
    tokens = await _login(world)
    for _ in range(5):
        tokens = await _refresh(world, tokens)
        await world.sessions.authenticate(tokens.access_token)
    assert await world.db.value("SELECT COUNT(*) FROM refresh_tokens") == 1
    assert await world.db.value("SELECT COUNT(*) FROM access_tokens") == 2  # and the one of the registration
