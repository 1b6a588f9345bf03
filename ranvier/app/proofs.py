"""Builds what else proves something to this server: captchas, and tokens that somebody else has signed."""

from collections.abc import Mapping

from ranvier.api.client.captcha_page import CaptchaPageApi
from ranvier.app.accounts import UserServices
from ranvier.config.model import Config
from ranvier.db.engine import Database
from ranvier.http.route import Route
from ranvier.ports import ServiceTransport
from ranvier.ratelimit import RateLimiter
from ranvier.sso.jwt_login import TYPE, JwtLogin
from ranvier.templates import Templates
from ranvier.users.captcha_stage import CaptchaStage
from ranvier.users.stages import RECAPTCHA


def proof_routes(
    *,
    config: Config,
    db: Database,
    users: UserServices,
    limiters: Mapping[str, RateLimiter],
    transport: ServiceTransport,
) -> list[Route]:
    """Lets users prove what the configuration knows of; the pages for it."""
    if config.jwt_login is not None:
        login = JwtLogin(
            config=config.jwt_login,
            db=db,
            accounts=users.accounts,
            login=users.login,
            attempts=limiters["rc_login.account"],
        )
        users.login.others[TYPE] = login.log_in
    if config.captcha is None:
        return []
    users.interactive_auth.offer(RECAPTCHA, CaptchaStage(config=config.captcha, transport=transport))
    templates = Templates(public_baseurl=config.public_baseurl, custom=config.custom_template_directory)
    return CaptchaPageApi(
        interactive_auth=users.interactive_auth, templates=templates, public_key=config.captcha.public_key
    ).routes()
