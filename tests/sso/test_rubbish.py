"""Whatever is sent to the pages of single sign-on: an answer, and never a fault."""

from typing import Any

from tests.sso.browser import Browser
from tests.sso.openid_provider import OpenidProvider
from tests.sso.world import CALLBACK, REDIRECT, provider_options, signing_on

PAGES = (
    REDIRECT,
    f"{REDIRECT}/oidc-wonderland",
    f"{REDIRECT}/%00",
    CALLBACK,
    "/_matrix/client/r0/login/cas/ticket",
    "/_matrix/client/v3/auth/m.login.sso/fallback/web",
    "/_synapse/client/pick_idp",
    "/_synapse/client/pick_username/check",
    "/_synapse/client/pick_username/account_details",
    "/_synapse/client/new_user_consent",
    "/_synapse/client/sso_register",
)
QUERIES = (
    "",
    "?",
    "?redirectUrl=http://[",
    "?redirectUrl=http://x:y/%E2%98%83%00",
    "?redirectUrl=a:b&idp=%FF",
    "?redirectUrl=%ED%A0%80:",
    "?state=%E2%98%83&code=%00&session=%00&username=%00&error=%E2%98%83",
    "?" + "&".join(f"a{number}=b" for number in range(1100)),
)
COOKIES = ("", ".", "a.b", "\u00e9.\u00e9", "=", "x" * 5000, "e30.0")


async def test_nothing_is_a_fault(provider: OpenidProvider, database: dict[str, Any]) -> None:
    async with signing_on(database, provider_options(provider)) as homeserver:
        browser = Browser(homeserver.unchecked)
        for page in PAGES:
            for query in QUERIES:
                answer = await browser.get(page + query)
                assert answer.status in {200, 302, 400, 404}, (page, query, answer.body)
        for text in COOKIES:
            for page in PAGES:
                browser.cookies = {"sso_attempt": text, "username_mapping_session": text}
                assert (await browser.get(page, state="")).status in {200, 302, 400, 404}, (page, text)
                assert (await browser.post(page, username="\0", accepted_version="\0")).status in {400, 404, 405}
