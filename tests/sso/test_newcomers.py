"""Users who are new: what they choose, and what they agree to."""

from pathlib import Path
from typing import Any

from tests.sso.browser import BASE, Browser, location
from tests.sso.openid_provider import OpenidProvider
from tests.sso.world import arrive, client_of, log_in, provider_options, signing_on

DETAILS = "/_synapse/client/pick_username/account_details"
CHECK = "/_synapse/client/pick_username/check"
CONSENT = "/_synapse/client/new_user_consent"
REGISTER = "/_synapse/client/sso_register"


async def test_choosing_a_name(provider: OpenidProvider, database: dict[str, Any]) -> None:
    mapping = {"display_name_template": "{{ user.name }}", "email_template": "{{ user.email }}"}
    provider.claims["email"] = "alice@example.org"
    entry = provider_options(provider, user_mapping_provider={"config": mapping})
    async with signing_on(database, entry) as homeserver:
        await homeserver.register("taken")
        browser = Browser(homeserver.app)
        assert location(await arrive(browser, provider)) == BASE + DETAILS
        form = await browser.get(DETAILS)
        assert b"Alice Liddell" in form.body and b"alice@example.org" in form.body and b"Wonderland" in form.body
        assert (await browser.get(CHECK, username="rabbit")).ok() == {"available": True}
        assert (await browser.get(CHECK, username="taken")).ok()["available"] is False
        assert (await browser.get(CHECK, username="a b")).ok()["available"] is False
        assert "error" in (await Browser(homeserver.app).get(CHECK, username="rabbit")).ok()
        taken = await browser.post(DETAILS, username="taken")
        assert taken.status == 400 and b"already taken" in taken.body
        assert (await browser.get(REGISTER)).status == 400
        assert (
            location(await browser.post(DETAILS, username="Rabbit", use_email="alice@example.org")) == BASE + REGISTER
        )
        page = await browser.get(REGISTER)
        assert not browser.cookies
        rabbit = client_of(homeserver, await log_in(homeserver, page))
        assert rabbit.user_id == "@rabbit:ranvier.test"
        assert (await rabbit.get(f"/profile/{rabbit.user_id}/displayname")).ok()["displayname"] == "rabbit"
        assert [one["address"] for one in (await rabbit.get("/account/3pid")).ok()["threepids"]] == [
            "alice@example.org"
        ]
        for path in (DETAILS, CONSENT, REGISTER):
            assert (await Browser(homeserver.app).get(path)).status == 400
        assert (await Browser(homeserver.app).post(DETAILS, username="x")).status == 400


async def test_confirming_the_name(provider: OpenidProvider, database: dict[str, Any]) -> None:
    mapping = {"localpart_template": "{{ user.preferred_username }}", "confirm_localpart": True}
    entry = provider_options(provider, user_mapping_provider={"config": mapping})
    async with signing_on(database, entry) as homeserver:
        browser = Browser(homeserver.app)
        assert location(await arrive(browser, provider)) == BASE + DETAILS
        assert b'value="alice"' in (await browser.get(DETAILS)).body
        await browser.post(DETAILS, username="white-rabbit")
        assert (await log_in(homeserver, await browser.get(REGISTER)))["user_id"] == "@white-rabbit:ranvier.test"


async def test_agreeing_to_the_policy(provider: OpenidProvider, database: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "en").mkdir()
    (tmp_path / "en" / "1.0.html").write_text("Be nice.")
    consent = {"template_dir": str(tmp_path), "version": "1.0", "require_at_registration": True}
    resources = [{"type": "http", "port": 0, "resources": [{"names": ["client", "consent"]}]}]
    async with signing_on(
        database, provider_options(provider), user_consent=consent, form_secret="s", listeners=resources
    ) as homeserver:
        browser = Browser(homeserver.app)
        assert location(await arrive(browser, provider)) == BASE + CONSENT
        form = await browser.get(CONSENT)
        assert b"@alice:ranvier.test" in form.body and b"/_matrix/consent?v=1.0" in form.body
        assert (await browser.get(REGISTER)).status == 400
        assert (await browser.post(CONSENT, accepted_version="0.9")).status == 400
        assert location(await browser.post(CONSENT, accepted_version="1.0")) == BASE + REGISTER
        answer = await log_in(homeserver, await browser.get(REGISTER))
        row = await homeserver.db.one("SELECT consent_version FROM users WHERE name = $1", answer["user_id"])
        assert row is not None and row[0] == "1.0"


async def test_pages_of_the_operator(provider: OpenidProvider, database: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "sso_error.html").write_text("{{ error }}: {{ error_description }} ({{ server_name }})")
    templates = {"custom_template_directory": str(tmp_path)}
    async with signing_on(database, provider_options(provider), templates=templates) as homeserver:
        page = await Browser(homeserver.app).get("/_synapse/client/oidc/callback")
        assert page.body.startswith(b"session_expired: ") and page.body.endswith(b"(ranvier.test)")
