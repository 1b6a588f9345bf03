"""Registering with an address, and setting another password with the help of one."""

from typing import Any

import pytest

from ranvier.config.load import ConfigError, parse
from tests.api.asgi import Answer, Client
from tests.api.homeserver import Homeserver
from tests.mail.conftest import Mailing
from tests.mail.mail_server import Mailbox
from tests.mail.people import SECRET, add_email, open_link, press, wish

REGISTER, RESET = "/register/email/requestToken", "/account/password/email/requestToken"
EMAIL = "m.login.email.identity"


def proof(sid: str, session: str, key: str = "threepid_creds") -> dict[str, Any]:
    return {"type": EMAIL, key: {"sid": sid, "client_secret": SECRET}, "session": session}


async def _flows(client: Client, path: str, body: object) -> tuple[str, list[list[str]]]:
    answer = (await client.post(path, body)).json
    return answer["session"], [flow["stages"] for flow in answer["flows"]]


async def test_registering_with_an_address(homeserver: Homeserver, mailbox: Mailbox) -> None:
    stranger, body = homeserver.stranger(), {"username": "alice", "password": "correct horse"}
    session, flows = await _flows(stranger, "/register", body)
    assert flows == [["m.login.dummy"], [EMAIL]]
    sid = (await stranger.post(REGISTER, wish("a@example.org"))).ok()["sid"]
    letter = await mailbox.next()
    assert letter.subject == "[ranvier.test] Validate your email"
    early = await stranger.post("/register", {**body, "auth": proof(sid, session)})
    early.refused(401, "M_THREEPID_AUTH_FAILED")
    assert (await open_link(stranger, letter.link)).status == 200
    answer = (await stranger.post("/register", {**body, "auth": proof(sid, session)})).ok()
    alice = Client(homeserver.app, token=answer["access_token"])
    (threepid,) = (await alice.get("/account/3pid")).ok()["threepids"]
    assert threepid["address"] == "a@example.org"
    # The proof is used up.
    body["username"] = "bob"
    session, _ = await _flows(stranger, "/register", body)
    (await stranger.post("/register", {**body, "auth": proof(sid, session)})).refused(401, "M_THREEPID_AUTH_FAILED")


async def test_two_accounts_for_one_address(homeserver: Homeserver, mailbox: Mailbox) -> None:
    stranger = homeserver.stranger()
    sid = (await stranger.post(REGISTER, wish("a@example.org"))).ok()["sid"]
    await open_link(stranger, (await mailbox.next()).link)
    bodies = [{"username": name, "password": "correct horse"} for name in ("alice", "bob")]
    sessions = [(await _flows(stranger, "/register", body))[0] for body in bodies]
    answers: list[Answer] = []
    for session in sessions:
        # Both have passed the stage before either has the account.
        uia = homeserver.server.users.interactive_auth._sessions[session]
        uia.completed[EMAIL] = await homeserver.server.users.mail.validation.proof("registration", sid, SECRET)  # type: ignore[union-attr]
    for body, session in zip(bodies, sessions, strict=True):
        answers.append(await stranger.post("/register", {**body, "auth": {"session": session}}))
    assert answers[0].status == 200
    answers[1].refused(400, "M_THREEPID_IN_USE")
    assert (await stranger.get("/register/available", username="bob")).status == 200


async def test_where_an_address_is_required(mailing: Mailing) -> None:
    options: dict[str, Any] = {
        "registrations_require_3pid": ["email"],
        "enable_registration_without_verification": False,
        "registration_requires_token": True,
    }
    async with mailing(**options) as homeserver:
        body = {"username": "alice", "password": "correct horse"}
        _, flows = await _flows(homeserver.stranger(), "/register", body)
        assert flows == [["m.login.registration_token", EMAIL]]


