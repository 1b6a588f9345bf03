"""Handing mails to the operator's mail server.

RFC 5321 (SMTP), 3207 (STARTTLS), 4954 (authentication). Configuration: `email.smtp_*`, `email.force_tls`,
`email.enable_tls`, `email.require_transport_security`, `email.tlsname`.
"""

import asyncio
import ssl
from email.message import EmailMessage
from typing import Any, Final

from aiosmtplib import SMTP, SMTPException

from ranvier.config.email_sections import SmtpConfig
from ranvier.mail.mailer import MailFailed

_TIMEOUT_S: Final = 30.0
_AT_ONCE: Final = 8


class Smtp:
    """One connection a mail, a few at once; mails are rare."""

    def __init__(self, config: SmtpConfig, *, own_name: str) -> None:
        """`own_name` is what we call ourselves in front of the mail server."""
        self._config = config
        self._own_name = own_name
        self._at_once = asyncio.Semaphore(_AT_ONCE)
        self._tls: ssl.SSLContext | None = None

    async def send(self, message: EmailMessage) -> None:
        """Returns when the mail server has taken it. Raises `MailFailed`, after half a minute at the latest."""
        place = f"{self._config.host} port {self._config.port}"
        try:
            async with asyncio.timeout(_TIMEOUT_S), self._at_once:
                await self._send(message)
        except TimeoutError as error:
            raise MailFailed(f"{place}: no answer") from error
        except (SMTPException, OSError, ValueError) as error:
            raise MailFailed(f"{place}: {error}") from error

    async def _send(self, message: EmailMessage) -> None:
        config = self._config
        connection = SMTP(
            hostname=config.host,
            port=config.port,
            local_hostname=self._own_name,
            timeout=_TIMEOUT_S,
            use_tls=config.force_tls,
            start_tls=False,
            tls_context=self._tls_context(),
        )
        async with connection:
            if not config.force_tls:
                await self._upgrade(connection)
            if config.user is not None and config.password is not None:
                await connection.login(config.user, config.password)
            await connection.send_message(message)

    async def _upgrade(self, connection: SMTP) -> None:
        """STARTTLS, if it is to be."""
        if not self._config.enable_tls:
            return
        await connection.ehlo()
        if connection.supports_extension("starttls"):
            await connection.starttls()
        elif self._config.require_transport_security:
            raise SMTPException("STARTTLS is not offered, and email.require_transport_security is set")

    def _tls_context(self) -> ssl.SSLContext:
        """Trusts whom the system trusts."""
        if self._tls is None:
            self._tls = _NamedContext(ssl.PROTOCOL_TLS_CLIENT)
            self._tls.name = self._config.tls_name
            self._tls.minimum_version = ssl.TLSVersion.TLSv1_2
            self._tls.load_default_certs()
        return self._tls


class _NamedContext(ssl.SSLContext):
    """Checks certificates for a name of its own, whatever host was connected to."""

    name: str

    def wrap_bio(self, incoming: Any, outgoing: Any, *args: Any, **kwargs: Any) -> ssl.SSLObject:
        return super().wrap_bio(incoming, outgoing, *args, **{**kwargs, "server_hostname": self.name})
