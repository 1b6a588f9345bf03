"""Single sign-on as clients see it: where it begins, where it ends, and who cannot be fooled."""

from typing import Any

import pytest

from ranvier.config.load import parse
from tests.api.homeserver import OPTIONS
from tests.sso.browser import BASE, Browser, link_in, location
from tests.sso.openid_provider import OpenidProvider
from tests.sso.world import APP, CALLBACK, REDIRECT, arrive, client_of, depart, log_in, provider_options, signing_on


async def test_a_stranger_signs_on_twice(provider: OpenidProvider, database: dict[str, Any]) -> None:
    entry = provider_options(provider, idp_brand="rabbit", idp_icon="mxc://ranvier.test/abc")
    async with signing_on(database, entry) as homeserver:
        flows = (await homeserver.stranger().get("/login")).ok()["flows"]
        card = {"id": "oidc-wonderland", "name": "Wonderland", "brand": "rabbit", "icon": "mxc://ranvier.test/abc"}
        assert {"type": "m.login.sso", "identity_providers": [card]} in flows
        assert {"type": "m.login.token"} in flows
        (await homeserver.stranger().post("/login", {"type": "m.login.sso"})).refused(400, "M_UNKNOWN")
        browser = Browser(homeserver.app)
        page = await arrive(browser, provider)
        assert page.status == 200 and b"Welcome" in page.body and b"app.example.org" in page.body
        assert link_in(page).startswith("https://app.example.org/?a=b&loginToken=")
        assert not browser.cookies
        first = await log_in(homeserver, page)
        assert first["user_id"] == "@alice:ranvier.test"
        alice = client_of(homeserver, first)
        profile = (await alice.get(f"/profile/{alice.user_id}")).ok()
        assert profile["displayname"] == "Alice Liddell"
        body = {"type": "m.login.token", "token": link_in(page).partition("loginToken=")[2]}
        (await homeserver.stranger().post("/login", body)).refused(403, "M_FORBIDDEN")
        again = await arrive(Browser(homeserver.app), provider, idp="/oidc-wonderland")
        assert b"Welcome" not in again.body
        assert (await log_in(homeserver, again))["user_id"] == "@alice:ranvier.test"
        # Another user of that name is given a number.
        provider.claims["sub"] = "4712"
        other = await log_in(homeserver, await arrive(Browser(homeserver.app), provider))
        assert other["user_id"] == "@alice1:ranvier.test"


async def test_known_applications_are_not_asked_about(provider: OpenidProvider, database: dict[str, Any]) -> None:
    options = {"sso": {"client_whitelist": ["https://app.example.org", "myapp://"]}}
    async with signing_on(database, provider_options(provider), **options) as homeserver:
        for url in (APP, "https://app.example.org", "myapp://back?x=1", f"{BASE}/_matrix/static/client/login/"):
            page = await arrive(Browser(homeserver.app), provider, url=url)
            assert location(page).startswith(url.partition("?")[0]), page.headers
            assert "loginToken=" in location(page)
        for url in ("https://app.example.org.evil.example/", "https://app.example.org@evil.example/", "other://x"):
            page = await arrive(Browser(homeserver.app), provider, url=url)
            assert page.status == 200 and link_in(page).startswith(url)


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "JavaScript:alert(1)",
        "data:text/html,x",
        "//evil.example",
        "/x",
        "",
        "https:///x",
        "java\nscript:x",
    ],
)
async def test_what_is_no_address_of_an_application(
    url: str, provider: OpenidProvider, database: dict[str, Any]
) -> None:
    second = provider_options(provider, idp_id="two")
    async with signing_on(database, provider_options(provider), second) as homeserver:
        browser = Browser(homeserver.app)
        for path in (REDIRECT, f"{REDIRECT}/oidc-wonderland", "/_synapse/client/pick_idp"):
            page = await browser.get(path, redirectUrl=url)
            assert page.status == 400 and page.headers["content-type"].startswith("text/html")
        assert (await browser.get(f"{REDIRECT}/oidc-wonderland")).status == 400


async def test_one_of_several_providers_is_chosen(provider: OpenidProvider, database: dict[str, Any]) -> None:
    second = provider_options(provider, idp_id="two", idp_name="<The Other>")
    async with signing_on(database, provider_options(provider), second) as homeserver:
        browser = Browser(homeserver.app)
        picker = await depart(browser)
        assert picker.startswith(f"{BASE}/_synapse/client/pick_idp?")
        page = await browser.get(picker)
        assert b"Wonderland" in page.body and b"&lt;The Other&gt;" in page.body and b"oidc-two" in page.body
        assert page.headers["x-frame-options"] == "DENY"
        on = location(await browser.get(f"{picker}&idp=oidc-two"))
        assert provider.authorize(location(await browser.get(on)))
        unknown = await browser.get(f"{REDIRECT}/oidc-three", redirectUrl=APP)
        assert unknown.status == 404 and b"no such identity provider" in unknown.body


