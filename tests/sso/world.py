"""A server that knows a provider, and people who come from there."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.api.asgi import Answer, Client
from tests.api.homeserver import Homeserver, running
from tests.sso.browser import BASE, Browser, link_in, location
from tests.sso.openid_provider import SECRET, OpenidProvider

APP = "https://app.example.org/?a=b"
CALLBACK = "/_synapse/client/oidc/callback"
REDIRECT = "/_matrix/client/v3/login/sso/redirect"
MAPPING = {"localpart_template": "{{ user.preferred_username }}", "display_name_template": "{{ user.name }}"}


def provider_options(provider: OpenidProvider, **more: object) -> dict[str, Any]:
    """An entry of `oidc_providers`."""
    return {
        "idp_id": "wonderland",
        "idp_name": "Wonderland",
        "issuer": provider.base,
        "client_id": "ranvier: the client",
        "client_secret": SECRET,
        "skip_verification": True,
        "user_mapping_provider": {"config": MAPPING},
        **more,
    }


@asynccontextmanager
async def signing_on(
    database: Mapping[str, Any], *providers: Mapping[str, Any], **options: object
) -> AsyncIterator[Homeserver]:
    """A server with these providers."""
    more = {"public_baseurl": BASE, **({"oidc_providers": list(providers)} if providers else {}), **options}
    async with running(database, **more) as homeserver:
        yield homeserver


async def depart(browser: Browser, *, idp: str = "", url: str = APP, **query: str) -> str:
    """Where the browser is sent."""
    return location(await browser.get(REDIRECT + idp, redirectUrl=url, **query))


async def arrive(browser: Browser, provider: OpenidProvider, **depart_with: str) -> Answer:
    """There and back: what the server says to who comes back."""
    query = provider.authorize(await depart(browser, **depart_with))
    return await browser.get(CALLBACK, **query)


def login_token(url: str) -> str:
    """The token in the address of an application."""
    return parse_qs(urlsplit(url).query)["loginToken"][0]


async def log_in(homeserver: Homeserver, page: Answer) -> dict[str, Any]:
    """The answer to the application to which the page leads."""
    url = location(page) if page.status == 302 else link_in(page)
    body = {"type": "m.login.token", "token": login_token(url)}
    # What a provider adds to the answer is described nowhere.
    found: dict[str, Any] = (await Client(homeserver.unchecked).post("/login", body)).ok()
    return found


def client_of(homeserver: Homeserver, answer: Mapping[str, Any]) -> Client:
    return Client(homeserver.app, token=answer["access_token"], user_id=answer["user_id"])
