"""`user_types`: further types of users, and the one of whom nobody says what they are."""

from collections.abc import Mapping
from typing import Any

import pytest

from ranvier.config.load import ConfigError, parse
from tests.admin.admin import Admin, user
from tests.api.homeserver import running

TYPES = {"user_types": {"default_user_type": "pupil", "extra_user_types": ["pupil", "teacher"]}}


async def test_types_of_ones_own(db_config: Mapping[str, Any]) -> None:
    async with running(db_config, **TYPES) as server:
        admin = await Admin.of(server)
        alice = await server.register("alice")
        guest = await server.register("", is_guest=True)
        assert (await admin.get(user("alice", v=2)))["user_type"] == "pupil"
        assert (await admin.ask("PUT", user("bob", v=2), {"user_type": "teacher"})).status == 201
        assert (await admin.get(user("bob", v=2)))["user_type"] == "teacher"
        assert (await admin.ask("PUT", user("carol", v=2), {"user_type": "king"})).status == 400
        (await admin.ask("PUT", user("alice", v=2), {"user_type": None})).ok()
        assert (await admin.get(user("alice", v=2)))["user_type"] is None
        rows = await server.db.all("SELECT user_type FROM users WHERE name = $1", guest.user_id)
        assert rows[0][0] is None
        (await alice.get("/sync")).ok()


async def test_without_the_option(db_config: Mapping[str, Any]) -> None:
    async with running(db_config) as server:
        admin = await Admin.of(server)
        await server.register("alice")
        assert (await admin.get(user("alice", v=2)))["user_type"] is None
        assert (await admin.ask("PUT", user("bob", v=2), {"user_type": "teacher"})).status == 400


def test_the_default_has_to_exist() -> None:
    with pytest.raises(ConfigError, match="default_user_type: expected one of bot, pupil, support, got king"):
        parse(
            {
                "server_name": "ranvier.test",
                "user_types": {"default_user_type": "king", "extra_user_types": ["pupil"]},
            }
        )
