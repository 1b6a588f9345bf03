"""The captcha of registration: `m.login.recaptcha`, and its page."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiohttp import web

from tests.api.homeserver import Homeserver, running
from tests.sso.browser import Browser

PAGE = "/_matrix/client/v3/auth/m.login.recaptcha/fallback/web"
BODY = {"username": "carol", "password": "wonderland"}


class Puzzles:
    """Whoever verifies captchas: one solution is right."""

    def __init__(self) -> None:
        self.asked: list[dict[str, str]] = []
        self.answer: dict[str, Any] | None = None

    async def verify(self, request: web.Request) -> web.Response:
        fields = {name: str(value) for name, value in (await request.post()).items()}
        self.asked.append(fields)
        return web.json_response(self.answer or {"success": fields["response"] == "right"})


@asynccontextmanager
async def guarded(database: dict[str, Any], **more: object) -> AsyncIterator[tuple[Homeserver, Puzzles]]:
    puzzles = Puzzles()
    app = web.Application()
    app.router.add_post("/verify", puzzles.verify)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    options = {
        "enable_registration_captcha": True,
        "enable_registration_without_verification": False,
        "recaptcha_public_key": "site key",
        "recaptcha_private_key": "secret key",
        "recaptcha_siteverify_api": f"http://127.0.0.1:{runner.addresses[0][1]}/verify",
        **more,
    }
    try:
        async with running(database, **options) as homeserver:
            yield homeserver, puzzles
    finally:
        await runner.cleanup()


async def test_who_solves_it_registers(database: dict[str, Any]) -> None:
    async with guarded(database) as (homeserver, puzzles):
        stranger = homeserver.stranger()
        asked = (await stranger.post("/register", BODY)).json
        assert [flow["stages"] for flow in asked["flows"]] == [["m.login.recaptcha", "m.login.dummy"]]
        assert asked["params"] == {"m.login.recaptcha": {"public_key": "site key"}}
        captcha = {"type": "m.login.recaptcha", "session": asked["session"]}
        (await stranger.post("/register", {**BODY, "auth": captcha})).refused(401, "M_CAPTCHA_NEEDED")
        (await stranger.post("/register", {**BODY, "auth": {**captcha, "response": 7}})).refused(
            401, "M_CAPTCHA_NEEDED"
        )
        for wrong in ("wrong", "x" * 10_000):
            answer = await stranger.post("/register", {**BODY, "auth": {**captcha, "response": wrong}})
            assert answer.refused(401, "M_CAPTCHA_INVALID")["flows"]
        solved = await stranger.post("/register", {**BODY, "auth": {**captcha, "response": "right"}})
        assert solved.status == 401 and solved.json["completed"] == ["m.login.recaptcha"]
        assert puzzles.asked[-1] == {"secret": "secret key", "response": "right"}
        dummy = {"type": "m.login.dummy", "session": asked["session"]}
        (await stranger.post("/register", {**BODY, "auth": dummy})).ok()


async def test_nobody_can_tell(database: dict[str, Any]) -> None:
    async with guarded(database, recaptcha_siteverify_api="http://127.0.0.1:9/") as (homeserver, _):
        stranger = homeserver.stranger()
        session = (await stranger.post("/register", BODY)).json["session"]
        auth = {"type": "m.login.recaptcha", "session": session, "response": "right"}
        (await stranger.post("/register", {**BODY, "auth": auth})).refused(502, "M_UNKNOWN")


async def test_an_answer_that_says_nothing(database: dict[str, Any]) -> None:
    async with guarded(database) as (homeserver, puzzles):
        puzzles.answer = {"success": "yes"}
        stranger = homeserver.stranger()
        session = (await stranger.post("/register", BODY)).json["session"]
        auth = {"type": "m.login.recaptcha", "session": session, "response": "right"}
        (await stranger.post("/register", {**BODY, "auth": auth})).refused(401, "M_CAPTCHA_INVALID")


async def test_the_page(database: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "public").write_text("<site>\n")
    more: dict[str, Any] = {"recaptcha_public_key": None, "recaptcha_public_key_path": str(tmp_path / "public")}
    async with guarded(database, **more) as (homeserver, _):
        stranger, browser = homeserver.stranger(), Browser(homeserver.app)
        session = (await stranger.post("/register", BODY)).json["session"]
        page = await browser.get(PAGE, session=session)
        assert b'data-sitekey="&lt;site&gt;"' in page.body and session.encode() in page.body
        assert "https://www.recaptcha.net/recaptcha/" in page.headers["content-security-policy"]
        assert (await browser.get(PAGE, session="none")).status == 400
        wrong = await browser.post(PAGE, session=session, **{"g-recaptcha-response": "wrong"})
        assert wrong.status == 401 and b"not been solved" in wrong.body
        right = await browser.post(PAGE, session=session, **{"g-recaptcha-response": "right"})
        assert right.status == 200 and b"onAuthDone" in right.body
        assert b"onAuthDone" in (await browser.get(PAGE, session=session)).body
        dummy = {"type": "m.login.dummy", "session": session}
        (await stranger.post("/register", {**BODY, "auth": dummy})).ok()


async def test_elsewhere_there_is_none(database: dict[str, Any]) -> None:
    async with running(database) as homeserver:
        asked = (await homeserver.stranger().post("/register", BODY)).json
        assert [flow["stages"] for flow in asked["flows"]] == [["m.login.dummy"]]
        assert (await Browser(homeserver.app).get(PAGE, session=asked["session"])).status == 404
