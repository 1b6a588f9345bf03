"""Adding addresses to an account, removing them, logging in by them."""

from pathlib import Path

import pytest

from tests.api.homeserver import Homeserver
from tests.mail.conftest import Mailing
from tests.mail.mail_server import Mailbox
from tests.mail.people import SECRET, LateClock, add_email, open_link, wish

AT = "/account/3pid/email/requestToken"


async def test_an_address_is_added_when_its_link_was_opened(homeserver: Homeserver, mailbox: Mailbox) -> None:
    alice = await homeserver.register("alice")
    sid = (await alice.post(AT, wish("Alice@Example.org"))).ok()["sid"]
    letter = await mailbox.next()
    assert (letter.to, letter.subject) == ("alice@example.org", "[ranvier.test] Validate your email")
    assert letter.link in letter.text and "ranvier.test" in letter.html
    assert letter.message["From"] == "Matrix <noreply@ranvier.test>"
    body = {"client_secret": SECRET, "sid": sid}
    session = (await alice.post("/account/3pid/add", body)).refused(401, None)["session"]  # type: ignore[arg-type]
    auth = {"type": "m.login.password", "user": "alice", "password": "correct horse", "session": session}
    (await alice.post("/account/3pid/add", {**body, "auth": auth})).refused(400, "M_THREEPID_AUTH_FAILED")
    page = await open_link(homeserver.stranger(), letter.link)
    assert (page.status, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert page.headers["referrer-policy"] == "no-referrer"
    other = {**body, "client_secret": "other", "auth": {"session": session}}
    (await alice.post("/account/3pid/add", other)).refused(400, "M_THREEPID_AUTH_FAILED")
    (await alice.post("/account/3pid/add", {**body, "auth": {"session": session}})).ok()
    (threepid,) = (await alice.get("/account/3pid")).ok()["threepids"]
    assert (threepid["medium"], threepid["address"]) == ("email", "alice@example.org")
    assert 0 < threepid["validated_at"] <= threepid["added_at"]


async def test_an_address_is_one_account_s(homeserver: Homeserver, mailbox: Mailbox) -> None:
    alice, bob = await homeserver.register("alice"), await homeserver.register("bob")
    # Bob has proved it before Alice got it.
    sid = (await bob.post(AT, wish("a@example.org", client_secret="bob"))).ok()["sid"]
    await open_link(bob, (await mailbox.next()).link)
    await add_email(homeserver, mailbox, alice, "a@example.org")
    (await bob.post(AT, wish("A@example.org"))).refused(400, "M_THREEPID_IN_USE")
    (await homeserver.stranger().post("/register/email/requestToken", wish("A@example.org"))).refused(
        400, "M_THREEPID_IN_USE"
    )
    body = {"client_secret": "bob", "sid": sid}
    session = (await bob.post("/account/3pid/add", body)).json["session"]
    auth = {"type": "m.login.password", "user": "bob", "password": "correct horse", "session": session}
    (await bob.post("/account/3pid/add", {**body, "auth": auth})).refused(400, "M_THREEPID_IN_USE")
    assert (await bob.get("/account/3pid")).ok() == {"threepids": []}


async def test_a_proof_is_good_for_one_purpose_and_once(homeserver: Homeserver, mailbox: Mailbox) -> None:
    alice = await homeserver.register("alice")
    sid = (await alice.post("/register/email/requestToken", wish("a@example.org"))).ok()["sid"]
    link = (await mailbox.next()).link
    assert (await open_link(alice, link.replace("registration", "add_threepid"))).status == 400
    assert (await open_link(alice, link)).status == 200
    body = {"client_secret": SECRET, "sid": sid}
    session = (await alice.post("/account/3pid/add", body)).json["session"]
    auth = {"type": "m.login.password", "user": "alice", "password": "correct horse", "session": session}
    (await alice.post("/account/3pid/add", {**body, "auth": auth})).refused(400, "M_THREEPID_AUTH_FAILED")
    await add_email(homeserver, mailbox, alice, "b@example.org")
    (await alice.post("/account/3pid/delete", {"medium": "email", "address": "B@example.org"})).ok()
    assert (await alice.get("/account/3pid")).ok() == {"threepids": []}


async def test_logging_in_by_an_address(homeserver: Homeserver, mailbox: Mailbox) -> None:
    alice = await homeserver.register("alice")
    await add_email(homeserver, mailbox, alice, "a@example.org")
    stranger = homeserver.stranger()
    login = {"type": "m.login.password", "password": "correct horse"}
    identifier = {"type": "m.id.thirdparty", "medium": "email", "address": "A@Example.org"}
    assert (await stranger.post("/login", {**login, "identifier": identifier})).ok()["user_id"] == alice.user_id
    assert (await stranger.post("/login", {**login, "medium": "email", "address": "a@example.org"})).status == 200
    (await stranger.post("/login", {**login, "identifier": identifier, "password": "x"})).refused(403, "M_FORBIDDEN")
    for wrong in ({"address": "b@example.org"}, {"address": "\0"}, {"medium": "msisdn"}):
        (await stranger.post("/login", {**login, "identifier": {**identifier, **wrong}})).refused(403, "M_FORBIDDEN")
    (await stranger.post("/login", {**login, "identifier": {**identifier, "address": 1}})).refused(400, "M_BAD_JSON")
    del identifier["address"]
    (await stranger.post("/login", {**login, "identifier": identifier})).refused(400, "M_MISSING_PARAM")


async def test_a_deactivated_account_loses_its_addresses(homeserver: Homeserver, mailbox: Mailbox) -> None:
    alice = await homeserver.register("alice")
    await add_email(homeserver, mailbox, alice, "a@example.org")
    session = (await alice.post("/account/deactivate")).json["session"]
    auth = {"type": "m.login.password", "user": "alice", "password": "correct horse", "session": session}
    (await alice.post("/account/deactivate", {"auth": auth})).ok()
    await add_email(homeserver, mailbox, await homeserver.register("bob"), "a@example.org")


async def test_attempts(homeserver: Homeserver, mailbox: Mailbox) -> None:
    alice = await homeserver.register("alice")
    sid = (await alice.post(AT, wish("a@example.org"))).ok()["sid"]
    first = await mailbox.next()
    for again in (0, 1):
        assert (await alice.post(AT, wish("a@example.org", send_attempt=again))).ok()["sid"] == sid
    assert mailbox.letters == []
    assert (await alice.post(AT, wish("a@example.org", send_attempt=2))).ok()["sid"] == sid
    assert (await mailbox.next()).link != first.link
    assert (await alice.post(AT, wish("a@example.org", client_secret="other"))).ok()["sid"] != sid
    await mailbox.next()
    # Each mail's link is good.
    assert (await open_link(alice, first.link)).status == 200
    assert (await alice.post(AT, wish("a@example.org", send_attempt=3))).ok()["sid"] == sid
    assert mailbox.letters == []


@pytest.mark.parametrize("spoil", ["token=x", "sid=x", "client_secret=x", "sid=%00"])
async def test_links_that_are_not_good(homeserver: Homeserver, mailbox: Mailbox, spoil: str) -> None:
    alice = await homeserver.register("alice")
    (await alice.post(AT, wish("a@example.org"))).ok()
    link = (await mailbox.next()).link
    page = await open_link(alice, f"{link}&{spoil}")
    assert page.status == 400 and b"could not be confirmed" in page.body
    assert (await open_link(alice, link.partition("?")[0])).status == 400


async def test_the_way_on_after_the_link(homeserver: Homeserver, mailbox: Mailbox) -> None:
    alice = await homeserver.register("alice")
    (await alice.post(AT, wish("a@example.org", next_link="https://chat.example.org/?x=1"))).ok()
    page = await open_link(alice, (await mailbox.next()).link)
    assert (page.status, page.headers["location"]) == (302, "https://chat.example.org/?x=1")
    for bad in ("javascript:alert(1)", "/relative", "https://", "https://a.b/\r\nx", "https://[", "data:x"):
        (await alice.post(AT, wish("b@example.org", next_link=bad))).refused(400, "M_INVALID_PARAM")


@pytest.mark.parametrize(
    "email", ["a b@example.org", "a@b\n@c", "a@example.org\nx", "<a>@example.org", "é" * 250 + "@x"]
)
async def test_what_is_no_address(homeserver: Homeserver, email: str) -> None:
    answer = await homeserver.stranger().post("/register/email/requestToken", wish(email))
    assert answer.status == 400 and answer.errcode in ("M_INVALID_PARAM", "M_BAD_JSON")


async def test_addresses_that_fold_to_one_are_one_and_that_one_gets_the_mail(
    homeserver: Homeserver, mailbox: Mailbox
) -> None:
    alice = await homeserver.register("alice")
    await add_email(homeserver, mailbox, alice, "strasse@example.org")
    (await homeserver.stranger().post("/account/password/email/requestToken", wish("straße@example.org"))).ok()
    assert (await mailbox.next()).to == "strasse@example.org"


async def test_a_mail_server_that_refuses(homeserver: Homeserver, mailbox: Mailbox) -> None:
    alice = await homeserver.register("alice")
    mailbox.refusal = "451 later"
    (await alice.post(AT, wish("a@example.org"))).refused(503, "M_UNKNOWN")
    # The same attempt is made again.
    mailbox.refusal = None
    (await alice.post(AT, wish("a@example.org"))).ok()
    assert (await mailbox.next()).to == "a@example.org"


async def test_a_link_is_good_for_so_long(mailing: Mailing, mailbox: Mailbox) -> None:
    clock = LateClock()
    async with mailing(None, clock, email={"validation_token_lifetime": "20m"}) as homeserver:
        alice = await homeserver.register("alice")
        (await alice.post(AT, wish("a@example.org"))).ok()
        link = (await mailbox.next()).link
        clock.later_ms = 20 * 60_000
        assert (await open_link(alice, link)).status == 400


async def test_mails_are_limited_by_address(mailing: Mailing, mailbox: Mailbox) -> None:
    async with mailing(rc_3pid_validation={"per_second": 0.001, "burst_count": 2}) as homeserver:
        stranger = homeserver.stranger()
        limiter = homeserver.server.limiters["rc_3pid_validation"]
        for attempt in (1, 2):
            (await stranger.post(AT, wish("a@example.org", send_attempt=attempt))).ok()
        # Elsewhere in the network it is no better.
        for key in ("", "127.0.0.1", "unknown"):
            limiter.forget(key)
        (await stranger.post(AT, wish("A@example.org", send_attempt=3))).refused(429, "M_LIMIT_EXCEEDED")
        assert len(mailbox.letters) == 2


async def test_where_users_may_not_change_them(mailing: Mailing, mailbox: Mailbox) -> None:
    async with mailing(enable_3pid_changes=False) as homeserver:
        alice = await homeserver.register("alice")
        (await alice.post(AT, wish("a@example.org"))).refused(403, "M_FORBIDDEN")
        (await alice.post("/account/3pid/add", {"client_secret": "x", "sid": "1"})).refused(403, "M_FORBIDDEN")
        assert (await alice.get("/capabilities")).ok()["capabilities"]["m.3pid_changes"] == {"enabled": False}


async def test_the_capability(homeserver: Homeserver) -> None:
    alice = await homeserver.register("alice")
    assert (await alice.get("/capabilities")).ok()["capabilities"]["m.3pid_changes"] == {"enabled": True}


async def test_the_templates_of_an_operator(mailing: Mailing, mailbox: Mailbox, tmp_path: Path) -> None:
    folder = tmp_path / "templates"
    folder.mkdir()
    (folder / "add_threepid.txt").write_text("{{ app_name }} {{ server_name }} <{{ link }}>")
    (folder / "add_threepid.html").write_text("<b>{{ app_name }}</b><a href='{{ link }}'>")
    (folder / "add_threepid_failure.html").write_text("<p>oh: {{ failure_reason }}</p>")
    (folder / "add_threepid_success.html").write_text("<p>yes")
    options = {"templates": {"custom_template_directory": str(folder)}}
    email = {"app_name": "C&D", "subjects": {"email_validation": "%(app)s on %(server_name)s"}}
    async with mailing(email=email, **options) as homeserver:
        alice = await homeserver.register("alice")
        (await alice.post(AT, wish("a@example.org"))).ok()
        letter = await mailbox.next()
        assert letter.subject == "C&D on ranvier.test"
        assert letter.text.startswith("C&D ranvier.test <https://matrix.ranvier.test/_matrix/client/unstable/")
        assert letter.html.startswith("<b>C&amp;D</b>")
        link = letter.link.rstrip(">")
        assert (await open_link(alice, f"{link}&token=x")).body.startswith(b"<p>oh: This link")
        assert (await open_link(alice, link)).body == b"<p>yes"
        # A template that cannot be filled in is no failure of the request.
        (folder / "add_threepid.txt").write_text("{% if %}")
        (await alice.post(AT, wish("b@example.org"))).refused(503, "M_UNKNOWN")


async def test_only_some_addresses_are_allowed(mailing: Mailing, mailbox: Mailbox) -> None:
    rules = [{"medium": "email", "pattern": r"^[^@]+@example\.org$"}, {"medium": "msisdn", "pattern": "."}]
    async with mailing(allowed_local_3pids=rules) as homeserver:
        alice = await homeserver.register("alice")
        for path in (AT, "/register/email/requestToken"):
            (await alice.post(path, wish("a@example.com"))).refused(403, "M_THREEPID_DENIED")
            (await alice.post(path, wish("A@Example.org"))).ok()
        assert len(mailbox.letters) == 2


@pytest.mark.parametrize(("domains", "allowed"), [(["Chat.example.org"], True), (["example.org"], False), ([], False)])
async def test_links_lead_on_only_to_some_domains(
    mailing: Mailing, mailbox: Mailbox, domains: list[str], *, allowed: bool
) -> None:
    async with mailing(next_link_domain_whitelist=domains) as homeserver:
        answer = await homeserver.stranger().post(AT, wish("a@x.org", next_link="https://CHAT.example.org:8443/?x=1"))
        assert (answer.status, len(mailbox.letters)) == ((200, 1) if allowed else (400, 0))
