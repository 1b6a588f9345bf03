"""Accounts that end unless they are renewed."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from ranvier.config.load import ConfigError, parse
from ranvier.users.account_validity import AccountValidity
from tests.api.homeserver import Homeserver, running
from tests.mail.conftest import Mailing
from tests.mail.mail_server import Mailbox
from tests.mail.people import LateClock, open_link, register

DAY = 24 * 3_600_000
PATH = "/_synapse/admin/v1/account_validity/validity"
SEND = "/_matrix/client/unstable/account_validity/send_mail"


@asynccontextmanager
async def ending(
    mailing: Mailing, clock: LateClock, database: Any = None, **validity: Any
) -> AsyncIterator[tuple[Homeserver, AccountValidity]]:
    section = {"enabled": True, "period": "30d", "renew_at": "7d", **validity}
    async with mailing(database, clock, account_validity=section) as homeserver:
        found = homeserver.server.users.sessions.is_expired.__self__  # type: ignore[union-attr]
        assert isinstance(found, AccountValidity)
        yield homeserver, found


async def test_an_account_ends_and_is_renewed_by_its_mail(
    mailing: Mailing, mailbox: Mailbox, db_config: Mapping[str, Any]
) -> None:
    clock = LateClock()
    async with ending(mailing, clock, db_config) as (homeserver, validity):
        alice = await register(homeserver, mailbox, "alice", "alice@example.org")
        bob = await homeserver.register("bob")
        clock.later_ms += 22 * DAY
        await validity.tick()
        assert mailbox.letters == []
        clock.later_ms += 2 * DAY
        await validity.tick()
        letter = await mailbox.next()
        assert (letter.to, letter.subject) == ("alice@example.org", "Renew your Matrix account")
        assert "Hello alice" in letter.text
        # Once for a term.
        await validity.tick()
        assert mailbox.letters == []
        clock.later_ms += 7 * DAY
        for user in (alice, bob):
            (await user.get("/account/whoami")).refused(403, "ORG_MATRIX_EXPIRED_ACCOUNT")
        page = await open_link(homeserver.stranger(), letter.link)
        assert page.status == 200 and b"is good until" in page.body
        (await alice.get("/account/whoami")).ok()
        assert b"renewed with this link before" in (await open_link(homeserver.stranger(), letter.link)).body
        assert (await open_link(homeserver.stranger(), letter.link + "x")).status == 404
        (await bob.get("/account/whoami")).refused(403, "ORG_MATRIX_EXPIRED_ACCOUNT")
        (await bob.post("/logout")).ok()
    # It is known after a restart.
    async with ending(mailing, clock, db_config) as (homeserver, validity):
        assert not validity.is_expired(alice.user_id)
        assert validity.is_expired(bob.user_id)
        clock.later_ms += 24 * DAY
        await validity.tick()
        assert (await mailbox.next()).to == "alice@example.org"


async def test_who_is_late_asks_for_the_mail(mailing: Mailing, mailbox: Mailbox) -> None:
    clock = LateClock()
    async with ending(mailing, clock) as (homeserver, _):
        alice = await register(homeserver, mailbox, "alice", "alice@example.org")
        clock.later_ms += 31 * DAY
        mailbox.refusal = "451 later"
        (await alice.request("POST", SEND, {})).refused(503, "M_UNKNOWN")
        mailbox.refusal = None
        (await alice.request("POST", SEND, {})).ok()
        assert (await open_link(homeserver.stranger(), (await mailbox.next()).link)).status == 200
        (await alice.get("/account/whoami")).ok()
        await homeserver.server.users.account_changes.set_flag(alice.user_id, "locked", value=True)
        (await alice.request("POST", SEND, {})).refused(403, "M_FORBIDDEN")


async def test_administrators_renew(mailing: Mailing, mailbox: Mailbox) -> None:
    clock = LateClock()
    async with ending(mailing, clock) as (homeserver, validity):
        admin = await homeserver.register("admin")
        await homeserver.server.users.account_changes.set_flag(admin.user_id, "admin", value=True)
        alice = await register(homeserver, mailbox, "alice", "alice@example.org")
        (await admin.request("POST", PATH, {"user_id": alice.user_id, "expiration_ts": 1})).ok()
        (await alice.get("/account/whoami")).refused(403, "ORG_MATRIX_EXPIRED_ACCOUNT")
        body = {"user_id": alice.user_id, "enable_renewal_emails": False}
        ends = (await admin.request("POST", PATH, body)).ok()["expiration_ts"]
        assert abs(ends - clock.now_ms() - 30 * DAY) < DAY
        (await alice.get("/account/whoami")).ok()
        clock.later_ms += 29 * DAY
        await validity.tick()
        assert mailbox.letters == []
        (await admin.request("POST", PATH, {"user_id": "@nobody:ranvier.test"})).refused(404, "M_NOT_FOUND")
        (await alice.request("POST", PATH, body)).refused(403, "M_FORBIDDEN")


async def test_accounts_from_before(mailing: Mailing, db_config: Mapping[str, Any]) -> None:
    async with running(db_config) as homeserver:
        alice, guest = await homeserver.register("alice"), await homeserver.register("", is_guest=True)
        admin = await homeserver.register("admin")
        await homeserver.server.users.account_changes.set_flag(admin.user_id, "admin", value=True)
        (await admin.request("POST", PATH, {"user_id": alice.user_id})).refused(403, "M_FORBIDDEN")
    clock = LateClock()
    async with ending(mailing, clock, db_config) as (_, validity):
        clock.later_ms += 29 * DAY
        assert not validity.is_expired(alice.user_id)
        clock.later_ms += 2 * DAY
        assert validity.is_expired(alice.user_id)
        assert not validity.is_expired(guest.user_id)


async def test_where_nobody_is_written_to(mailing: Mailing, mailbox: Mailbox, tmp_path: Path) -> None:
    (tmp_path / "oh.html").write_text("<p>oh")
    clock = LateClock()
    options = {"renew_by_email_enabled": False, "template_dir": str(tmp_path), "invalid_token_html_path": "oh.html"}
    async with ending(mailing, clock, **options) as (homeserver, validity):
        alice = await register(homeserver, mailbox, "alice", "alice@example.org")
        clock.later_ms += 29 * DAY
        await validity.tick()
        assert mailbox.letters == []
        (await alice.request("POST", SEND, {})).refused(403, "M_FORBIDDEN")
        page = await open_link(alice, "https://matrix.ranvier.test/_matrix/client/unstable/account_validity/renew")
        assert (page.status, page.body) == (404, b"<p>oh")


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ({"enabled": True}, "needs period"),
        ({"enabled": True, "period": "30d", "renew_at": "7d"}, "needs an email section"),
        ({"enabled": True, "period": "30d", "renew_email_subject": "%(x)s"}, "only this placeholder"),
    ],
)
def test_mistakes(section: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        parse({"server_name": "test", "account_validity": section})
