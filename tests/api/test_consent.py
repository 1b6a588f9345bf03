"""Agreeing to the server's policy: the pages, who may not speak before, who is asked."""

import asyncio
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlencode, urlsplit

import pytest

from ranvier.api.client.consent_guard import GUARDED
from ranvier.config.load import ConfigError, parse
from ranvier.users.consent import with_link
from ranvier.users.create_account import NewAccount
from tests.admin.admin import Admin, user
from tests.api.asgi import Answer, Client, in_room, part
from tests.api.homeserver import Homeserver, running

# Of the kind that deployments have: inheritance, includes, filters, loops, escapes.
BASE = "<!doctype html><title>{% block title %}{% endblock %}</title>{% block body %}{% endblock %}"
POLICY = """{% extends "base.html" %}
{% block title %}Policy {{ version }}{% endblock %}
{% block body -%}
{% for word in ["be", "kind"] %}{{ loop.index }} {{ word|upper }} {% endfor %}
{% if not public_version %}
  {% if has_consented %}<p>Agreed, {{ user }}.</p>
  {% else %}
  <form method="post" action="consent">
    <input type="hidden" name="v" value="{{ version }}"/>
    <input type="hidden" name="u" value="{{ user }}"/>
    <input type="hidden" name="h" value="{{ userhmac }}"/>
    <input type="submit" value="Sure thing!"/>
  </form>
  {% endif %}
{% endif %}
{%- endblock %}"""


def options(folder: Path, **consent: object) -> dict[str, Any]:
    pages = folder / "en"
    pages.mkdir(exist_ok=True)
    (pages / "2.0.html").write_text(POLICY)
    (pages / "1.0.html").write_text("The old policy, {{ version }}")
    (pages / "base.html").write_text(BASE)
    return {
        "public_baseurl": "https://ranvier.test",
        "form_secret": "form secret",
        "listeners": [{"type": "http", "port": 0, "resources": [{"names": ["client", "consent"]}]}],
        "server_notices": {"system_mxid_localpart": "notices"},
        "user_consent": {"template_dir": str(folder), "version": "2.0", **consent},
    }


BLOCKING = {"block_events_error": "100% of you have to agree: %(consent_uri)s"}
ASKING = {
    "server_notice_content": {
        "msgtype": "m.text",
        "body": "Please agree: %(consent_uri)s",
        "org.example.links": [{"href": "%(consent_uri)s"}, 1],
    }
}


async def agree(client: Client, link: str) -> Answer:
    """What a browser does: open the link, press the button."""
    parts = urlsplit(link)
    shown = (await client.request("GET", f"{parts.path}?{parts.query}")).body.decode()
    fields = {name: shown.split(f'name="{name}" value="', 1)[1].split('"', 1)[0] for name in ("v", "u", "h")}
    return await client.request("POST", parts.path, raw=urlencode(fields).encode())


async def rooms(client: Client) -> dict[str, Any]:
    found: dict[str, Any] = (await client.get("/sync", timeout="0")).ok().get("rooms", {})
    return found


async def invited(client: Client) -> str:
    """The room that the user is invited to, as soon as they are."""
    since = None
    while True:
        query = {"timeout": "1000"} | ({} if since is None else {"since": since})
        answer = (await client.get("/sync", **query)).ok()
        if found := answer.get("rooms", {}).get("invite"):
            (room_id,) = found
            return str(room_id)
        since = answer["next_batch"]


async def said(client: Client, room_id: str, *, least: int = 0) -> list[dict[str, Any]]:
    """What has been said in the room, as soon as it is so much at least."""
    since = (await client.get("/sync", timeout="0")).ok()["next_batch"]
    while True:
        page = (await client.get(f"{in_room(room_id)}/messages", dir="f", limit="100")).ok()["chunk"]
        found = [event["content"] for event in page if event["type"] == "m.room.message"]
        if len(found) >= least:
            return found
        since = (await client.get("/sync", timeout="1000", since=since)).ok()["next_batch"]


