"""`email`: the mail server, and what mails say."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from email.headerregistry import Address
from email.utils import parseaddr
from typing import Final

from ranvier.config.values import Values

_TLS_PORT: Final = 465
_PORT: Final = 25
_SUBJECTS: Final = (
    "message_from_person_in_room",
    "message_from_person",
    "messages_from_person",
    "messages_in_room",
    "messages_in_room_and_others",
    "messages_from_person_and_others",
    "invite_from_person_to_room",
    "invite_from_person",
    "password_reset",
    "email_validation",
)
_ABOUT_THE_SERVER: Final = frozenset(("password_reset", "email_validation"))


@dataclass(frozen=True, slots=True, kw_only=True)
class SmtpConfig:
    """How the mail server is reached."""

    host: str
    port: int
    user: str | None
    password: str | None = field(repr=False)
    force_tls: bool
    """Whether the connection begins with TLS."""
    enable_tls: bool
    """Whether STARTTLS is used where it is offered."""
    require_transport_security: bool
    """Whether nothing is sent where STARTTLS is not offered."""
    tls_name: str
    """The name that the certificate must be for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EmailConfig:
    """`email`. Subjects and the sender are filled in as far as the configuration knows."""

    smtp: SmtpConfig
    notif_from: str
    """With the name of the application filled in."""
    app_name: str
    enable_notifs: bool
    notif_for_new_users: bool
    notif_delay_before_mail_ms: int
    client_base_url: str | None
    """Without a slash at the end; `None`: links lead to matrix.to."""
    validation_token_lifetime_ms: int
    subjects: Mapping[str, str]
    """With their placeholders: `%(app)s`, `%(server_name)s`, and in those about messages `%(person)s`, `%(room)s`."""


def build_email(values: Values) -> EmailConfig | None:
    """`None`: this server sends no mail."""
    if not values.is_set("email"):
        return None
    app_name = values.text("email.app_name")
    base_url = "client_base_url" if values.is_set("email.client_base_url") else "riot_base_url"
    new_users = "notif_for_new_users" if values.is_set("email.notif_for_new_users") else "notif_on_new"
    return EmailConfig(
        smtp=_smtp(values),
        notif_from=_sender(values, app_name),
        app_name=app_name,
        enable_notifs=values.boolean("email.enable_notifs"),
        notif_for_new_users=values.boolean(f"email.{new_users}"),
        notif_delay_before_mail_ms=values.integer("email.notif_delay_before_mail"),
        client_base_url=values.text(f"email.{base_url}").rstrip("/") if values.is_set(f"email.{base_url}") else None,
        validation_token_lifetime_ms=values.integer("email.validation_token_lifetime"),
        subjects={name: _subject(values, name) for name in _SUBJECTS},
    )


def _smtp(values: Values) -> SmtpConfig:
    force_tls, enable_tls = values.boolean("email.force_tls"), values.boolean("email.enable_tls")
    required = values.boolean("email.require_transport_security") and not force_tls
    if required and not enable_tls:
        values.error("email.require_transport_security", "cannot be with enable_tls: false")
    for given, missing in (("smtp_user", "smtp_pass"), ("smtp_pass", "smtp_user")):
        if values.is_set(f"email.{given}") and not values.is_set(f"email.{missing}"):
            values.error(f"email.{given}", f"needs {missing}")
    host = values.text("email.smtp_host")
    return SmtpConfig(
        host=host,
        port=values.integer_or_none("email.smtp_port") or (_TLS_PORT if force_tls else _PORT),
        user=values.text_or_none("email.smtp_user"),
        password=values.text_or_none("email.smtp_pass"),
        force_tls=force_tls,
        enable_tls=enable_tls,
        require_transport_security=required,
        tls_name=values.text_or_none("email.tlsname") or host,
    )


def _sender(values: Values, app_name: str) -> str:
    written = values.text_or_none("email.notif_from")
    if written is None:
        values.error("email.notif_from", "is required where there is an email section")
        return ""
    try:
        sender = written % {"app": app_name}
        Address(addr_spec=parseaddr(sender)[1])
    except (KeyError, TypeError, ValueError, IndexError):
        values.error("email.notif_from", 'expected an address, for instance "%(app)s <noreply@example.org>"')
        return ""
    return sender


def _subject(values: Values, name: str) -> str:
    written = values.text(f"email.subjects.{name}")
    known = ("app", "server_name") if name in _ABOUT_THE_SERVER else ("app", "server_name", "person", "room")
    try:
        written % dict.fromkeys(known, "x")
    except (KeyError, TypeError, ValueError):
        allowed = ", ".join(f"%({placeholder})s" for placeholder in known)
        values.error(f"email.subjects.{name}", f"only these placeholders can be filled in: {allowed}")
    return written
