"""Builds single sign-on, where the configuration names somebody who tells who users are."""

from collections.abc import Sequence
from dataclasses import dataclass

from ranvier.api.client.sso_arrival import SsoArrivalApi
from ranvier.api.client.sso_newcomer import SsoNewcomerApi
from ranvier.api.client.sso_page import SsoPages
from ranvier.api.client.sso_redirect import SsoRedirectApi
from ranvier.app.accounts import UserServices
from ranvier.app.rooms import RoomServices
from ranvier.config.model import Config
from ranvier.config.sso_sections import SsoConfig
from ranvier.db.engine import Database
from ranvier.http.route import Route
from ranvier.ports import Clock, Random, ServiceTransport
from ranvier.sso.accounts import SsoAccounts
from ranvier.sso.cas import CasProvider
from ranvier.sso.newcomers import Newcomers
from ranvier.sso.oidc import OidcProvider
from ranvier.sso.provider import Provider
from ranvier.sso.sign_on import SignOn
from ranvier.store import user_identities
from ranvier.store import users as user_store
from ranvier.templates import Templates
from ranvier.users.requester import Requester


@dataclass(frozen=True, slots=True, kw_only=True)
class SsoServices:
    """Single sign-on."""

    sign_on: SignOn
    routes: Sequence[Route]


def build_sso(
    *,
    config: Config,
    db: Database,
    clock: Clock,
    random: Random,
    users: UserServices,
    rooms: RoomServices,
    transport: ServiceTransport,
) -> SsoServices | None:
    """`None` where nobody but this server tells who somebody is."""
    sso = config.sso
    if sso is None:
        return None
    templates = Templates(public_baseurl=config.public_baseurl, custom=config.custom_template_directory)
    accounts = SsoAccounts(db=db, clock=clock, accounts=users.accounts)
    consent = config.user_consent if config.user_consent and config.user_consent.require_at_registration else None
    sign_on = SignOn(
        config=sso,
        providers=_providers(sso, config, clock, random, templates, transport),
        accounts=accounts,
        newcomers=Newcomers(clock=clock, random=random),
        tokens=users.login_tokens,
        interactive_auth=users.interactive_auth,
        clock=clock,
        random=random,
        secret=config.macaroon_secret_key,
        policy_version=None if consent is None else consent.version,
    )
    _connect(sign_on, db, users, rooms)
    pages = SsoPages(templates=templates, profiles=users.profiles, server_name=config.server_name)
    base = config.public_baseurl
    return SsoServices(
        sign_on=sign_on,
        routes=[
            *SsoRedirectApi(
                sign_on=sign_on, pages=pages, interactive_auth=users.interactive_auth, public_baseurl=base
            ).routes(),
            *SsoArrivalApi(sign_on=sign_on, pages=pages, public_baseurl=base).routes(),
            *SsoNewcomerApi(
                sign_on=sign_on, accounts=accounts, pages=pages, consent=consent, public_baseurl=base
            ).routes(),
        ],
    )


def _providers(
    sso: SsoConfig,
    config: Config,
    clock: Clock,
    random: Random,
    templates: Templates,
    transport: ServiceTransport,
) -> list[Provider]:
    found: list[Provider] = [
        OidcProvider(
            config=provider,
            transport=transport,
            clock=clock,
            random=random,
            templates=templates,
            public_baseurl=config.public_baseurl,
        )
        for provider in sso.oidc
    ]
    if sso.cas is not None:
        found.append(CasProvider(config=sso.cas, transport=transport, public_baseurl=config.public_baseurl))
    return found


def _connect(sign_on: SignOn, db: Database, users: UserServices, rooms: RoomServices) -> None:
    """Let logins and confirmations know of it."""
    known = {card.idp_id for card in sign_on.cards}

    async def ways(user_id: str) -> tuple[bool, bool]:
        user = await user_store.by_id(db, user_id)
        ids = await user_identities.external_ids(db, user_id)
        return user is not None and user.password_hash is not None, any(provider in known for provider, _ in ids)

    async def rename(user_id: str, display_name: str) -> None:
        # In the server's name: whether users may change their names themselves does not matter.
        server = Requester(user_id=user_id, device_id=None, token_nid=None, is_admin=True)
        if await users.profiles.set(server, user_id, "displayname", display_name):
            await rooms.profile_changes.announce(user_id)

    users.login.identity_providers = [card.description() for card in sign_on.cards]
    users.login.extras = sign_on.take_extras
    users.reauthentication.ways = ways
    sign_on.rename = rename
