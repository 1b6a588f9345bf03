"""`email`: what the section means, and which mistakes in it are said."""

from typing import Any

import pytest

from ranvier.config.email_sections import EmailConfig
from ranvier.config.load import ConfigError, from_yaml_text, parse


def email(**options: Any) -> EmailConfig:
    config = parse({"server_name": "test", "email": {"notif_from": "%(app)s <noreply@test>", **options}})
    assert config.email is not None
    return config.email


def test_without_the_section_there_is_no_mail() -> None:
    assert parse({"server_name": "test"}).email is None


def test_defaults() -> None:
    config = email()
    assert (config.notif_from, config.app_name, config.validation_token_lifetime_ms) == (
        "Matrix <noreply@test>",
        "Matrix",
        3_600_000,
    )
    smtp = config.smtp
    assert (smtp.host, smtp.port, smtp.user, smtp.tls_name) == ("localhost", 25, None, "localhost")
    assert (smtp.force_tls, smtp.enable_tls, smtp.require_transport_security) == (False, True, False)


def test_the_name_of_the_application_is_filled_in() -> None:
    assert email(app_name="Chat").notif_from == "Chat <noreply@test>"


def test_tls_from_the_beginning_has_a_port_of_its_own() -> None:
    smtp = email(force_tls=True, require_transport_security=True, smtp_host="mail.test", tlsname="other.test").smtp
    assert (smtp.port, smtp.require_transport_security, smtp.tls_name) == (465, False, "other.test")
    assert email(force_tls=True, smtp_port=2525).smtp.port == 2525


def test_older_names() -> None:
    config = email(riot_base_url="https://chat.test/", notif_on_new=False)
    assert (config.client_base_url, config.notif_for_new_users) == ("https://chat.test", False)


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("  smtp_host: mail.test", "homeserver.yaml:2: option email.notif_from: is required"),
        ("  notif_from: noreply", "option email.notif_from: expected an address"),
        ("  notif_from: '%(name)s <a@b>'", "option email.notif_from: expected an address"),
        ("  notif_from: a@b\n  smtp_user: me", "homeserver.yaml:4: option email.smtp_user: needs smtp_pass"),
        ("  notif_from: a@b\n  smtp_pass: me", "homeserver.yaml:4: option email.smtp_pass: needs smtp_user"),
        ("  notif_from: a@b\n  enable_tls: false\n  require_transport_security: true", "cannot be with enable_tls"),
        ("  notif_from: a@b\n  subjects: {password_reset: '%(room)s'}", "only these placeholders"),
        ("  notif_from: a@b\n  subjects: {invite_from_person: '100%'}", "only these placeholders"),
    ],
)
def test_mistakes_are_said_with_their_line(line: str, problem: str) -> None:
    with pytest.raises(ConfigError) as raised:
        from_yaml_text(f"server_name: test\nemail:\n{line}\n")
    assert problem in "\n".join(raised.value.errors)


def test_the_password_is_not_shown() -> None:
    assert "hunter2" not in repr(email(smtp_user="me", smtp_pass="hunter2"))
