"""The pages on which stages of authentication, and logins, are completed in a browser."""

import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urlencode

import pytest

from tests.api.asgi import Answer, Client
from tests.api.homeserver import Homeserver, running
from tests.api.test_account import confirmed

BODY = {"username": "carol", "password": "wonderland"}


def page_of(kind: str) -> str:
    return f"/_matrix/client/v3/auth/{kind}/fallback/web"


async def show(client: Client, kind: str, session: str) -> Answer:
    return await client.request("GET", page_of(kind), query={"session": session})


async def fill(client: Client, kind: str, session: str, **fields: str) -> Answer:
    raw = urlencode({"session": session, **fields}).encode()
    return await client.request("POST", page_of(kind), raw=raw)


class _Inputs(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: dict[str, str] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag == "input":
            self.found[values["name"] or ""] = values.get("value") or ""


def inputs(answer: Answer) -> dict[str, str]:
    """The fields of the page's form."""
    parser = _Inputs()
    parser.feed(answer.body.decode())
    return parser.found


def is_done(answer: Answer) -> bool:
    """Whether the page tells the client, in the spec's words, that the stage is completed."""
    text = answer.body.decode()
    return answer.status == 200 and "window.onAuthDone();" in text and 'window.opener.postMessage("authDone"' in text


async def test_the_dummy_stage(stranger: Client) -> None:
    session = (await stranger.post("/register", BODY)).json["session"]
    form = await show(stranger, "m.login.dummy", session)
    assert form.headers["content-type"].startswith("text/html")
    assert inputs(form) == {"session": session}
    assert not is_done(form)
    assert is_done(await fill(stranger, "m.login.dummy", session))
    assert is_done(await show(stranger, "m.login.dummy", session))
    (await stranger.post("/register", {**BODY, "auth": {"session": session}})).ok()
    assert (await show(stranger, "m.login.dummy", session)).status == 400


async def test_the_password_stage(alice: Client, homeserver: Homeserver) -> None:
    session = (await alice.post("/account/password", {"new_password": "x"})).json["session"]
    stranger = homeserver.stranger()
    form = await show(stranger, "m.login.password", session)
    assert inputs(form).keys() == {"session", "password"}
    assert alice.user_id in form.body.decode()
    wrong = await fill(stranger, "m.login.password", session, password="wrong")
    assert wrong.status == 403
    assert inputs(wrong).keys() == {"session", "password"}
    assert (await alice.post("/account/password", {"new_password": "x", "auth": {"session": session}})).status == 401
    assert is_done(await fill(stranger, "m.login.password", session, password="correct horse"))
    (await alice.post("/account/password", {"new_password": "x", "auth": {"session": session}})).ok()


async def test_without_a_token_the_page_asks_who_one_is(alice: Client, stranger: Client) -> None:
    session = (await stranger.post("/account/password", {"new_password": "x"})).json["session"]
    assert inputs(await show(stranger, "m.login.password", session)).keys() == {"session", "user", "password"}
    assert is_done(await fill(stranger, "m.login.password", session, user="alice", password="correct horse"))
    (await stranger.post("/account/password", {"new_password": "x", "auth": {"session": session}})).ok()


async def test_the_registration_token_and_the_terms(tmp_path: Path) -> None:
    (tmp_path / "en").mkdir()
    (tmp_path / "en" / "v1.html").write_text("")
    database = {"name": "sqlite3", "args": {"database": str(tmp_path / "homeserver.db")}}
    consent = {
        "template_dir": str(tmp_path),
        "version": "v1",
        "require_at_registration": True,
        "policy_name": "<b>Rules</b>",
    }
    async with running(database, registration_requires_token=True, user_consent=consent) as server:
        async with server.db.write() as tx:
            await tx.run("INSERT INTO registration_tokens (token) VALUES ('sesame')")
        stranger = server.stranger()
        session = (await stranger.post("/register", BODY)).json["session"]
        assert (await show(stranger, "m.login.terms", session)).status == 400
        assert (await fill(stranger, "m.login.terms", session)).status == 400
        assert (await fill(stranger, "m.login.registration_token", session, token="nothing")).status == 401
        assert is_done(await fill(stranger, "m.login.registration_token", session, token="sesame"))
        terms = (await show(stranger, "m.login.terms", session)).body.decode()
        assert "&lt;b&gt;Rules&lt;/b&gt;" in terms
        assert "https://ranvier.test/_matrix/consent?v=v1" in terms
        assert is_done(await fill(stranger, "m.login.terms", session))
        (await stranger.post("/register", {**BODY, "auth": {"session": session}})).ok()


@pytest.mark.parametrize("kind", ["m.login.dummy", "m.login.terms", "m.login.password"])
async def test_sessions_that_are_none(stranger: Client, kind: str) -> None:
    for session in ("nothing", "<script>"):
        for answer in (await show(stranger, kind, session), await fill(stranger, kind, session)):
            assert answer.status == 400
            assert b"<script>" not in answer.body
    assert (await stranger.request("GET", page_of(kind))).status == 400


async def test_stages_that_are_none(stranger: Client) -> None:
    session = (await stranger.post("/register", BODY)).json["session"]
    assert (await show(stranger, "m.login.sso", session)).status == 404
    assert (await show(stranger, "m.login.password", session)).status == 400


async def test_pages_run_nothing_but_their_own(stranger: Client, homeserver: Homeserver) -> None:
    session = (await stranger.post("/register", BODY)).json["session"]
    pages = [
        await show(stranger, "m.login.dummy", session),
        await fill(stranger, "m.login.dummy", session),
        await stranger.request("GET", "/_matrix/static/client/login/"),
    ]
    for answer in pages:
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
    assert "script-src" not in pages[0].headers["content-security-policy"]


async def test_the_login_page(stranger: Client) -> None:
    answer = await stranger.request("GET", "/_matrix/static/client/login/?device_id=GHTYAJCE")
    assert answer.status == 200
    assert answer.headers["content-type"].startswith("text/html")
    text = answer.body.decode()
    assert "window.matrixLogin.onLogin(" in text
    assert re.search(r'"/_matrix/client/v3/login"', text)


async def test_a_proof_may_hold_for_a_while(tmp_path: Path) -> None:
    database = {"name": "sqlite3", "args": {"database": str(tmp_path / "homeserver.db")}}
    async with running(database, ui_auth={"session_timeout": "1h"}) as server:
        alice = await server.register("alice")
        await confirmed(alice, "POST", "/delete_devices", {"devices": ["NOTHING"]})
        (await alice.post("/delete_devices", {"devices": ["NOTHING"]})).ok()
        # Neither for another login nor for what is graver.
        other = (
            await server.stranger().post(
                "/login",
                {
                    "type": "m.login.password",
                    "user": "alice",
                    "password": "correct horse",
                },
            )
        ).ok()
        again = Client(server.app, token=other["access_token"])
        assert (await again.post("/delete_devices", {"devices": ["NOTHING"]})).status == 401
        for path, body in (("/account/password", {"new_password": "x"}), ("/account/deactivate", {})):
            assert (await alice.post(path, body)).status == 401
