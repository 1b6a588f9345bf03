"""Access tokens. Spec: client-server API, "Using access tokens", "Soft logout"."""

import asyncio

from ranvier.users.last_seen import LastSeen
from ranvier.users.sessions import SEEN_EVERY_MS, Sessions
from tests.users.conftest import MakeWorld
from tests.users.world import World, refused

ALICE = "@alice:example.org"


async def test_a_known_token_costs_no_statement(world: World) -> None:
    token = (await world.register()).access_token or ""
    first = await world.sessions.authenticate(token, client_ip="192.0.2.1", user_agent="Client/1")
    before = world.db.counters.statements
    for _ in range(10):
        assert await world.sessions.authenticate(token, client_ip="192.0.2.1", user_agent="Client/1") is first
    assert world.db.counters.statements == before


async def test_unknown_and_missing_tokens(world: World) -> None:
    for token in ("nonsense", "syt_a_b_c", "\ud800", "a\0"):
        error = await refused(world.sessions.authenticate(token))
        assert (error.status, error.errcode, error.extra["soft_logout"]) == (401, "M_UNKNOWN_TOKEN", False)
    error = await refused(world.sessions.authenticate(""))
    assert (error.status, error.errcode) == (401, "M_MISSING_TOKEN")


async def test_the_text_of_a_token_is_not_stored(world: World) -> None:
    token = (await world.register()).access_token or ""
    (digest,) = await world.db.one("SELECT digest FROM access_tokens") or ()
    assert len(digest) == 32
    assert token.encode() not in digest


async def test_an_expired_token_is_a_soft_logout(make_world: MakeWorld) -> None:
    world = await make_world(nonrefreshable_access_token_lifetime="10m")
    await world.register()
    login = await world.log_in()
    assert login.tokens.expires_in_ms == 600_000
    world.clock.ms += 599_999
    await world.sessions.authenticate(login.tokens.access_token)
    world.clock.ms += 1
    for _ in range(2):
        error = await refused(world.sessions.authenticate(login.tokens.access_token))
        assert (error.status, error.errcode, error.extra["soft_logout"]) == (401, "M_UNKNOWN_TOKEN", True)


async def test_changes_of_the_account_are_seen_at_once(world: World) -> None:
    token = (await world.register()).access_token or ""
    assert not (await world.sessions.authenticate(token)).locked
    await world.account.set_flag(ALICE, "locked", value=True)
    assert (await world.sessions.authenticate(token)).locked
    await world.account.set_flag(ALICE, "locked", value=False)
    await world.account.set_flag(ALICE, "admin", value=True)
    requester = await world.sessions.authenticate(token)
    assert (requester.locked, requester.is_admin) == (False, True)


async def test_a_token_revoked_while_it_is_looked_up_is_not_remembered(world: World) -> None:
    token = (await world.register()).access_token or ""
    requester = await world.sessions.authenticate(token)
    world.sessions.forget_user(ALICE)
    results = await asyncio.gather(
        world.sessions.authenticate(token), world.logout.logout(requester), return_exceptions=True
    )
    assert len(results) == 2
    assert (await refused(world.sessions.authenticate(token))).errcode == "M_UNKNOWN_TOKEN"


async def test_memory_is_bounded(make_world: MakeWorld) -> None:
    world = await make_world(rc_login={"account": {"per_second": 100, "burst_count": 100}})
    await world.register()
    last_seen = LastSeen(db=world.db, clock=world.clock)
    sessions = Sessions(db=world.db, clock=world.clock, last_seen=last_seen, size=3)
    tokens = [(await world.log_in()).tokens.access_token for _ in range(8)]
    for token in tokens * 2:
        assert (await sessions.authenticate(token)).user_id == ALICE
    before = world.db.counters.statements
    await sessions.authenticate(tokens[-1])
    assert world.db.counters.statements == before
    sessions.forget_user(ALICE)
    await sessions.authenticate(tokens[-1])
    assert world.db.counters.statements == before + 1


async def test_when_a_device_was_last_seen(world: World) -> None:
    token = (await world.register(device_id="PHONE")).access_token or ""
    assert (await world.devices.get(ALICE, "PHONE")).last_seen_ts is None
    start = world.clock.ms
    await world.sessions.authenticate(token, client_ip="192.0.2.1", user_agent="Client/1")
    world.clock.ms += SEEN_EVERY_MS - 1
    await world.sessions.authenticate(token, client_ip="192.0.2.1", user_agent="Client/1")
    device = await world.devices.get(ALICE, "PHONE")
    assert (device.last_seen_ts, device.last_seen_ip) == (start, "192.0.2.1")
    await world.sessions.authenticate(token, client_ip="192.0.2.2", user_agent="Client/1")
    device = (await world.devices.all(ALICE))[0]
    assert (device.last_seen_ts, device.last_seen_ip) == (world.clock.ms, "192.0.2.2")

    before = world.db.counters.write_transactions
    await world.last_seen.flush()
    await world.last_seen.flush()
    assert world.db.counters.write_transactions - before == 1
    device = await world.devices.get(ALICE, "PHONE")
    assert (device.last_seen_ts, device.last_seen_ip) == (world.clock.ms, "192.0.2.2")


async def test_strange_user_agents_do_not_stop_the_flush(world: World) -> None:
    token = (await world.register(device_id="PHONE")).access_token or ""
    await world.sessions.authenticate(token, client_ip="192.0.2.1", user_agent="a\0" + "\ud800" * 1000)
    await world.last_seen.flush()
    assert (await world.devices.get(ALICE, "PHONE")).last_seen_ip == "192.0.2.1"


async def test_an_administrators_token_without_a_device(world: World) -> None:
    await world.register()
    async with world.db.write() as tx:
        token = await world.issuer.issue_deviceless(tx, ALICE, expires_ts=None)
    requester = await world.sessions.authenticate(token)
    assert (requester.user_id, requester.device_id) == (ALICE, None)
    await world.logout.logout(requester)
    assert (await refused(world.sessions.authenticate(token))).errcode == "M_UNKNOWN_TOKEN"
    assert len(await world.devices.all(ALICE)) == 1