async def test_nobody_speaks_before_they_have_agreed(db_config: Mapping[str, Any], tmp_path: Path) -> None:
    async with running(db_config, **options(tmp_path)) as server:
        alice, bob = await server.register("alice"), await server.register("bob")
        room_id = await alice.create_room(preset="public_chat", room_alias_name="here")
        theirs = await bob.create_room(preset="public_chat", invite=[alice.user_id])
        event_id = await alice.say(room_id, "before")
        tokens = alice.token, bob.token
    async with running(db_config, **options(tmp_path, **BLOCKING)) as server:
        alice, bob = (
            Client(server.app, token=token, user_id=f"@{name}:ranvier.test")
            for name, token in zip(("alice", "bob"), tokens, strict=True)
        )
        refused = [
            await alice.send(room_id, "m.room.message", {"msgtype": "m.text", "body": "hello"}),
            await alice.set_state(room_id, "m.room.name", {"name": "Mine"}),
            await alice.set_state(room_id, "m.room.member", {"membership": "join", "displayname": "A"}, alice.user_id),
            await alice.redact(room_id, event_id),
            await alice.post("/createRoom", {}),
            await alice.act(theirs, "join"),
            await alice.post(f"/join/{part('#here:ranvier.test')}"),
            await alice.post(f"/knock/{part(theirs)}"),
            await alice.post(f"{in_room(room_id)}/upgrade", {"new_version": "10"}),
            *[await alice.act(room_id, act, user_id=bob.user_id) for act in ("invite", "kick", "ban", "unban")],
        ]
        for answer in refused:
            error = answer.refused(403, "M_CONSENT_NOT_GIVEN")
            assert error["error"] == f"100% of you have to agree: {error['consent_uri']}"
        link = refused[0].json["consent_uri"]
        assert link.startswith("https://ranvier.test/_matrix/consent?u=alice&h=")

        # They read, and leave.
        assert (await alice.get(f"{in_room(room_id)}/messages", dir="b")).status == 200
        (await alice.act(theirs, "leave")).ok()
        gone = await alice.set_state(room_id, "m.room.member", {"membership": "leave"}, alice.user_id)
        gone.ok()

        assert (await agree(server.stranger(), link)).status == 200
        (await alice.act(room_id, "join")).ok()
        await alice.say(room_id, "after")
        (await bob.act(room_id, "join")).refused(403, "M_CONSENT_NOT_GIVEN")
        parts = urlsplit(link)
        page = (await server.stranger().request("GET", f"{parts.path}?{parts.query}")).body.decode()
        assert "Agreed, alice." in page
        assert "<title>Policy 2.0</title>" in page
        assert "1 BE 2 KIND" in page


async def test_who_needs_not_agree(db_config: Mapping[str, Any], tmp_path: Path) -> None:
    registration = tmp_path / "service.yaml"
    registration.write_text(
        "{id: s, url: null, as_token: as, hs_token: hs, sender_localpart: s,"
        " namespaces: {users: [{regex: '@s_.*', exclusive: true}], aliases: [], rooms: []}}"
    )
    services = {"app_service_config_files": [str(registration)]}
    async with running(db_config, **options(tmp_path, **BLOCKING), **services) as server:
        service = Client(server.app, token="as", user_id="@s:ranvier.test")
        await service.create_room()
        admin = await Admin.of(server)
        (await admin.client.post("/createRoom", {})).refused(403, "M_CONSENT_NOT_GIVEN")
        robot = await server.register("robot")
        await admin.put(user("robot", v=2), {"user_type": "bot"})
        await robot.create_room()
        guest = await server.register("", is_guest=True)
        (await guest.act("!x:ranvier.test", "join")).refused(403, "M_CONSENT_NOT_GIVEN")


async def test_everything_that_is_guarded_is_there(tmp_path: Path) -> None:
    database = {"name": "sqlite3", "args": {"database": str(tmp_path / "homeserver.db")}}
    async with running(database) as server:
        assert {route.spec for route in server.server.routes} >= GUARDED


