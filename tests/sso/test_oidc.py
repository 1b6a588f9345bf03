"""OpenID Connect: what is asked of a provider, and what of its answers is believed."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from ranvier.config.load import ConfigError, parse
from tests.api.homeserver import OPTIONS
from tests.sso.browser import BASE, Browser
from tests.sso.openid_provider import SECRET, OpenidProvider
from tests.sso.world import MAPPING, arrive, client_of, depart, log_in, provider_options, signing_on


def asked_of(location: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(location).query).items()}


async def test_what_is_asked_of_a_provider(provider: OpenidProvider, database: dict[str, Any]) -> None:
    entry = provider_options(
        provider,
        scopes=["openid", "profile"],
        additional_authorization_parameters={"prompt": "login", "state": "not mine"},
        passthrough_authorization_parameters=["login_hint"],
        redirect_uri=f"{BASE}/elsewhere",
    )
    async with signing_on(database, entry) as homeserver:
        asked = asked_of(await depart(Browser(homeserver.app), login_hint="alice", acr_values="no"))
        assert asked["scope"] == "openid profile" and asked["response_type"] == "code"
        assert asked["client_id"] == "ranvier: the client" and asked["redirect_uri"] == f"{BASE}/elsewhere"
        assert asked["prompt"] == "login" and asked["login_hint"] == "alice" and "acr_values" not in asked
        assert asked["state"] != "not mine" and len(asked["state"]) > 20 and asked["code_challenge_method"] == "S256"
        page = await arrive(Browser(homeserver.app), provider)
        assert page.status == 200
        assert provider.credentials() == ("ranvier: the client", SECRET)
        assert "client_secret" not in provider.asked[-1][1]


@pytest.mark.parametrize(
    ("pkce_method", "supported", "used"),
    [("never", True, False), ("always", False, True), ("auto", False, False)],
)
async def test_pkce(
    pkce_method: str, supported: bool, used: bool, provider: OpenidProvider, database: dict[str, Any]
) -> None:
    if not supported:
        provider.metadata["code_challenge_methods_supported"] = ["plain"]
    async with signing_on(database, provider_options(provider, pkce_method=pkce_method)) as homeserver:
        assert ("code_challenge" in asked_of(await depart(Browser(homeserver.app)))) is used
        assert (await arrive(Browser(homeserver.app), provider)).status == 200
        assert ("code_verifier" in provider.asked[-1][1]) is used


async def test_other_ways_to_present_oneself(
    provider: OpenidProvider, database: dict[str, Any], tmp_path: Path
) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    (tmp_path / "key.pem").write_text(pem)
    (tmp_path / "secret").write_text(f"{SECRET}\n")
    in_file = provider_options(provider, idp_id="file", client_secret_path=str(tmp_path / "secret"))
    entries = [
        provider_options(provider, client_auth_method="client_secret_post"),
        provider_options(provider, idp_id="public", client_auth_method="none", client_secret=None),
        {name: value for name, value in in_file.items() if name != "client_secret"},
    ]
    for number, where in enumerate(({"key": pem}, {"key_file": str(tmp_path / "key.pem")})):
        token = {**where, "jwt_header": {"alg": "ES256", "kid": "k1"}, "jwt_payload": {"iss": "me"}}
        entry = provider_options(provider, idp_id=f"key{number}", client_secret_jwt_key=token)
        entries.append({name: value for name, value in entry.items() if name != "client_secret"})
    async with signing_on(database, *entries) as homeserver:
        browser = Browser(homeserver.app)
        assert (await arrive(browser, provider, idp="/oidc-wonderland")).status == 200
        assert provider.asked[-1][1]["client_secret"] == SECRET
        assert (await arrive(browser, provider, idp="/oidc-public")).status == 200
        headers, fields = provider.asked[-1]
        assert "Authorization" not in headers and "client_secret" not in fields and fields["client_id"]
        assert (await arrive(browser, provider, idp="/oidc-file")).status == 200
        assert provider.credentials()[1] == SECRET
        for number in range(2):
            assert (await arrive(browser, provider, idp=f"/oidc-key{number}")).status == 200
            secret = provider.credentials()[1]
            claims = jwt.decode(secret, key.public_key(), algorithms=["ES256"])
            assert claims["iss"] == "me" and claims["exp"] > claims["iat"]
            assert jwt.get_unverified_header(secret)["kid"] == "k1"


@pytest.mark.parametrize(
    "wrong",
    [
        {"iss": "https://evil.example"},
        {"aud": "somebody else"},
        {"nonce": "another"},
        {"exp": 1_000_000_000},
        {"azp": "somebody else", "aud": ["somebody else", "ranvier: the client"]},
    ],
)
async def test_what_is_not_believed(wrong: dict[str, Any], provider: OpenidProvider, database: dict[str, Any]) -> None:
    provider.token_claims = wrong
    async with signing_on(database, provider_options(provider)) as homeserver:
        page = await arrive(Browser(homeserver.app), provider)
        assert page.status == 400 and b"invalid_token" in page.body


async def test_keys_change(provider: OpenidProvider, database: dict[str, Any]) -> None:
    async with signing_on(database, provider_options(provider)) as homeserver:
        assert (await arrive(Browser(homeserver.app), provider)).status == 200
        assert (await arrive(Browser(homeserver.app), provider)).status == 200
        assert provider.key_requests == 1
        provider.change_key("second")
        assert (await arrive(Browser(homeserver.app), provider)).status == 200
        assert provider.key_requests == 2
        # Who signs with keys that are not told makes nobody ask all the time.
        provider.change_key("third")
        assert (await arrive(Browser(homeserver.app), provider)).status == 400
        assert provider.key_requests == 2


async def test_algorithms_that_are_not_accepted(provider: OpenidProvider, database: dict[str, Any]) -> None:
    entry = provider_options(provider, id_token_signing_alg_values_supported=["RS256"])
    async with signing_on(database, entry) as homeserver:
        page = await arrive(Browser(homeserver.app), provider)
        assert page.status == 400 and b"not accepted" in page.body


async def test_userinfo(provider: OpenidProvider, database: dict[str, Any]) -> None:
    provider.userinfo = {"sub": "4711", "preferred_username": "from-userinfo"}
    provider.token_claims = {"preferred_username": "from-token"}
    entries = [
        provider_options(provider, user_profile_method="userinfo_endpoint"),
        provider_options(provider, idp_id="oauth", scopes=["profile"]),
    ]
    async with signing_on(database, *entries) as homeserver:
        one = await log_in(homeserver, await arrive(Browser(homeserver.app), provider, idp="/oidc-wonderland"))
        two = await log_in(homeserver, await arrive(Browser(homeserver.app), provider, idp="/oidc-oauth"))
        assert (one["user_id"], two["user_id"]) == ("@from-userinfo:ranvier.test", "@from-userinfo1:ranvier.test")
        provider.userinfo["sub"] = "somebody else"
        page = await arrive(Browser(homeserver.app), provider, idp="/oidc-wonderland")
        assert page.status == 400 and b"two users" in page.body


async def test_without_discovery(provider: OpenidProvider, database: dict[str, Any]) -> None:
    entry = provider_options(
        provider,
        discover=False,
        authorization_endpoint=f"{provider.base}/authorize",
        token_endpoint=f"{provider.base}/token",
        userinfo_endpoint=f"{provider.base}/userinfo",
        jwks_uri=f"{provider.base}/jwks",
        id_token_signing_alg_values_supported=["ES256"],
    )
    provider.metadata = {"token_endpoint": "http://nowhere.invalid/"}
    async with signing_on(database, entry) as homeserver:
        assert (await arrive(Browser(homeserver.app), provider)).status == 200


async def test_metadata_is_verified(provider: OpenidProvider, database: dict[str, Any]) -> None:
    async with signing_on(database, provider_options(provider, skip_verification=False)) as homeserver:
        page = await Browser(homeserver.app).get("/_matrix/client/v3/login/sso/redirect", redirectUrl="app://x")
        assert page.status == 502 and b"https" in page.body


async def test_attributes_that_are_required(provider: OpenidProvider, database: dict[str, Any]) -> None:
    required = [
        {"attribute": "group", "value": "staff"},
        {"attribute": "floor", "one_of": ["1", "2"]},
        {"attribute": "mail"},
    ]
    async with signing_on(database, provider_options(provider, attribute_requirements=required)) as homeserver:
        provider.claims |= {"group": ["guests", "staff"], "floor": 2}
        page = await arrive(Browser(homeserver.app), provider)
        assert page.status == 403 and b"not authorised" in page.body
        provider.claims["mail"] = "a@b.example"
        assert (await arrive(Browser(homeserver.app), provider)).status == 200
        provider.claims["group"] = ["guests"]
        assert (await arrive(Browser(homeserver.app), provider)).status == 403


async def test_what_becomes_of_claims(provider: OpenidProvider, database: dict[str, Any]) -> None:
    mapping = {
        "subject_template": "{{ user.org }}/{{ user.sub }}",
        "localpart_template": "{{ user.email | localpart_from_email }}",
        "display_name_template": "{{ user.name }} & co",
        "email_template": "{{ user.email }}",
        "extra_attributes": {"org.example.group": "{{ user.group }}"},
    }
    provider.claims |= {"org": "w", "email": "Ällice@Example.ORG", "group": "staff", "email_verified": True}
    entry = provider_options(provider, user_mapping_provider={"config": mapping})
    async with signing_on(database, entry) as homeserver:
        answer = await log_in(homeserver, await arrive(Browser(homeserver.app), provider))
        assert answer["org.example.group"] == "staff"
        assert answer["user_id"] == "@=c3=a4llice:ranvier.test"
        alice = client_of(homeserver, answer)
        assert (await alice.get(f"/profile/{alice.user_id}/displayname")).ok()["displayname"] == "Alice Liddell & co"
        (threepid,) = (await alice.get("/account/3pid")).ok()["threepids"]
        assert (threepid["medium"], threepid["address"]) == ("email", "ällice@example.org")
        # The next one's address is somebody's, and not proved.
        provider.claims |= {"sub": "other", "email": "mallory@example.org", "email_verified": False}
        mallory = client_of(homeserver, await log_in(homeserver, await arrive(Browser(homeserver.app), provider)))
        assert (await mallory.get("/account/3pid")).ok()["threepids"] == []


async def test_the_older_name_of_the_subject(provider: OpenidProvider, database: dict[str, Any]) -> None:
    module = "synapse.handlers.oidc.JinjaOidcMappingProvider"
    mapping = {"module": module, "config": {**MAPPING, "subject_claim": "number"}}
    entry = provider_options(provider, user_mapping_provider=mapping)
    async with signing_on(database, entry) as homeserver:
        page = await arrive(Browser(homeserver.app), provider)
        assert page.status == 400 and b"mapping_error" in page.body
        provider.claims["number"] = 7
        one = await log_in(homeserver, await arrive(Browser(homeserver.app), provider))
        provider.claims["sub"] = "another"
        assert (await log_in(homeserver, await arrive(Browser(homeserver.app), provider)))["user_id"] == one["user_id"]


async def test_two_first_logins_at_once(provider: OpenidProvider, db_config: Mapping[str, Any]) -> None:
    async with signing_on(db_config, provider_options(provider)) as homeserver:
        pages = await asyncio.gather(*(arrive(Browser(homeserver.app), provider) for _ in range(4)))
        assert {(await log_in(homeserver, page))["user_id"] for page in pages} == {"@alice:ranvier.test"}


async def test_accounts_that_are_there(provider: OpenidProvider, db_config: Mapping[str, Any]) -> None:
    entries = [
        provider_options(provider, allow_existing_users=True, enable_registration=False),
        provider_options(provider, idp_id="two"),
    ]
    async with signing_on(db_config, *entries) as homeserver:
        refused = await arrive(Browser(homeserver.app), provider, idp="/oidc-wonderland")
        assert refused.status == 403
        await homeserver.register("alice")
        pages = await asyncio.gather(
            *(arrive(Browser(homeserver.app), provider, idp="/oidc-wonderland") for _ in range(3))
        )
        assert {(await log_in(homeserver, page))["user_id"] for page in pages} == {"@alice:ranvier.test"}
        other = await log_in(homeserver, await arrive(Browser(homeserver.app), provider, idp="/oidc-two"))
        assert other["user_id"] == "@alice1:ranvier.test"


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"client_secret": None}, "client_secret"),
        ({"discover": False}, "authorization_endpoint"),
        ({"id_token_signing_alg_values_supported": ["none"]}, "none"),
        ({"user_mapping_provider": {"module": "my.module"}}, "my.module"),
        ({"idp_icon": "https://x"}, "mxc"),
        ({"idp_id": "a b"}, "characters"),
        ({"client_secret_jwt_key": {"key": "x", "jwt_header": {"alg": "ES256"}}}, "only one of them"),
        ({"attribute_requirements": [{"value": "x"}]}, "attribute"),
    ],
)
def test_mistakes_are_said(changes: dict[str, Any], complaint: str) -> None:
    entry = {"idp_id": "x", "idp_name": "X", "issuer": "https://x.example", "client_id": "c", "client_secret": "s"}
    with pytest.raises(ConfigError, match=complaint):
        parse({**OPTIONS, "public_baseurl": BASE, "oidc_providers": [{**entry, **changes}]})


def test_two_providers_of_one_name() -> None:
    entry = {"idp_id": "x", "idp_name": "X", "issuer": "https://x.example", "client_id": "c", "client_secret": "s"}
    with pytest.raises(ConfigError, match="two providers"):
        parse({**OPTIONS, "public_baseurl": BASE, "oidc_providers": [entry, entry]})


async def test_the_older_section(provider: OpenidProvider, database: dict[str, Any]) -> None:
    entry = provider_options(provider, enabled=True)
    old = {name: value for name, value in entry.items() if not name.startswith("idp_")}
    async with signing_on(database, provider_options(provider), oidc_config=old) as homeserver:
        flows = (await homeserver.stranger().get("/login")).ok()["flows"]
        (sso,) = (flow for flow in flows if flow["type"] == "m.login.sso")
        assert [one["id"] for one in sso["identity_providers"]] == ["oidc-wonderland", "oidc"]
        answer = await log_in(homeserver, await arrive(Browser(homeserver.app), provider, idp="/oidc"))
        row = await homeserver.db.one("SELECT auth_provider, user_id FROM user_external_ids")
        assert row is not None and tuple(row) == ("oidc", answer["user_id"])


def test_the_older_section_may_be_off_or_wrong() -> None:
    assert parse({**OPTIONS, "oidc_config": {"issuer": "https://x.example"}}).sso is None
    with pytest.raises(ConfigError, match=r"oidc_providers\[0\].client_id: is required"):
        parse({**OPTIONS, "oidc_config": {"enabled": True, "issuer": "https://x.example"}})
    with pytest.raises(ConfigError, match="oidc_config"):
        parse({**OPTIONS, "oidc_config": "yes"})
