"""Builds what sends mail, where there is a mail server."""

from dataclasses import dataclass

from ranvier.config.model import Config
from ranvier.db.engine import Database
from ranvier.mail.mailer import Mailer
from ranvier.ports import Clock, Random
from ranvier.proto.ids import split_server_name
from ranvier.ratelimit import RateLimiter
from ranvier.templates import Templates
from ranvier.users.threepid_validation import ThreepidValidation


@dataclass(frozen=True, slots=True, kw_only=True)
class MailServices:
    """What sends mails, and what is proved by them."""

    mailer: Mailer
    templates: Templates
    validation: ThreepidValidation


def build_mail(
    *, db: Database, clock: Clock, random: Random, config: Config, limiters: dict[str, RateLimiter]
) -> MailServices | None:
    """`None` where the configuration has no `email`."""
    if config.email is None:
        return None
    # Only who sends mail needs what does so.
    from ranvier.mail.smtp import Smtp

    templates = Templates(public_baseurl=config.public_baseurl, custom=config.custom_template_directory)
    mailer = Mailer(
        config=config.email,
        server_name=config.server_name,
        templates=templates,
        carrier=Smtp(config.email.smtp, own_name=split_server_name(config.server_name)[0]),
        clock=clock,
        random=random,
    )
    validation = ThreepidValidation(
        db=db,
        clock=clock,
        random=random,
        mailer=mailer,
        config=config.email,
        public_baseurl=config.public_baseurl,
        rules=config.threepid_rules,
        tells_nothing=config.request_token_inhibit_3pid_errors,
        requests=limiters["rc_3pid_validation"],
    )
    return MailServices(mailer=mailer, templates=templates, validation=validation)