async def test_who_syncs_is_asked_once_for_each_version(db_config: Mapping[str, Any], tmp_path: Path) -> None:
    async with running(db_config, **options(tmp_path, **BLOCKING, **ASKING)) as server:
        alice, bob = await server.register("alice"), await server.register("bob")
        guest = await server.register("", is_guest=True)
        await rooms(guest)
        room_id = await invited(alice)
        # In this room they may do what it takes, and speaking is for nobody but the server anyway.
        (await alice.act(room_id, "join")).ok()
        (content,) = await said(alice, room_id, least=1)
        link = content["body"].removeprefix("Please agree: ")
        assert content["org.example.links"] == [{"href": link}, 1]
        assert parse_qs(urlsplit(link).query)["u"] == ["alice"]
        await invited(bob)
        assert (await agree(server.stranger(), link)).status == 200
        details = await (await Admin.of(server)).get(user("alice", v=2))
        assert (details["consent_version"], details["consent_server_notice_sent"]) == ("2.0", "2.0")
        assert details["consent_ts"] > 0
        assert "invite" not in await rooms(guest)
        tokens = alice.token, bob.token, guest.token
    changed = options(tmp_path, **ASKING, send_server_notice_to_guests=True)
    async with running(db_config, **changed) as server:
        # Whoever was asked, or has agreed, is left alone; the guest is asked now.
        alice, bob, guest = (Client(server.app, token=token, user_id=guest.user_id) for token in tokens)
        await rooms(alice)
        await rooms(bob)
        room_of_guest = await invited(guest)
        (await guest.act(room_of_guest, "join")).ok()
        assert len(await said(guest, room_of_guest, least=1)) == 1
        assert len(await said(alice, room_id)) == 1
    (tmp_path / "en" / "3.0.html").write_text(POLICY)
    async with running(db_config, **options(tmp_path, **ASKING, version="3.0")) as server:
        alice = Client(server.app, token=tokens[0], user_id=alice.user_id)
        assert len(await said(alice, room_id, least=2)) == 2


async def test_older_versions_can_be_read(db_config: Mapping[str, Any], tmp_path: Path) -> None:
    async with running(db_config, **options(tmp_path, require_at_registration=True)) as server:
        stranger = server.stranger()
        answer = await stranger.request("GET", "/_matrix/consent?v=1.0")
        assert (answer.headers["referrer-policy"], answer.headers["x-frame-options"]) == ("no-referrer", "DENY")
        assert answer.body == b"The old policy, 1.0"
        for version in ("1.1", "success", "../en/1.0", "%00", "base/../1.0", ""):
            (await stranger.request("GET", f"/_matrix/consent?v={version}")).refused(404, "M_NOT_FOUND")


