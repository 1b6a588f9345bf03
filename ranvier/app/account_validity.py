"""Builds what ends accounts that are not renewed, where the operator wants it."""

from dataclasses import dataclass, field

from ranvier.api.admin.account_validity import AdminAccountValidityApi
from ranvier.api.client.account_validity import AccountValidityApi
from ranvier.app.accounts import UserServices
from ranvier.config.model import Config
from ranvier.db.engine import Database
from ranvier.http.route import Route
from ranvier.ports import Clock, Random
from ranvier.templates import Templates
from ranvier.users.account_validity import AccountValidity


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidityServices:
    """What has to run, and its routes."""

    validity: AccountValidity | None
    routes: list[Route] = field(default_factory=list)


async def build_validity(
    *, config: Config, db: Database, clock: Clock, random: Random, users: UserServices
) -> ValidityServices:
    """Without `account_validity` administrators are told that nothing ends."""
    if config.account_validity is None:
        return ValidityServices(validity=None, routes=AdminAccountValidityApi(validity=None).routes())
    validity = AccountValidity(
        db=db,
        clock=clock,
        random=random,
        config=config.account_validity,
        mailer=None if users.mail is None else users.mail.mailer,
        profiles=users.profiles,
        public_baseurl=config.public_baseurl,
        app_name="Matrix" if config.email is None else config.email.app_name,
    )
    await validity.load()
    users.accounts.welcomes.append(validity.welcome)
    users.sessions.is_expired = validity.is_expired
    templates = Templates(public_baseurl=config.public_baseurl, custom=config.custom_template_directory)
    pages = AccountValidityApi(validity=validity, config=config.account_validity, templates=templates)
    return ValidityServices(
        validity=validity, routes=[*pages.routes(), *AdminAccountValidityApi(validity=validity).routes()]
    )