async def test_only_the_browser_that_has_begun_can_end_it(provider: OpenidProvider, database: dict[str, Any]) -> None:
    async with signing_on(database, provider_options(provider)) as homeserver:
        browser, other = Browser(homeserver.app), Browser(homeserver.app)
        query = provider.authorize(await depart(browser))
        assert (await other.get(CALLBACK, **query)).status == 400
        await depart(other)
        page = await other.get(CALLBACK, **query)
        assert page.status == 400 and b"mismatching_session" in page.body
        browser.cookies["sso_attempt"] += "0"
        assert (await browser.get(CALLBACK, **query)).status == 400
        again = provider.authorize(await depart(browser))
        kept = dict(browser.cookies)
        assert (await browser.get(CALLBACK, **again)).status == 200
        browser.cookies = kept
        # The provider takes each code once.
        assert b"invalid_grant" in (await browser.get(CALLBACK, **again)).body
        refused = await browser.get(CALLBACK, error="access_denied", error_description="<no>", state=again["state"])
        assert refused.status == 400
        await depart(browser)


async def test_names_follow_the_provider_where_that_is_wanted(
    provider: OpenidProvider, database: dict[str, Any]
) -> None:
    async with signing_on(
        database,
        provider_options(provider),
        sso={"update_profile_information": True},
        enable_set_displayname=False,
    ) as homeserver:
        alice = client_of(homeserver, await log_in(homeserver, await arrive(Browser(homeserver.app), provider)))
        room_id = await alice.create_room()
        provider.claims["name"] = "Alice Pleasance"
        await log_in(homeserver, await arrive(Browser(homeserver.app), provider))
        assert (await alice.get(f"/profile/{alice.user_id}/displayname")).ok() == {"displayname": "Alice Pleasance"}
        member = (await alice.state(room_id, "m.room.member", alice.user_id)).ok()
        assert member["displayname"] == "Alice Pleasance"


async def test_confirming_who_one_is(provider: OpenidProvider, database: dict[str, Any]) -> None:
    async with signing_on(database, provider_options(provider)) as homeserver:
        alice = client_of(homeserver, await log_in(homeserver, await arrive(Browser(homeserver.app), provider)))
        bob = await homeserver.register("bob")
        wish = {"new_password": "through the looking glass"}
        asked = (await alice.post("/account/password", wish)).json
        assert [flow["stages"] for flow in asked["flows"]] == [["m.login.sso"]]
        passwords = (await bob.post("/account/password", wish)).json
        assert [flow["stages"] for flow in passwords["flows"]] == [["m.login.password"]]
        session = {"session": asked["session"]}
        cheat = {**session, "type": "m.login.sso", "user_id": alice.user_id}
        (await alice.post("/account/password", {**wish, "auth": cheat})).refused(401, "M_FORBIDDEN")
        fallback = "/_matrix/client/v3/auth/m.login.sso/fallback/web"
        browser = Browser(homeserver.app)
        assert (await browser.get(fallback, session="none")).status == 400
        page = await browser.get(fallback, **session)
        assert page.status == 200 and b"Wonderland" in page.body
        provider.claims["sub"] = "somebody else"
        wrong = await browser.get(CALLBACK, **provider.authorize(link_in(page)))
        assert wrong.status == 403 and alice.user_id.encode() in wrong.body
        assert (await alice.post("/account/password", {**wish, "auth": session})).status == 401
        provider.claims["sub"] = "4711"
        page = await browser.get(fallback, **session)
        done = await browser.get(CALLBACK, **provider.authorize(link_in(page)))
        assert done.status == 200 and b"onAuthDone" in done.body
        assert b"onAuthDone" in (await browser.get(fallback, **session)).body
        (await alice.post("/account/password", {**wish, "auth": session})).ok()


async def test_closed_accounts_stay_closed(provider: OpenidProvider, database: dict[str, Any]) -> None:
    async with signing_on(database, provider_options(provider, allow_existing_users=True)) as homeserver:
        alice = await homeserver.register("alice")
        auth = {"type": "m.login.password", "user": "alice", "password": "correct horse"}
        (await alice.post("/account/deactivate", {"auth": auth})).ok()
        page = await arrive(Browser(homeserver.app), provider)
        assert page.status == 403 and b"deactivated" in page.body


def test_without_providers_there_is_none() -> None:
    assert parse(dict(OPTIONS)).sso is None