@pytest.mark.parametrize(("required", "said"), [("email", "needs an email section"), ("msisdn", "telephone numbers")])
def test_what_cannot_be_required(required: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        parse({"server_name": "test", "registrations_require_3pid": [required]})


async def test_another_password(homeserver: Homeserver, mailbox: Mailbox) -> None:
    alice, stranger = await homeserver.register("alice"), homeserver.stranger()
    await add_email(homeserver, mailbox, alice, "a@example.org")
    sid = (await stranger.post(RESET, wish("A@example.org"))).ok()["sid"]
    letter = await mailbox.next()
    assert letter.subject == "[ranvier.test] Password reset"
    body: dict[str, Any] = {"new_password": "battery staple"}
    session, flows = await _flows(stranger, "/account/password", body)
    assert flows == [["m.login.password"], [EMAIL]]
    # A program that looks at links changes nothing.
    page = await open_link(stranger, letter.link)
    assert page.status == 200 and b"<form" in page.body and SECRET.encode() in page.body
    body["auth"] = proof(sid, session, "threepidCreds")
    (await stranger.post("/account/password", body)).refused(401, "M_THREEPID_AUTH_FAILED")
    assert (await press(stranger, letter.link)).status == 200
    (await stranger.post("/account/password", body)).ok()
    assert (await alice.get("/account/whoami")).status == 401
    login = {"type": "m.login.password", "identifier": {"type": "m.id.user", "user": "alice"}}
    (await stranger.post("/login", {**login, "password": "correct horse"})).refused(403, "M_FORBIDDEN")
    (await stranger.post("/login", {**login, "password": "battery staple"})).ok()
    # The link is used up.
    body["auth"]["session"], _ = await _flows(stranger, "/account/password", {"new_password": "x"})
    (await stranger.post("/account/password", body)).refused(401, "M_THREEPID_AUTH_FAILED")
    assert (await press(stranger, letter.link)).status == 400


async def test_a_locked_account_gets_no_other_password(homeserver: Homeserver, mailbox: Mailbox) -> None:
    alice, stranger = await homeserver.register("alice"), homeserver.stranger()
    await add_email(homeserver, mailbox, alice, "a@example.org")
    await homeserver.server.users.account_changes.set_flag(alice.user_id, "locked", value=True)
    sid = (await stranger.post(RESET, wish("a@example.org"))).ok()["sid"]
    await press(stranger, (await mailbox.next()).link)
    session, _ = await _flows(stranger, "/account/password", {"new_password": "x"})
    body = {"new_password": "x", "auth": proof(sid, session)}
    (await stranger.post("/account/password", body)).refused(401, "M_USER_LOCKED")


async def test_addresses_that_nobody_has(homeserver: Homeserver, mailbox: Mailbox) -> None:
    (await homeserver.stranger().post(RESET, wish("a@example.org"))).refused(400, "M_THREEPID_NOT_FOUND")
    assert mailbox.letters == []


async def test_nobody_learns_which_addresses_have_accounts(mailing: Mailing, mailbox: Mailbox) -> None:
    async with mailing(request_token_inhibit_3pid_errors=True) as homeserver:
        alice, stranger = await homeserver.register("alice"), homeserver.stranger()
        await add_email(homeserver, mailbox, alice, "a@example.org")
        at = "/account/3pid/email/requestToken"
        for path, unknown in ((RESET, "b@example.org"), (REGISTER, "a@example.org"), (at, "a@example.org")):
            sid = (await stranger.post(path, wish(unknown))).ok()["sid"]
            assert (await stranger.post(path, wish(unknown))).ok()["sid"] == sid
        mailbox.refusal = "550 no"
        (await stranger.post(REGISTER, wish("c@example.org"))).ok()
        assert homeserver.server.users.mail is not None
        await homeserver.server.users.mail.mailer.close()
        mailbox.refusal = None
        (await stranger.post(RESET, wish("a@example.org"))).ok()
        assert (await mailbox.next()).to == "a@example.org"
        assert mailbox.letters == []


async def test_where_nobody_registers_or_has_a_password(mailing: Mailing) -> None:
    async with mailing(enable_registration=False, password_config={"localdb_enabled": False}) as homeserver:
        stranger = homeserver.stranger()
        (await stranger.post(REGISTER, wish("a@example.org"))).refused(403, "M_FORBIDDEN")
        (await stranger.post(RESET, wish("a@example.org"))).refused(403, "M_FORBIDDEN")


@pytest.mark.parametrize("creds", [None, "x", {"sid": 1, "client_secret": "x"}, {"sid": "1"}])
async def test_credentials_of_the_wrong_shape(homeserver: Homeserver, creds: object) -> None:
    stranger, body = homeserver.stranger(), {"username": "alice", "password": "correct horse"}
    session, _ = await _flows(stranger, "/register", body)
    auth = {"type": EMAIL, "session": session, **({} if creds is None else {"threepid_creds": creds})}
    answer = await stranger.post("/register", {**body, "auth": auth})
    answer.refused(400, "M_MISSING_PARAM" if creds is None else "M_BAD_JSON")
