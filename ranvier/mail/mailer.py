"""Mails from templates: filled in, composed, handed to the mail server.

Configuration: `email`, `templates.custom_template_directory`. A template is a pair of files, `<name>.html` and
`<name>.txt`; both know `app_name` and `server_name` besides what they are given.
"""

import asyncio
import logging
from collections.abc import Mapping
from email.message import EmailMessage
from typing import Any, Final, Protocol

from ranvier.config.email_sections import EmailConfig
from ranvier.mail.message import Mail, UnusableAddress, compose
from ranvier.ports import Clock, Random
from ranvier.templates import TemplateFault, TemplateMissing, Templates

logger = logging.getLogger(__name__)

_END_S: Final = 5.0
_WAITING: Final = 1000


class MailFailed(Exception):
    """A mail could not be sent; the text is for the operator."""


class Carrier(Protocol):
    """What takes mails to where they go."""

    async def send(self, message: EmailMessage) -> None:
        """Returns when the mail server has taken it. Raises `MailFailed`."""
        ...


class Mailer:
    """Sends mails, while somebody waits or without."""

    def __init__(
        self,
        *,
        config: EmailConfig,
        server_name: str,
        templates: Templates,
        carrier: Carrier,
        clock: Clock,
        random: Random,
    ) -> None:
        self._config = config
        self._server_name = server_name
        self._templates = templates
        self._carrier = carrier
        self._clock = clock
        self._random = random
        self._posting: set[asyncio.Task[None]] = set()

    def subject(self, kind: str, **placeholders: str) -> str:
        """`email.subjects.<kind>`, filled in."""
        known = {"app": self._config.app_name, "server_name": self._server_name, **placeholders}
        return self._config.subjects[kind] % known

    async def send(
        self,
        address: str,
        template: str,
        variables: Mapping[str, Any],
        *,
        subject: str,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Returns when the mail server has taken it. Raises `MailFailed`, `UnusableAddress`."""
        filled = {"app_name": self._config.app_name, "server_name": self._server_name, **variables}
        try:
            text, html = (self._templates.render(f"{template}.{form}", filled) for form in ("txt", "html"))
        except (TemplateMissing, TemplateFault) as error:
            raise MailFailed(f"the template {template}: {error}") from error
        mail = Mail(address=address, subject=subject, text=text, html=html, headers=headers or {})
        unique = self._random.token_bytes(16).hex()
        await self._carrier.send(
            compose(mail, sender=self._config.notif_from, now_ms=self._clock.now_ms(), unique=unique)
        )

    def post(self, address: str, template: str, variables: Mapping[str, Any], *, subject: str) -> None:
        """Send it without anybody waiting; what becomes of it is for the log. Beyond a thousand, nothing is sent."""
        if len(self._posting) >= _WAITING:
            logger.error("A mail is not sent: %d others wait to be taken by the mail server", _WAITING)
            return
        task = asyncio.create_task(self._post(address, template, variables, subject), name="mail")
        self._posting.add(task)
        task.add_done_callback(self._posting.discard)

    async def close(self) -> None:
        """Let what is on its way arrive, for a moment."""
        if self._posting:
            _, late = await asyncio.wait(self._posting, timeout=_END_S)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def _post(self, address: str, template: str, variables: Mapping[str, Any], subject: str) -> None:
        try:
            await self.send(address, template, variables, subject=subject)
        except (MailFailed, UnusableAddress) as error:
            logger.warning("A mail was not sent: %s", error)
        except Exception:
            logger.exception("A mail was not sent")
