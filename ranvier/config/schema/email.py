"""Options: mail and its templates."""

from ranvier.config.kinds import BOOL, DURATION, PATH, PORT, STRING, URL
from ranvier.config.option import Option

OPTIONS = (
    Option("email.smtp_host", STRING, "localhost", "SMTP host", honoured=True),
    Option("email.smtp_port", PORT, None, "SMTP port; 465 with force_tls, else 25, when not set", honoured=True),
    Option("email.smtp_user", STRING, None, "SMTP user", honoured=True),
    Option("email.smtp_pass", STRING, None, "SMTP password", honoured=True),
    Option("email.force_tls", BOOL, False, "Implicit TLS; require_transport_security then ignored", honoured=True),
    Option("email.require_transport_security", BOOL, False, "Refuse unless STARTTLS offered", honoured=True),
    Option("email.enable_tls", BOOL, True, "Use STARTTLS when offered", honoured=True),
    Option("email.notif_from", STRING, None, "From address; %(app)s placeholder", honoured=True),
    Option("email.app_name", STRING, "Matrix", "Value of %(app)s", honoured=True),
    Option("email.enable_notifs", BOOL, False, "Mail about missed messages"),
    Option("email.notif_for_new_users", BOOL, True, "Subscribe new users to mail notifications (alias notif_on_new)"),
    Option("email.notif_on_new", BOOL, True, "Older name of notif_for_new_users"),
    Option("email.riot_base_url", URL, None, "Older name of client_base_url"),
    Option(
        "email.client_base_url", URL, "https://matrix.to", "Base of links in mails (deprecated alias riot_base_url)"
    ),
    Option("email.validation_token_lifetime", DURATION, "1h", "Life of a validation mail", honoured=True),
    Option("email.invite_client_location", URL, None, "Sent to identity server as org.matrix.web_client_location"),
    Option(
        "email.subjects.message_from_person_in_room",
        STRING,
        "[%(app)s] You have a message on %(app)s from %(person)s in the %(room)s room...",
        "One message, named room",
    ),
    Option(
        "email.subjects.message_from_person",
        STRING,
        "[%(app)s] You have a message on %(app)s from %(person)s...",
        "One message, unnamed room",
    ),
    Option(
        "email.subjects.messages_from_person",
        STRING,
        "[%(app)s] You have messages on %(app)s from %(person)s...",
        "Several messages, unnamed room",
    ),
    Option(
        "email.subjects.messages_in_room",
        STRING,
        "[%(app)s] You have messages on %(app)s in the %(room)s room...",
        "Several messages, named room",
    ),
    Option(
        "email.subjects.messages_in_room_and_others",
        STRING,
        "[%(app)s] You have messages on %(app)s in the %(room)s room and others...",
        "Several rooms",
    ),
    Option(
        "email.subjects.messages_from_person_and_others",
        STRING,
        "[%(app)s] You have messages on %(app)s from %(person)s and others...",
        "Several people in several unnamed rooms",
    ),
    Option(
        "email.subjects.invite_from_person_to_room",
        STRING,
        "[%(app)s] %(person)s has invited you to join the %(room)s room on %(app)s...",
        "Invite, named room",
    ),
    Option(
        "email.subjects.invite_from_person",
        STRING,
        "[%(app)s] %(person)s has invited you to chat on %(app)s...",
        "Invite, unnamed room",
    ),
    Option(
        "email.subjects.password_reset",
        STRING,
        "[%(server_name)s] Password reset",
        "Password reset mail",
        honoured=True,
    ),
    Option(
        "email.subjects.email_validation",
        STRING,
        "[%(server_name)s] Validate your email",
        "Address validation mail",
        honoured=True,
    ),
    Option("templates.custom_template_directory", PATH, None, "Directory searched first for templates", honoured=True),
    Option("email.tlsname", STRING, None, "Name the SMTP certificate must match", honoured=True),
    Option("email.notif_delay_before_mail", DURATION, "10m", "Wait before mailing"),
)
