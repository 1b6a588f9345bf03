"""A mail server of the test's own: on a socket, with TLS and passwords where a test wants them."""

import asyncio
import re
import ssl
import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

USER, PASSWORD = "ranvier", "mail secret"


@dataclass
class Letter:
    """A mail that has come in."""

    to: str
    sender: str
    message: EmailMessage
    over_tls: bool
    user: str | None

    @property
    def subject(self) -> str:
        return str(self.message["Subject"]).strip()

    @property
    def text(self) -> str:
        return _part(self.message, "plain")

    @property
    def html(self) -> str:
        return _part(self.message, "html")

    @property
    def link(self) -> str:
        """The first link of the plain text."""
        found = re.search(r"https?://\S+", self.text)
        assert found is not None, self.text
        return found[0]


def _part(message: EmailMessage, kind: str) -> str:
    part = message.get_body((kind,))
    assert part is not None
    return str(part.get_content()).replace("\r\n", "\n")


@dataclass
class Mailbox:
    """What has come in; a test may make it refuse."""

    port: int = 0
    letters: list[Letter] = field(default_factory=list)
    is_tls: bool = False
    refusal: str | None = None
    arrived: asyncio.Event = field(default_factory=asyncio.Event)

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        if self.refusal is not None:
            return self.refusal
        assert isinstance(envelope.content, bytes)
        message = message_from_bytes(envelope.content, policy=default)
        assert isinstance(message, EmailMessage)
        user = session.auth_data.login.decode() if isinstance(session.auth_data, LoginPassword) else None
        for to in envelope.rcpt_tos:
            letter = Letter(to, envelope.mail_from or "", message, self.is_tls or session.ssl is not None, user)
            self.letters.append(letter)
        self.arrived.set()
        return "250 OK"

    async def next(self) -> Letter:
        """The oldest letter that nobody has taken, when there is one."""
        async with asyncio.timeout(20):
            while not self.letters:
                self.arrived.clear()
                await self.arrived.wait()
        return self.letters.pop(0)


def _authenticate(server: object, session: object, envelope: object, mechanism: str, login: object) -> AuthResult:
    right = isinstance(login, LoginPassword) and login == LoginPassword(USER.encode(), PASSWORD.encode())
    return AuthResult(success=right, handled=False, auth_data=login)


@asynccontextmanager
async def mail_server(
    *, starttls: ssl.SSLContext | None = None, tls: ssl.SSLContext | None = None, wants_password: bool = False
) -> AsyncIterator[Mailbox]:
    """A running mail server on a port of its own."""
    mailbox = Mailbox(is_tls=tls is not None)

    def protocol() -> SMTP:
        with warnings.catch_warnings():
            # It warns of passwords in the clear.
            warnings.simplefilter("ignore")
            return SMTP(
                mailbox,
                hostname="mail.test",
                enable_SMTPUTF8=True,
                tls_context=starttls,
                authenticator=_authenticate,
                auth_required=wants_password,
                auth_require_tls=False,
            )

    server = await asyncio.get_running_loop().create_server(protocol, "127.0.0.1", 0, ssl=tls)
    mailbox.port = server.sockets[0].getsockname()[1]
    try:
        yield mailbox
    finally:
        server.close()
