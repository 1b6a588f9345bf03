"""`m.login.terms` at registration, and the page with the policy."""

import hashlib
import hmac
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.api.asgi import Client
from tests.api.homeserver import Homeserver, running

POLICY = (
    "<h1>Policy {{ version }}</h1>{% if not public_version %}{% if has_consented %}Agreed, {{ user }}."
    "{% else %}<form>{{ user }} {{ userhmac }}</form>{% endif %}{% endif %}"
)


def options(folder: Path, **consent: object) -> dict[str, Any]:
    (folder / "en").mkdir(exist_ok=True)
    (folder / "en" / "1.2.html").write_text(POLICY)
    return {
        "public_baseurl": "https://ranvier.test",
        "form_secret": "form secret",
        "listeners": [{"type": "http", "port": 0, "resources": [{"names": ["client", "consent"]}]}],
        "user_consent": {
            "template_dir": str(folder),
            "version": 1.2,
            "require_at_registration": True,
            "policy_name": "House rules",
            **consent,
        },
    }


@pytest.fixture
async def homeserver(tmp_path: Path) -> AsyncIterator[Homeserver]:
    database = {"name": "sqlite3", "args": {"database": str(tmp_path / "homeserver.db")}}
    async with running(database, **options(tmp_path)) as server:
        yield server


async def form(client: Client, **fields: str) -> tuple[int, str]:
    answer = await client.request("POST", "/_matrix/consent", raw=urlencode(fields).encode())
    return answer.status, answer.body.decode()


BODY = {"username": "alice", "password": "wonderland"}


async def test_registration_asks_for_agreement(homeserver: Homeserver) -> None:
    stranger = homeserver.stranger()
    asked = (await stranger.post("/register", BODY)).json
    assert asked["flows"] == [{"stages": ["m.login.terms"]}]
    policy = {"name": "House rules", "url": "https://ranvier.test/_matrix/consent?v=1.2"}
    assert asked["params"] == {"m.login.terms": {"policies": {"privacy_policy": {"version": "1.2", "en": policy}}}}
    only_session = await stranger.post("/register", {**BODY, "auth": {"session": asked["session"]}})
    assert only_session.status == 401
    dummy = {"type": "m.login.dummy", "session": asked["session"]}
    assert (await stranger.post("/register", {**BODY, "auth": dummy})).status == 401
    auth = {"type": "m.login.terms", "session": asked["session"]}
    user_id = (await stranger.post("/register", {**BODY, "auth": auth})).ok()["user_id"]
    row = await homeserver.db.one("SELECT consent_version, consent_ts FROM users WHERE name = $1", user_id)
    assert row is not None
    assert row[0] == "1.2"
    assert row[1] > 0


async def test_a_token_comes_before_the_terms(tmp_path: Path) -> None:
    database = {"name": "sqlite3", "args": {"database": str(tmp_path / "homeserver.db")}}
    async with running(database, registration_requires_token=True, **options(tmp_path)) as server:
        async with server.db.write() as tx:
            await tx.run("INSERT INTO registration_tokens (token) VALUES ('sesame')")
        stranger = server.stranger()
        asked = (await stranger.post("/register", BODY)).json
        assert asked["flows"] == [{"stages": ["m.login.registration_token", "m.login.terms"]}]
        terms = {"type": "m.login.terms", "session": asked["session"]}
        early = await stranger.post("/register", {**BODY, "auth": terms})
        assert (early.status, early.errcode) == (401, "M_UNRECOGNIZED")
        token = {"type": "m.login.registration_token", "token": "sesame", "session": asked["session"]}
        half = await stranger.post("/register", {**BODY, "auth": token})
        assert (half.status, half.json["completed"]) == (401, ["m.login.registration_token"])
        (await stranger.post("/register", {**BODY, "auth": terms})).ok()


async def test_everybody_can_read_the_policy(homeserver: Homeserver) -> None:
    stranger = homeserver.stranger()
    for path in ("/_matrix/consent?v=1.2", "/_matrix/consent"):
        answer = await stranger.request("GET", path)
        assert answer.status == 200
        assert answer.headers["content-type"].startswith("text/html")
        assert answer.body == b"<h1>Policy 1.2</h1>"
    (await stranger.request("GET", "/_matrix/consent?v=../x")).refused(404, "M_NOT_FOUND")


async def test_who_has_a_link_can_agree(homeserver: Homeserver) -> None:
    stranger = homeserver.stranger()
    session = (await stranger.post("/register", BODY)).json["session"]
    (await stranger.post("/register", {**BODY, "auth": {"type": "m.login.terms", "session": session}})).ok()
    async with homeserver.db.write() as tx:
        await tx.run("UPDATE users SET consent_version = NULL")
    proof = hmac.new(b"form secret", b"alice", hashlib.sha256).hexdigest()
    link = "/_matrix/consent?" + urlencode({"u": "alice", "h": proof})
    assert f"<form>alice {proof}</form>" in (await stranger.request("GET", link)).body.decode()
    (await stranger.request("GET", "/_matrix/consent?u=alice&h=00")).refused(403, "M_FORBIDDEN")
    assert (await form(stranger, u="alice", h="00", v="1.2"))[0] == 403
    assert (await form(stranger, u="alice", h=proof, v="1.1"))[0] == 400
    assert (await form(stranger, u="alice", v="1.2"))[0] == 400
    assert (await form(stranger, u="alice", h=proof, v="1.2"))[0] == 200
    assert "Agreed, alice." in (await stranger.request("GET", link)).body.decode()


async def test_without_registration_the_policy_is_for_users(tmp_path: Path) -> None:
    database = {"name": "sqlite3", "args": {"database": str(tmp_path / "homeserver.db")}}
    async with running(database, **options(tmp_path, require_at_registration=False)) as server:
        stranger = server.stranger()
        (await stranger.request("GET", "/_matrix/consent")).refused(400, "M_MISSING_PARAM")
        assert (await stranger.post("/register", BODY)).json["flows"] == [{"stages": ["m.login.dummy"]}]
