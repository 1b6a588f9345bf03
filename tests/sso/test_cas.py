"""CAS: tickets, and what the server says of them."""

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.api.asgi import Answer
from tests.api.homeserver import Homeserver
from tests.sso.browser import Browser
from tests.sso.openid_provider import OpenidProvider
from tests.sso.world import client_of, depart, log_in, signing_on

TICKET = "/_matrix/client/r0/login/cas/ticket"


def success(user: str, inside: str = "") -> bytes:
    return (
        '<cas:serviceResponse xmlns:cas="http://www.yale.edu/tp/cas"><cas:authenticationSuccess>'
        f"<cas:user>{user}</cas:user><cas:attributes>{inside}</cas:attributes>"
        "</cas:authenticationSuccess></cas:serviceResponse>"
    ).encode()


async def come(homeserver: Homeserver, provider: OpenidProvider, ticket: str = "ST-1") -> Answer:
    browser = Browser(homeserver.app)
    location = await depart(browser)
    assert location.startswith(f"{provider.base}/cas/login?service=")
    service = urlsplit(parse_qs(urlsplit(location).query)["service"][0])
    assert service.path == TICKET
    return await browser.get(f"{service.path}?{service.query}&ticket={ticket}")


def cas(provider: OpenidProvider, **more: object) -> dict[str, Any]:
    return {"cas_config": {"enabled": True, "server_url": f"{provider.base}/cas/", **more}}


async def test_a_ticket(provider: OpenidProvider, database: dict[str, Any]) -> None:
    options = cas(provider, displayname_attribute="name", idp_name="The College", idp_brand="cas", protocol_version=3)
    async with signing_on(database, **options) as homeserver:
        flows = (await homeserver.stranger().get("/login")).ok()["flows"]
        cards = [{"id": "cas", "name": "The College", "brand": "cas"}]
        assert {"type": "m.login.sso", "identity_providers": cards} in flows
        provider.cas_answer = success("Alice", "<cas:name>Alice L.</cas:name>")
        alice = client_of(homeserver, await log_in(homeserver, await come(homeserver, provider)))
        assert alice.user_id == "@alice:ranvier.test"
        assert (await alice.get(f"/profile/{alice.user_id}/displayname")).ok()["displayname"] == "Alice L."
        path, query = provider.cas_asked[-1]
        assert path == "/cas/p3/proxyValidate" and query["ticket"] == "ST-1" and TICKET in query["service"]
        assert (await log_in(homeserver, await come(homeserver, provider)))["user_id"] == alice.user_id


async def test_what_is_required_and_numbers(provider: OpenidProvider, database: dict[str, Any]) -> None:
    required = {"group": "staff", "mail": None}
    options = cas(provider, required_attributes=required, allow_numeric_ids=True, numeric_ids_prefix="n")
    async with signing_on(database, **options) as homeserver:
        provider.cas_answer = success("42", "<cas:group>guests</cas:group><cas:group>staff</cas:group>")
        assert (await come(homeserver, provider)).status == 403
        provider.cas_answer = success("42", "<cas:group>staff</cas:group><cas:mail>x</cas:mail>")
        assert (await log_in(homeserver, await come(homeserver, provider)))["user_id"] == "@n42:ranvier.test"
        assert provider.cas_asked[-1][0] == "/cas/proxyValidate"


async def test_nobody_is_made_where_that_is_not_wanted(provider: OpenidProvider, database: dict[str, Any]) -> None:
    async with signing_on(database, **cas(provider, enable_registration=False)) as homeserver:
        provider.cas_answer = success("alice")
        assert (await come(homeserver, provider)).status == 403
        await homeserver.register("alice")
        assert (await log_in(homeserver, await come(homeserver, provider)))["user_id"] == "@alice:ranvier.test"
        provider.cas_answer = success("42")
        assert (await come(homeserver, provider)).status == 400


@pytest.mark.parametrize(
    "answer",
    [
        b'<cas:serviceResponse xmlns:cas="http://www.yale.edu/tp/cas"><cas:authenticationFailure code="INVALID_TICKET"/>'
        b"</cas:serviceResponse>",
        b"<html>",
        b"",
        b'<!DOCTYPE x [<!ENTITY a "b">]>' + success("&a;"),
        success(" "),
        success("alice").replace(b"www.yale.edu", b"evil.example"),
    ],
)
async def test_answers_that_let_nobody_in(answer: bytes, provider: OpenidProvider, database: dict[str, Any]) -> None:
    provider.cas_answer = answer
    async with signing_on(database, **cas(provider)) as homeserver:
        page = await come(homeserver, provider)
        assert page.status in {403, 502} and page.headers["content-type"].startswith("text/html")
