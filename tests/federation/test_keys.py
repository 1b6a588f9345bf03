"""Keys of servers: where they come from, when they are good, and what attackers get."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from ranvier.config.load import parse
from ranvier.db.engine import Database
from ranvier.db.open import open_database
from ranvier.federation.keys import BREATH, SLICE, ServerKeys
from ranvier.ports import FederationAnswer
from ranvier.proto.event_receipt import received
from ranvier.proto.key_documents import OldKey
from ranvier.proto.signing import SignatureError, sign_json
from tests.federation.key_servers import DAY_MS, OWN, Peer, World, key
from tests.federation.wire import Asked, answer


@pytest.fixture
async def db(db_config: dict[str, object]) -> AsyncIterator[Database]:
    database = await open_database(parse({"server_name": OWN, "database": db_config}).database, now_ms=1)
    yield database
    await database.close()


@pytest.fixture
def world(db: Database) -> World:
    return World(db)


async def error_of(world: World, *events: Any) -> list[str | None]:
    return [verdict.error for verdict in await world.keys().verify_events(events)]


async def test_events_are_checked_with_keys_that_their_server_publishes(world: World) -> None:
    peer = world.peer("a.test")
    keys = world.keys()
    good, forged = peer.event(), Peer("a.test", world.clock, [key("evil")]).event(depth=9)
    verdicts = await keys.verify_events([good, forged])
    assert verdicts[0].error is None and verdicts[0].authoriser_signed
    assert verdicts[1].error is not None
    assert world.wire.count("a.test") == 1


async def test_keys_are_asked_for_once_and_kept(world: World) -> None:
    peer = world.peer("a.test")
    keys = world.keys()
    await asyncio.gather(*(keys.verify_events([peer.event(depth=depth)]) for depth in range(1, 20)))
    assert world.wire.count("a.test") == 1
    before = world.db.counters.statements
    assert (await keys.verify_events([peer.event()]))[0].error is None
    assert world.db.counters.statements == before
    # After a restart the database knows them.
    del world.wire.servers["a.test"]
    assert await error_of(world, peer.event()) == [None]
    assert world.wire.count("a.test") == 1


async def test_own_events_need_nobody(world: World) -> None:
    own = Peer(OWN, world.clock, [key(OWN)])
    long_ago = Peer(OWN, world.clock, [key(OWN, "old")])
    fresh = long_ago.event(world.clock.now_ms())
    assert await error_of(world, own.event(), long_ago.event(world.clock.now_ms() - 2 * DAY_MS)) == [None, None]
    assert (await error_of(world, fresh))[0] is not None
    assert not world.wire.asked


async def test_a_key_is_good_until_its_list_ends(world: World) -> None:
    peer = world.peer("a.test", valid_for_ms=DAY_MS)
    keys = world.keys()
    assert (await keys.verify_events([peer.event()]))[0].error is None
    later = peer.event(world.clock.now_ms() + 2 * DAY_MS)
    world.clock.advance(60)
    assert (await keys.verify_events([later]))[0].error is not None
    assert world.wire.count("a.test") == 2
    # Once the server has renewed its list the event is fine.
    world.clock.advance(2 * 24 * 3600)
    assert (await keys.verify_events([later]))[0].error is None


async def test_room_versions_until_4_do_not_care_when(world: World) -> None:
    peer = world.peer("a.test")
    ancient_key = Peer("a.test", world.clock, [key("a.test", "0")])
    peer.old["ed25519:0"] = OldKey(key("a.test", "0").public_key, world.clock.now_ms() - DAY_MS)
    assert await error_of(world, ancient_key.event(version="4")) == [None]
    assert (await error_of(world, ancient_key.event(version="5")))[0] is not None
    assert await error_of(world, ancient_key.event(world.clock.now_ms() - 2 * DAY_MS, version="5")) == [None]


async def test_nobody_has_keys_for_more_than_a_week(world: World) -> None:
    peer = world.peer("a.test", valid_for_ms=1000 * DAY_MS)
    keys = world.keys()
    assert (await keys.verify_events([peer.event(world.clock.now_ms() + 6 * DAY_MS)]))[0].error is None
    world.clock.advance(60)
    assert (await keys.verify_events([peer.event(world.clock.now_ms() + 9 * DAY_MS)]))[0].error is not None
    # It is no use to ask for that, so nobody is asked.
    assert world.wire.count("a.test") == 1


async def test_a_key_that_was_withdrawn_early_is_not_good_after_that(world: World) -> None:
    peer = world.peer("a.test", "stolen")
    keys = world.keys()
    assert (await keys.verify_events([peer.event()]))[0].error is None
    thief = Peer("a.test", world.clock, [key("a.test", "stolen")])
    world.clock.advance(3600)
    peer.keys = [key("a.test", "new")]
    peer.old["ed25519:stolen"] = OldKey(key("a.test", "stolen").public_key, world.clock.now_ms() - 1000)
    assert (await keys.verify_events([peer.event()]))[0].error is None
    assert (await keys.verify_events([thief.event()]))[0].error is not None
    assert (await keys.verify_events([thief.event(world.clock.now_ms() - 5000)]))[0].error is None


@pytest.mark.parametrize(
    "change",
    [
        {"server_name": "b.test"},
        {"valid_until_ts": "soon"},
        {"valid_until_ts": 2**60},
        {"valid_until_ts": -1},
        {"verify_keys": {}},
        {"verify_keys": []},
        {"verify_keys": {"ed25519:1": {"key": "c2hvcnQ"}}},
        {"verify_keys": {f"ed25519:{number}": {"key": "A" * 43} for number in range(101)}},
        {"old_verify_keys": 7},
        {"signatures": {}},
        {"verify_keys": {"ed25519:1": {"key": "A" * 43}}},
    ],
)
async def test_lists_that_are_wrong_are_worth_nothing(world: World, change: dict[str, Any]) -> None:
    peer = world.peer("a.test")

    async def serve(asked: Asked) -> FederationAnswer:
        document = {**peer.document(), **change}
        if "signatures" not in change and change.get("verify_keys") != {"ed25519:1": {"key": "A" * 43}}:
            document = sign_json({**document, "signatures": {}}, "a.test", key("a.test"))
        return answer(document)

    world.wire.servers["a.test"] = serve
    assert (await error_of(world, peer.event()))[0] is not None


async def test_deep_or_huge_answers_do_no_harm(world: World) -> None:
    peer = world.peer("a.test")
    bodies = [b"[" * 100_000, b'{"a":' * 5_000 + b"1" + b"}" * 5_000, b"{" + b" " * 100_000 + b"}", b"\xff", b""]

    for number, body in enumerate(bodies):

        async def serve(asked: Asked, body: bytes = body) -> FederationAnswer:
            return FederationAnswer(status=200, headers={}, body=body)

        world.wire.servers["a.test"] = serve
        assert (await error_of(world, peer.event(depth=number + 1)))[0] is not None


async def test_a_flood_of_key_ids_asks_a_server_once(world: World) -> None:
    world.peer("a.test")
    keys = world.keys()
    for number in range(30):
        flood = Peer("a.test", world.clock, [key("evil", f"{number}_{more}") for more in range(30)])
        assert (await keys.verify_events([flood.event()]))[0].error is not None
    assert world.wire.count("a.test") == 1
    world.clock.advance(31)
    await keys.verify_events([Peer("a.test", world.clock, [key("evil")]).event()])
    rows = await world.db.value("SELECT COUNT(*) FROM server_keys")
    assert rows == 1


async def test_who_cannot_be_reached_is_left_alone_for_ever_longer(world: World) -> None:
    keys = world.keys()
    gone = Peer("gone.test", world.clock, [key("gone.test")])
    for _ in range(100):
        assert (await keys.verify_events([gone.event()]))[0].error is not None
        world.clock.advance(10)
    assert world.wire.count("gone.test") <= 6


async def test_notaries_know_servers_that_are_gone(world: World) -> None:
    gone = Peer("gone.test", world.clock, [key("gone.test")])
    notaries = [world.notary("silent.test"), world.notary("notary.test", gone)]
    keys = world.keys(notaries)
    assert (await keys.verify_events([gone.event()]))[0].error is None
    (asked,) = [asked for asked in world.wire.asked if asked.destination == "notary.test"]
    assert asked.json["server_keys"]["gone.test"]["ed25519:1"]["minimum_valid_until_ts"] == world.clock.now_ms()
    assert asked.headers["authorization"].startswith("X-Matrix ")


async def test_many_servers_are_asked_for_in_one_request(world: World) -> None:
    gone = [Peer(f"s{number}.test", world.clock, [key(str(number))]) for number in range(40)]
    keys = world.keys([world.notary("notary.test", *gone)])
    verdicts = await keys.verify_events([peer.event() for peer in gone])
    assert [verdict.error for verdict in verdicts] == [None] * 40
    assert len(world.wire.asked) == 1


async def test_a_notary_must_sign_and_cannot_invent(world: World) -> None:
    gone = Peer("gone.test", world.clock, [key("gone.test")])
    assert (await world.keys([world.notary("n.test", gone, signs=False)]).verify_events([gone.event()]))[0].error
    assert not (await world.keys([world.notary("n.test", gone, pinned=False)]).verify_events([gone.event()]))[0].error
    # Its own invention has no signature of the server.
    victim = world.peer("victim.test")
    notary = world.notary("liar.test")

    async def lie(asked: Asked) -> FederationAnswer:
        forged = Peer("victim.test", world.clock, [key("evil")]).document()
        forged["verify_keys"]["ed25519:1"]["key"] = "A" * 43
        return answer({"server_keys": [sign_json(forged, "liar.test", key("liar.test")), 7, {}]})

    world.wire.servers["liar.test"] = lie
    del world.wire.servers["victim.test"]
    assert (await world.keys([notary]).verify_events([victim.event()]))[0].error is not None


async def test_who_tells_of_a_room_is_believed_about_those_who_are_silent_and_not_remembered(world: World) -> None:
    gone = Peer("gone.test", world.clock, [key("gone.test")])
    world.notary("resident.test", gone, pinned=False)

    async def swallow(asked: Asked) -> FederationAnswer:
        await asyncio.Event().wait()
        raise AssertionError

    world.wire.servers["gone.test"] = swallow
    finder = world.finder()
    keys = ServerKeys(own=world.own(), finder=finder)
    async with asyncio.timeout(30):
        (verdict,) = await keys.verify_received([received(gone.event())], resident="resident.test")
    assert verdict.error is None
    await finder.close()
    del world.wire.servers["gone.test"]
    assert (await error_of(world, gone.event()))[0] is not None


async def test_who_tells_of_a_room_is_not_believed_about_keys_that_are_known(world: World) -> None:
    victim = world.peer("victim.test")
    keys = world.keys()
    assert (await keys.verify_events([victim.event()]))[0].error is None
    del world.wire.servers["victim.test"]
    thief = Peer("victim.test", world.clock, [key("thief")])
    world.notary("resident.test", thief, pinned=False)
    (verdict,) = await keys.verify_received([received(thief.event())], resident="resident.test")
    assert verdict.error is not None


async def test_old_news_from_a_notary_does_not_replace_new_ones(world: World) -> None:
    stale = Peer("a.test", world.clock, [key("a.test", "stolen")], valid_for_ms=DAY_MS)
    peer = world.peer("a.test", "2", valid_for_ms=2 * DAY_MS)
    peer.old["ed25519:stolen"] = OldKey(key("a.test", "stolen").public_key, world.clock.now_ms() - 1000)
    keys = world.keys([world.notary("n.test", stale)])
    assert (await keys.verify_events([peer.event()]))[0].error is None
    world.clock.advance(100)
    assert (await keys.verify_events([stale.event()]))[0].error is not None


async def test_who_lets_a_user_in_must_have_signed(world: World) -> None:
    host, guest = world.peer("host.test"), world.peer("guest.test")
    content = {"membership": "join", "join_authorised_via_users_server": "@admin:host.test"}
    join = guest.event(type="m.room.member", state_key="@user:guest.test", content=content)
    (verdict,) = await world.keys().verify_events([join])
    assert verdict.error is None and not verdict.authoriser_signed
    same: dict[str, Any] = {
        "type": "m.room.member",
        "state_key": "@user:guest.test",
        "sender": "@user:guest.test",
        "content": content,
    }
    signed = host.event(room_id=join.room_id, **same)
    pdu = {**join.pdu, "signatures": {**join.pdu["signatures"], **signed.pdu["signatures"]}}
    join.decoded = pdu
    (verdict,) = await world.keys().verify_events([join])
    assert verdict.error is None and verdict.authoriser_signed


async def test_objects_are_checked_for_a_moment_or_for_ever(world: World) -> None:
    peer = world.peer("a.test")
    value = sign_json({"a": 1}, "a.test", peer.keys[0])
    keys = world.keys()
    await keys.verify_json("a.test", value, at_ms=world.clock.now_ms())
    await keys.verify_json("a.test", value, at_ms=None)
    for name, wrong in (("a.test", {**value, "a": 2}), ("b.test", value), ("not a name", value), (OWN, value)):
        with pytest.raises(SignatureError):
            await keys.verify_json(name, wrong, at_ms=None)
    with pytest.raises(SignatureError):
        await keys.verify_json("a.test", value, at_ms=world.clock.now_ms() + 8 * DAY_MS)


async def test_a_large_batch_leaves_the_loop_to_others(world: World) -> None:
    """Others have their turn after each slice, also where no thread takes the work."""
    event = world.peer("a.test").event()
    turns = 0

    async def watch() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    keys = world.keys(uses_thread=False)
    assert (await keys.verify_events([event]))[0].error is None
    watching = asyncio.create_task(watch())
    await asyncio.sleep(0)
    verdicts = await keys.verify_events([event] * 2_048)
    watching.cancel()
    assert all(verdict.error is None for verdict in verdicts)
    assert turns >= 2_048 // BREATH + 2_048 // SLICE


async def test_a_server_that_invents_keys_does_not_fill_the_database(world: World) -> None:
    peer = world.peer("a.test")
    keys = world.keys()
    for day in range(5):
        peer.keys = [key("a.test", f"{day}_{number}") for number in range(90)]
        assert (await keys.verify_events([peer.event()]))[0].error is None
        world.clock.advance(24 * 3600)
    assert await world.db.value("SELECT COUNT(*) FROM server_keys") == 256
    last = Peer("a.test", world.clock, peer.keys[-1:])
    assert await error_of(world, last.event(world.clock.now_ms() - DAY_MS)) == [None]


async def test_who_gives_up_does_not_take_the_keys_from_others(world: World) -> None:
    peer = world.peer("a.test")
    released = asyncio.Event()

    async def serve(asked: Asked) -> FederationAnswer:
        await released.wait()
        return await peer.serve(asked)

    world.wire.servers["a.test"] = serve
    keys = world.keys()
    first, second = (asyncio.create_task(keys.verify_events([peer.event(depth=depth)])) for depth in (1, 2))
    await asyncio.sleep(0.05)
    first.cancel()
    released.set()
    assert (await second)[0].error is None
    assert world.wire.count("a.test") == 1


async def test_what_is_under_way_ends_with_the_server(world: World) -> None:
    async def serve(asked: Asked) -> FederationAnswer:
        await asyncio.Event().wait()
        raise AssertionError

    world.wire.servers["a.test"] = serve
    finder = world.finder()
    asking = asyncio.create_task(finder.find({"a.test": {frozenset({"ed25519:1"}): 0}}))
    await asyncio.sleep(0.05)
    await finder.close()
    assert not (await asking)["a.test"].keys


async def test_a_batch_of_known_servers_costs_no_statement(world: World) -> None:
    peers = [world.peer(f"s{number}.test") for number in range(30)]
    keys = world.keys()
    events = [peer.event() for peer in peers]
    await keys.verify_events(events)
    cold = world.keys()
    before = world.db.counters.statements
    assert {verdict.error for verdict in await cold.verify_events(events)} == {None}
    assert world.db.counters.statements == before + 1
    assert {verdict.error for verdict in await cold.verify_events(events)} == {None}
    assert world.db.counters.statements == before + 1
    assert len(world.wire.asked) == 30


async def test_events_without_signatures_ask_nobody(world: World) -> None:
    peer = world.peer("a.test")
    event = peer.event()
    event.decoded = {**event.pdu, "signatures": {"b.test": {"ed25519:1": "x"}, "a.test": []}}
    assert (await error_of(world, event))[0] is not None
    event.decoded = {**event.pdu, "signatures": {"a.test": {"rsa:1": "x", "ed25519:1": 7}}}
    assert (await error_of(world, event))[0] is not None
    assert not world.wire.asked


async def test_one_wrong_signature_among_right_ones_is_wrong(world: World) -> None:
    peer = world.peer("a.test", "1", "2")
    event = peer.event()
    signatures = event.pdu["signatures"]["a.test"]
    event.decoded = {**event.pdu, "signatures": {"a.test": {**signatures, "ed25519:2": signatures["ed25519:1"]}}}
    assert (await error_of(world, event))[0] is not None
