"""Identity servers: who is known by an address there, and inviting by one."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.api.asgi import Client, in_room
from tests.api.homeserver import Homeserver, running
from tests.mail.identity_server import KEY, NAME, TOKEN, IdentityServer

MANY = {"per_second": 10_000, "burst_count": 10_000}
CREDENTIALS = {"client_secret": "x", "id_server": NAME, "id_access_token": TOKEN, "sid": "1"}
CONTACT = {"medium": "email", "address": "a@example.org"}
INVITE = {"id_server": NAME, "id_access_token": TOKEN, "medium": "email", "address": "C@Example.org"}


@pytest.fixture
def identity(monkeypatch: pytest.MonkeyPatch) -> IdentityServer:
    server = IdentityServer(validated={"1": ("email", "a@example.org")})
    monkeypatch.setattr("ranvier.app.homeserver.open_transport", lambda config, *, clock: server)
    return server


@asynccontextmanager
async def started(database: Mapping[str, Any], **options: Any) -> AsyncIterator[Homeserver]:
    async with running(database, rc_3pid_validation=MANY, **options) as server:
        yield server


@pytest.fixture
async def homeserver(db_config: Mapping[str, Any], identity: IdentityServer) -> AsyncIterator[Homeserver]:
    async with started(db_config) as server:
        yield server


async def test_an_identity_server_knows_a_user_and_forgets_them(
    homeserver: Homeserver, identity: IdentityServer
) -> None:
    alice = await homeserver.register("alice")
    (await alice.post("/account/3pid/bind", CREDENTIALS)).ok()
    assert identity.users == {("email", "a@example.org"): alice.user_id}
    assert identity.asked[-1].authorization == f"Bearer {TOKEN}"
    # It does not belong to the account by that.
    assert (await alice.get("/account/3pid")).ok() == {"threepids": []}
    # The server is remembered, and asked in our name.
    contact = {**CONTACT, "address": "A@Example.org"}
    assert (await alice.post("/account/3pid/unbind", contact)).ok() == {"id_server_unbind_result": "success"}
    assert identity.users == {}
    assert identity.asked[-1].authorization.startswith(f'X-Matrix origin="ranvier.test",destination="{NAME}"')
    # Then nobody is known who could be asked.
    assert (await alice.post("/account/3pid/unbind", contact)).ok() == {"id_server_unbind_result": "no-support"}


async def test_the_older_form_and_the_server_that_a_client_names(
    homeserver: Homeserver, identity: IdentityServer
) -> None:
    alice = await homeserver.register("alice")
    (await alice.post("/account/3pid", {"three_pid_creds": CREDENTIALS})).ok()
    answer = await alice.post("/account/3pid/delete", {**CONTACT, "id_server": NAME})
    assert answer.ok() == {"id_server_unbind_result": "success"}
    identity.answers["/3pid/bind"] = (404, b'{"errcode":"M_NO_VALID_SESSION","error":"no"}')
    (await alice.post("/account/3pid", {"three_pid_creds": CREDENTIALS})).refused(403, "M_THREEPID_AUTH_FAILED")
    (await alice.post("/account/3pid/bind", CREDENTIALS)).refused(404, "M_NO_VALID_SESSION")


async def test_a_closed_account_is_forgotten(homeserver: Homeserver, identity: IdentityServer) -> None:
    for works in (True, False):
        user = await homeserver.register(f"user{works}".lower())
        (await user.post("/account/3pid/bind", CREDENTIALS)).ok()
        if not works:
            identity.answers["/3pid/unbind"] = (501, b'{"errcode":"M_UNKNOWN","error":"no"}')
        session = (await user.post("/account/deactivate")).json["session"]
        auth = {"type": "m.login.password", "user": user.user_id, "password": "correct horse", "session": session}
        answer = (await user.post("/account/deactivate", {"auth": auth})).ok()
        assert answer == {"id_server_unbind_result": "success" if works else "no-support"}


@pytest.mark.parametrize(
    ("answer", "status", "errcode"),
    [
        ((401, b'{"errcode":"M_UNAUTHORIZED","error":"no"}'), 403, "M_FORBIDDEN"),
        ((403, b'{"errcode":"M_TERMS_NOT_SIGNED","error":"no"}'), 403, "M_TERMS_NOT_SIGNED"),
        ((500, b'{"errcode":"M_UNKNOWN","error":"no"}'), 502, "M_UNKNOWN"),
        ((200, b"[]"), 502, "M_UNKNOWN"),
        ((200, b"{}"), 502, "M_UNKNOWN"),
        ((200, b"<html>"), 502, "M_UNKNOWN"),
        ((302, b'{"errcode":"M_UNKNOWN"}'), 502, "M_UNKNOWN"),
        ((400, b'{"errcode":1}'), 502, "M_UNKNOWN"),
    ],
)
async def test_what_identity_servers_may_say(
    homeserver: Homeserver, identity: IdentityServer, answer: tuple[int, bytes], status: int, errcode: str
) -> None:
    alice = await homeserver.register("alice")
    identity.answers["/3pid/bind"] = answer
    (await alice.post("/account/3pid/bind", CREDENTIALS)).refused(status, errcode)
    # A closed door there does not keep an address in the account.
    identity.answers["/3pid/unbind"] = answer
    (await alice.post("/account/3pid/delete", {**CONTACT, "id_server": NAME})).ok()


async def test_servers_that_are_none(homeserver: Homeserver) -> None:
    alice = await homeserver.register("alice")
    for id_server, status, errcode in (
        ("elsewhere.org", 504, "M_UNKNOWN"),
        ("https://id.example.org", 400, "M_INVALID_PARAM"),
        ("id.example.org/x?", 400, "M_INVALID_PARAM"),
        ("", 400, "M_INVALID_PARAM"),
    ):
        (await alice.post("/account/3pid/bind", {**CREDENTIALS, "id_server": id_server})).refused(status, errcode)


async def _invited(user: Client) -> list[str]:
    return list((await user.get("/sync")).ok().get("rooms", {}).get("invite", {}))


async def test_inviting_somebody_whom_an_identity_server_knows(
    homeserver: Homeserver, identity: IdentityServer
) -> None:
    alice, carol = await homeserver.register("alice"), await homeserver.register("carol")
    identity.users["email", "c@example.org"] = carol.user_id
    room_id = await alice.create_room()
    (await alice.post(f"{in_room(room_id)}/invite", INVITE)).ok()
    assert await _invited(carol) == [room_id]
    assert b"c@example.org" not in repr(identity.asked).encode()


async def test_inviting_somebody_whom_nobody_knows(db_config: Mapping[str, Any], identity: IdentityServer) -> None:
    email = {"notif_from": "noreply@example.org", "invite_client_location": "https://chat.example.org"}
    async with started(db_config, email=email) as homeserver:
        alice = await homeserver.register("alice")
        room_id = await alice.create_room(name="Pit")
        (await alice.post(f"{in_room(room_id)}/invite", INVITE)).ok()
        stored = identity.asked[-1]
        assert (stored.target, stored.authorization) == ("/_matrix/identity/v2/store-invite", f"Bearer {TOKEN}")
        assert stored.body == {
            "medium": "email",
            "address": "c@example.org",
            "room_id": room_id,
            "sender": alice.user_id,
            "room_name": "Pit",
            "room_join_rules": "invite",
            "sender_display_name": "alice",
            "org.matrix.web_client_location": "https://chat.example.org",
        }
        content = (await alice.state(room_id, "m.room.third_party_invite", "invite.token")).ok()
        assert content == {"display_name": "a...@e...", **KEY, "public_keys": [KEY]}


async def test_who_may_not_invite_makes_nobody_be_written_to(homeserver: Homeserver, identity: IdentityServer) -> None:
    alice, bob = await homeserver.register("alice"), await homeserver.register("bob")
    room_id = await alice.create_room(preset="public_chat", power_level_content_override={"invite": 50})
    at = f"{in_room(room_id)}/invite"
    (await bob.post(at, INVITE)).refused(403, "M_FORBIDDEN")
    (await bob.act(room_id, "join")).ok()
    (await bob.post(at, INVITE)).refused(403, "M_FORBIDDEN")
    (await alice.post(at, {**CONTACT, "id_server": NAME})).refused(400, "M_MISSING_PARAM")
    assert identity.asked == []
    for answer in (b'{"token":"","display_name":"x","public_keys":[]}', b'{"token":"t","display_name":"x"}'):
        identity.answers["/store-invite"] = (200, answer)
        (await alice.post(at, INVITE)).refused(502, "M_UNKNOWN")
    identity.answers["/hash_details"] = (200, b'{"lookup_pepper":"x","algorithms":["none"]}')
    (await alice.post(at, INVITE)).refused(502, "M_UNKNOWN")


async def test_where_identity_servers_are_not_asked(db_config: Mapping[str, Any], identity: IdentityServer) -> None:
    async with started(db_config, enable_3pid_lookup=False) as homeserver:
        alice = await homeserver.register("alice")
        room_id = await alice.create_room()
        (await alice.post(f"{in_room(room_id)}/invite", INVITE)).refused(403, "M_THREEPID_DENIED")
        (await alice.post("/createRoom", {"invite_3pid": [INVITE]})).refused(403, "M_THREEPID_DENIED")
        assert identity.asked == []


async def test_a_room_is_made_with_invitations_by_address(homeserver: Homeserver, identity: IdentityServer) -> None:
    alice, carol = await homeserver.register("alice"), await homeserver.register("carol")
    identity.users["email", "c@example.org"] = carol.user_id
    unknown, nowhere = {**INVITE, "address": "d@example.org"}, {**INVITE, "id_server": "elsewhere.org"}
    room_id = await alice.create_room(invite_3pid=[nowhere, INVITE, unknown])
    assert await _invited(carol) == [room_id]
    (await alice.state(room_id, "m.room.third_party_invite", "invite.token")).ok()
    (await alice.post("/createRoom", {"invite_3pid": [{"id_server": NAME}]})).refused(400, "M_BAD_JSON")


async def test_what_a_shadow_banned_user_invites_nobody_hears_of(
    homeserver: Homeserver, identity: IdentityServer
) -> None:
    alice = await homeserver.register("alice")
    room_id = await alice.create_room()
    await homeserver.server.users.account_changes.set_flag(alice.user_id, "shadow_banned", value=True)
    (await alice.post(f"{in_room(room_id)}/invite", INVITE)).ok()
    (await alice.post("/createRoom", {"invite_3pid": [INVITE]})).ok()
    assert identity.asked == []
