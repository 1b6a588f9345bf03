"""A mail as text: multipart, plain and HTML, with the headers of what a program sends.

RFC 5322; RFC 3834 for `Auto-Submitted`. Pure.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, parseaddr


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """What somebody is to be told."""

    address: str
    subject: str
    text: str
    html: str
    headers: Mapping[str, str] = field(default_factory=dict)


class UnusableAddress(ValueError):
    """No mail can be sent to this."""


def compose(mail: Mail, *, sender: str, now_ms: int, unique: str) -> EmailMessage:
    """The message. `unique` makes its id. Raises `UnusableAddress`."""
    message = EmailMessage(policy=SMTP)
    name, from_address = parseaddr(sender)
    try:
        message["From"] = Address(display_name=name, addr_spec=from_address)
        message["To"] = Address(addr_spec=mail.address)
    except (ValueError, IndexError) as error:
        raise UnusableAddress(f"cannot be written into a mail: {error}") from error
    message["Subject"] = _one_line(mail.subject)
    message["Date"] = format_datetime(datetime.fromtimestamp(now_ms / 1000, UTC))
    message["Message-ID"] = f"<{unique}@{from_address.rpartition('@')[2]}>"
    message["Auto-Submitted"] = "auto-generated"
    # Or somebody who is away answers to a mailbox that nobody reads.
    message["X-Auto-Response-Suppress"] = "All"
    for header, value in mail.headers.items():
        message[header] = value
    message.set_content(mail.text)
    message.add_alternative(mail.html, subtype="html")
    return message


def _one_line(text: str) -> str:
    """Names of rooms and people may hold line breaks; a header must not."""
    return " ".join(text.split())
