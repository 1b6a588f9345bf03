"""Limits on how many people use the server in a month: `limit_usage_by_mau` and the options beside it."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest

from ranvier.config.load import ConfigError, parse
from tests.api.asgi import Answer, Client
from tests.api.homeserver import Homeserver, running
from tests.api.own_clock import OwnClock

DAY = 86_400_000
NOW = 1_700_000_000_000
CONTACT = "mailto:admin@ranvier.test"


@asynccontextmanager
async def limited(
    db_config: Mapping[str, Any], clock: OwnClock | None = None, **options: object
) -> AsyncIterator[Homeserver]:
    wanted = {"limit_usage_by_mau": True, "max_mau_value": 1, "admin_contact": CONTACT, **options}
    async with running(db_config, clock or OwnClock(NOW), **wanted) as server:
        yield server


def refused(answer: Answer) -> None:
    assert (answer.status, answer.json["errcode"]) == (403, "M_RESOURCE_LIMIT_EXCEEDED")
    assert (answer.json["limit_type"], answer.json["admin_contact"]) == ("monthly_active_user", CONTACT)


async def log_in(server: Homeserver, name: str) -> Answer:
    identifier = {"type": "m.id.user", "user": name}
    login = {"type": "m.login.password", "identifier": identifier, "password": "correct horse"}
    return await server.stranger().post("/login", login)


async def register(server: Homeserver, name: str) -> Answer:
    body = {"username": name, "password": "correct horse", "auth": {"type": "m.login.dummy"}}
    return await server.stranger().post("/register", body)


async def test_who_would_be_one_too_many_is_refused(db_config: Mapping[str, Any]) -> None:
    async with limited(db_config, max_mau_value=2) as server:
        alice, bob, carol = [await server.register(name) for name in ("alice", "bob", "carol")]
        room_id = await alice.create_room(preset="public_chat")
        (await bob.get("/sync")).ok()
        for answer in (
            await carol.get("/sync"),
            await carol.post("/createRoom"),
            await carol.put(f"/rooms/{room_id}/send/m.room.message/1", {"msgtype": "m.text", "body": "x"}),
            await carol.set_state(room_id, "m.room.topic", {"topic": "x"}),
            await log_in(server, "carol"),
            await register(server, "dave"),
            await server.stranger().post("/register?kind=guest"),
        ):
            refused(answer)
        # The others go on, and she may still look around and leave.
        (await alice.get("/sync")).ok()
        (await log_in(server, "bob")).ok()
        (await carol.get("/joined_rooms")).ok()
        assert await server.db.value("SELECT COUNT(*) FROM users") == 3


async def test_places_become_free_after_a_month_and_outlive_a_restart(db_config: Mapping[str, Any]) -> None:
    clock = OwnClock(NOW)
    async with limited(db_config, clock) as server:
        alice, bob = await server.register("alice"), await server.register("bob")
        (await alice.get("/sync")).ok()
    clock.now += 29 * DAY
    async with limited(db_config, clock) as server:
        bob = Client(server.app, token=bob.token)
        refused(await bob.get("/sync"))
    clock.now += 2 * DAY
    async with limited(db_config, clock) as server:
        (await Client(server.app, token=bob.token).get("/sync")).ok()
        refused(await Client(server.app, token=alice.token).get("/sync"))


async def test_those_who_come_stay(db_config: Mapping[str, Any]) -> None:
    clock = OwnClock(NOW)
    async with limited(db_config, clock) as server:
        alice = await server.register("alice")
        monthly = server.server.users.monthly
        assert monthly is not None
        for _ in range(4):
            (await alice.get("/sync")).ok()
            clock.now += 20 * DAY
            await monthly.flush()
        assert monthly.count == 1
        clock.now += 31 * DAY
        await monthly.flush()
        assert monthly.count == 0
        assert await server.db.value("SELECT COUNT(*) FROM monthly_active_users") == 0


async def test_an_active_user_costs_no_statement(db_config: Mapping[str, Any]) -> None:
    async with limited(db_config) as server:
        alice = await server.register("alice")
        (await alice.get("/sync")).ok()
        monthly = server.server.users.monthly
        assert monthly is not None
        before = server.db.counters.statements
        for _ in range(5):
            await monthly.check(alice.user_id)
        assert server.db.counters.statements == before


async def test_the_newest_stay_where_fewer_are_wanted(db_config: Mapping[str, Any]) -> None:
    clock = OwnClock(NOW)
    tokens = {}
    async with limited(db_config, clock, max_mau_value=3) as server:
        for name in ("alice", "bob", "carol"):
            client = await server.register(name)
            (await client.get("/sync")).ok()
            tokens[name] = client.token
            clock.now += DAY
    async with limited(db_config, clock) as server:
        (await Client(server.app, token=tokens["carol"]).get("/sync")).ok()
        for name in ("alice", "bob"):
            refused(await Client(server.app, token=tokens[name]).get("/sync"))


async def test_nobody_counts_while_they_try(db_config: Mapping[str, Any]) -> None:
    clock = OwnClock(NOW)
    async with limited(db_config, clock, mau_trial_days=3) as server:
        clients = [await server.register(name) for name in ("alice", "bob")]
        for client in clients:
            (await client.get("/sync")).ok()
        clock.now += 3 * DAY
        (await clients[0].get("/sync")).ok()
        refused(await clients[1].get("/sync"))


async def test_reserved_addresses_and_support(db_config: Mapping[str, Any]) -> None:
    reserved = [{"medium": "email", "address": "Boss@example.org"}]
    async with limited(db_config, mau_limit_reserved_threepids=reserved) as server:
        alice, boss, helper = [await server.register(name) for name in ("alice", "boss", "helper")]
        async with server.db.write() as tx:
            await tx.run(
                "INSERT INTO user_threepids (medium, address, user_id, validated_at, added_at) VALUES ($1, $2, $3, 0, 0)",
                "email",
                "boss@example.org",
                boss.user_id,
            )
            await tx.run("UPDATE users SET user_type = 'support' WHERE name = $1", helper.user_id)
        for client in (alice, boss, helper):
            (await client.get("/sync")).ok()
        monthly = server.server.users.monthly
        assert monthly is not None
        await monthly.flush()
        assert (monthly.count, monthly.reserved_count) == (1, 1)
        (await boss.get("/sync")).ok()
        refused(await alice.get("/sync"))
        refused(await register(server, "dave"))


async def test_counting_alone(db_config: Mapping[str, Any]) -> None:
    async with limited(
        db_config, limit_usage_by_mau=False, mau_stats_only=True, max_mau_value=1, enable_metrics=True
    ) as server:
        for name in ("alice", "bob"):
            (await (await server.register(name)).get("/sync")).ok()
        assert server.server.metrics is not None
        told = {
            metric.name: {tuple(sample.labels.values()): sample.value for sample in metric.samples}
            for metric in server.server.metrics.collect()
            if metric.name.startswith("synapse_admin_mau")
        }
        assert told == {
            "synapse_admin_mau_current": {(): 2},
            "synapse_admin_mau_max": {(): 1},
            "synapse_admin_mau_registered_reserved_users": {(): 0},
            "synapse_admin_mau_current_mau_by_service": {("native",): 2},
        }


def test_a_limit_has_to_be_said() -> None:
    with pytest.raises(ConfigError, match="needs max_mau_value"):
        parse({"server_name": "ranvier.test", "limit_usage_by_mau": True})