async def test_pages_that_cannot_be_shown(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    database = {"name": "sqlite3", "args": {"database": str(tmp_path / "homeserver.db")}}
    async with running(database, **options(tmp_path, require_at_registration=True)) as server:
        (tmp_path / "en" / "2.0.html").write_text("{% if %}")
        with caplog.at_level(logging.ERROR):
            (await server.stranger().request("GET", "/_matrix/consent")).refused(500, "M_UNKNOWN")
        assert "2.0.html" in caplog.text


async def link_of(server: Homeserver, name: str) -> str:
    consent = server.server.users.consent
    assert consent is not None
    return consent.link(f"@{name}:ranvier.test")


async def test_the_operators_thanks_or_ours(tmp_path: Path) -> None:
    database = {"name": "sqlite3", "args": {"database": str(tmp_path / "homeserver.db")}}
    common = tmp_path / "common"
    common.mkdir()
    (common / "consent_success.html").write_text("Common thanks")
    async with running(database, **options(tmp_path)) as server:
        await server.register("alice")
        assert b"Thank you" in (await agree(server.stranger(), await link_of(server, "alice"))).body
    templates = {"templates": {"custom_template_directory": str(common)}}
    async with running(database, **options(tmp_path), **templates) as server:
        for name, thanks in (("bob", b"Common thanks"), ("carol", b"Own thanks")):
            await server.register(name)
            assert (await agree(server.stranger(), await link_of(server, name))).body == thanks
            (tmp_path / "en" / "success.html").write_text("Own thanks")


async def test_the_pages_to_begin_with(tmp_path: Path) -> None:
    database = {"name": "sqlite3", "args": {"database": str(tmp_path / "homeserver.db")}}
    pages = Path(__file__).parents[2] / "contrib" / "consent"
    section = {"template_dir": str(pages), "version": "1.0", "require_at_registration": True}
    async with running(
        database, **options(tmp_path) | {"user_consent": section, "enable_registration": False}
    ) as server:
        await server.server.users.accounts.create(NewAccount(user_id="@alice:ranvier.test"), None)
        stranger = server.stranger()
        policy = (await stranger.request("GET", "/_matrix/consent")).body
        assert b"Version 1.0" in policy
        assert b"<form" not in policy
        link = await link_of(server, "alice")
        assert b"<h1>Thank you</h1>" in (await agree(stranger, link)).body
        shown = (await stranger.request("GET", "/_matrix/consent?" + urlsplit(link).query)).body
        assert b"You have agreed to these terms, alice." in shown


async def test_links_are_for_one_user(db_config: Mapping[str, Any], tmp_path: Path) -> None:
    async with running(db_config, **options(tmp_path)) as server:
        await asyncio.gather(server.register("alice"), server.register("bob"))
        stranger = server.stranger()
        proof = parse_qs(urlsplit(await link_of(server, "alice")).query)["h"][0]
        for user_name, h in (("bob", proof), ("alice", proof[:-1]), ("alice", ""), ("alice", "é"), ("alice\0", proof)):
            query = urlencode({"u": user_name, "h": h})
            (await stranger.request("GET", f"/_matrix/consent?{query}")).refused(403, "M_FORBIDDEN")
        for raw in (b"\xff\xfe", b"u=%ff", b"u&h&v", b"", b"{}"):
            answer = await stranger.request("POST", "/_matrix/consent", raw=raw)
            assert answer.status in {400, 403}, raw
            assert (await stranger.request("GET", "/_matrix/consent?" + quote(raw, safe="=&%"))).status in {400, 403}
        # Of a link that was made here the whole user id is as good; of nobody it is no use.
        consent = server.server.users.consent
        assert consent is not None
        for user_name, status in (("@alice:ranvier.test", 200), ("nobody", 404), ("a\0b", 404)):
            fields = urlencode({"u": user_name, "h": consent.user_hmac(user_name), "v": "2.0"})
            assert (await stranger.request("POST", "/_matrix/consent", raw=fields.encode())).status == status


def test_what_is_missing_is_said(tmp_path: Path) -> None:
    def said_of(**consent: object) -> str:
        with pytest.raises(ConfigError) as error:
            parse({"server_name": "test", "user_consent": consent})
        return str(error.value)

    for alone in ({"block_events_error": "x"}, {"server_notice_content": {"body": "x"}}):
        assert "user_consent: needs version and template_dir" in said_of(**alone)
    section = options(tmp_path)["user_consent"]
    assert "needs server_notices" in said_of(**section, **ASKING)


def test_a_policy_that_no_listener_shows(tmp_path: Path) -> None:
    section = options(tmp_path)
    assert parse({"server_name": "test", **section}).warnings == ()
    section["listeners"] = [{"type": "http", "port": 0, "resources": [{"names": ["client"]}]}]
    (warning,) = parse({"server_name": "test", **section}).warnings
    assert "user_consent: no listener has the resource consent" in warning


def test_texts_may_hold_other_per_cent_signs() -> None:
    assert with_link("%(consent_uri)s!", "x") == "x!"
    assert with_link("100%% %(consent_uri)s", "x") == "100% x"
    for text in ("100% %(consent_uri)s", "%(other)s %(consent_uri)s", "%s %(consent_uri)s"):
        assert with_link(text, "x") == text.replace("%(consent_uri)s", "x")
