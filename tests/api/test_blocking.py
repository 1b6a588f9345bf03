"""`hs_disabled`: a server that is closed to all clients says so, and whom to ask."""

from collections.abc import Mapping
from typing import Any

from tests.api.asgi import Answer, Client
from tests.api.homeserver import running

REFUSAL = {"errcode": "M_RESOURCE_LIMIT_EXCEEDED", "limit_type": "hs_disabled"}


def check(answer: Answer, **more: str) -> None:
    assert (answer.status, answer.json) == (403, {**REFUSAL, **more})


async def test_everybody_is_refused(db_config: Mapping[str, Any]) -> None:
    async with running(db_config) as open_server:
        token = (await open_server.register("alice")).token
    contact = {"error": "We move house", "admin_contact": "mailto:admin@ranvier.test"}
    async with running(
        db_config,
        hs_disabled=True,
        hs_disabled_message="We move house",
        admin_contact="mailto:admin@ranvier.test",
    ) as closed:
        alice, stranger = Client(closed.app, token=token), closed.stranger()
        for path in ("/account/whoami", "/sync", "/joined_rooms"):
            check(await alice.get(path), **contact)
        check(await alice.post("/createRoom"), **contact)
        identifier = {"type": "m.id.user", "user": "alice"}
        login = {"type": "m.login.password", "identifier": identifier, "password": "correct horse"}
        check(await stranger.post("/login", login), **contact)
        wanted = {"username": "bob", "password": "x", "auth": {"type": "m.login.dummy"}}
        for more in ({}, {"inhibit_login": True}):
            check(await stranger.post("/register", {**wanted, **more}), **contact)
        check(await stranger.post("/register?kind=guest"), **contact)
        assert await closed.db.value("SELECT COUNT(*) FROM users") == 1
        # What needs no account is answered, so that clients find out.
        (await stranger.request("GET", "/_matrix/client/versions")).ok()


async def test_without_words_of_ones_own(db_config: Mapping[str, Any]) -> None:
    async with running(db_config, hs_disabled=True) as closed:
        check(await closed.stranger().post("/register?kind=guest"), error="Homeserver is currently blocked")
    async with running(db_config, admin_contact="mailto:x@y.test", hs_disabled_message="unused") as open_server:
        (await (await open_server.register("alice")).get("/account/whoami")).ok()
