"""Handing mails to a mail server, of each kind that there is."""

import asyncio
import ssl
from dataclasses import replace

import pytest

from ranvier.config.email_sections import SmtpConfig
from ranvier.mail.mailer import MailFailed
from ranvier.mail.message import Mail, UnusableAddress, compose
from ranvier.mail.smtp import Smtp
from tests.mail.mail_server import PASSWORD, USER, Letter, Mailbox, mail_server
from tests.net.authority import Authority

MAIL = Mail(address="alice@example.org", subject="Ü\nber", text="plain ☃\n.\nend\n", html="<p>html ☃</p>")


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@pytest.fixture
def trusted(authority: Authority, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """The system trusts the authority."""
    file = tmp_path_factory.mktemp("trust") / "ca.pem"
    file.write_text(authority.pem)
    monkeypatch.setenv("SSL_CERT_FILE", str(file))


def smtp(mailbox: Mailbox, **changes: object) -> Smtp:
    config = SmtpConfig(
        host="127.0.0.1",
        port=mailbox.port,
        user=None,
        password=None,
        force_tls=False,
        enable_tls=True,
        require_transport_security=False,
        tls_name="127.0.0.1",
    )
    return Smtp(replace(config, **changes), own_name="ranvier.test")  # type: ignore[arg-type]


async def delivered(mailbox: Mailbox, **changes: object) -> Letter:
    message = compose(MAIL, sender="Chat <noreply@example.org>", now_ms=1_700_000_000_000, unique="u1")
    await smtp(mailbox, **changes).send(message)
    return await mailbox.next()


async def test_a_mail_has_two_forms_and_says_that_a_program_sent_it() -> None:
    async with mail_server() as mailbox:
        letter = await delivered(mailbox)
    assert (letter.to, letter.sender, letter.over_tls) == ("alice@example.org", "noreply@example.org", False)
    assert (letter.subject, letter.message["From"]) == ("Ü ber", "Chat <noreply@example.org>")
    assert letter.message.get_content_type() == "multipart/alternative"
    assert (letter.text, letter.html.strip()) == ("plain ☃\n.\nend\n", "<p>html ☃</p>")
    assert letter.message["Auto-Submitted"] == "auto-generated"
    assert letter.message["Message-ID"] == "<u1@example.org>"
    assert letter.message["Date"] == "Tue, 14 Nov 2023 22:13:20 +0000"


@pytest.mark.usefixtures("trusted")
async def test_starttls_is_used_where_it_is_offered(authority: Authority) -> None:
    async with mail_server(starttls=authority.server_context("127.0.0.1")) as mailbox:
        assert (await delivered(mailbox)).over_tls
        assert not (await delivered(mailbox, enable_tls=False)).over_tls
        assert (await delivered(mailbox, require_transport_security=True)).over_tls


async def test_nothing_is_sent_in_the_clear_where_that_is_required() -> None:
    async with mail_server() as mailbox:
        with pytest.raises(MailFailed, match="STARTTLS is not offered"):
            await delivered(mailbox, require_transport_security=True)
        assert mailbox.letters == []


@pytest.mark.usefixtures("trusted")
async def test_tls_from_the_beginning(authority: Authority) -> None:
    async with mail_server(tls=authority.server_context("127.0.0.1")) as mailbox:
        assert (await delivered(mailbox, force_tls=True)).over_tls


@pytest.mark.usefixtures("trusted")
@pytest.mark.parametrize("force_tls", [False, True])
async def test_the_certificate_must_be_for_the_name_that_is_set(authority: Authority, *, force_tls: bool) -> None:
    context = authority.server_context("mail.example.org")
    async with mail_server(tls=context if force_tls else None, starttls=None if force_tls else context) as mailbox:
        assert (await delivered(mailbox, force_tls=force_tls, tls_name="mail.example.org")).over_tls
        with pytest.raises(MailFailed, match="certificate"):
            await delivered(mailbox, force_tls=force_tls)


async def test_a_certificate_that_nobody_vouches_for_is_refused(authority: Authority) -> None:
    context: ssl.SSLContext = authority.server_context("127.0.0.1")
    async with mail_server(starttls=context) as mailbox:
        with pytest.raises(MailFailed, match="certificate"):
            await delivered(mailbox)
        assert mailbox.letters == []


async def test_a_password() -> None:
    async with mail_server(wants_password=True) as mailbox:
        assert (await delivered(mailbox, user=USER, password=PASSWORD)).user == USER
        with pytest.raises(MailFailed, match="Authentication credentials invalid"):
            await delivered(mailbox, user=USER, password="wrong")
        with pytest.raises(MailFailed):
            await delivered(mailbox)


async def test_what_the_mail_server_refuses() -> None:
    async with mail_server() as mailbox:
        mailbox.refusal = "550 no such user"
        with pytest.raises(MailFailed, match="no such user"):
            await delivered(mailbox)


async def test_nobody_is_there() -> None:
    async with mail_server() as mailbox:
        pass
    with pytest.raises(MailFailed, match="Error connecting"):
        await delivered(mailbox)


async def test_a_mail_server_that_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ranvier.mail.smtp._TIMEOUT_S", 0.05)
    connected: list[asyncio.StreamWriter] = []
    server = await asyncio.start_server(lambda _, writer: connected.append(writer), "127.0.0.1", 0)
    with pytest.raises(MailFailed):
        await delivered(Mailbox(port=server.sockets[0].getsockname()[1]))
    for writer in connected:
        writer.close()
        await writer.wait_closed()
    server.close()
    await server.wait_closed()


@pytest.mark.parametrize("address", ["", "alice", "a b@example.org", "a@example.org\r\nBcc: b@example.org"])
def test_addresses_that_no_mail_can_be_sent_to(address: str) -> None:
    mail = Mail(address=address, subject="", text="", html="")
    with pytest.raises(UnusableAddress):
        compose(mail, sender="noreply@example.org", now_ms=0, unique="u")
