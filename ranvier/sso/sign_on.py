"""The way of a user to a provider and back: into a login, a new account, or the confirmation of who they are.

Spec: client-server API, "SSO client login/authentication", "Single Sign-On" of user-interactive authentication.
"""

import hmac
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ranvier.config.sso_sections import SsoConfig
from ranvier.db.engine import UniqueViolation
from ranvier.ports import Clock, Random
from ranvier.sso import client_url
from ranvier.sso.accounts import SsoAccounts
from ranvier.sso.cookie import LIFETIME_MS, Attempt, AttemptSeal
from ranvier.sso.newcomers import Newcomer, Newcomers
from ranvier.sso.provider import Identity, Provider, ProviderCard, SignOnFailed
from ranvier.users.interactive_auth import InteractiveAuth
from ranvier.users.login_tokens import LoginTokens
from ranvier.users.stages import SSO
from ranvier.users.token_text import new_session_id

TOKEN_LIFETIME_MS: Final = 2 * 60_000
_MAX_EXTRAS: Final = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Admitted:
    """Somebody may log in."""

    user_id: str
    location: str
    """Where the application waits for them, with the token."""
    is_known_place: bool
    """Whether they may be sent there without being asked."""
    is_new: bool


@dataclass(frozen=True, slots=True)
class Confirmed:
    """Somebody who is logged in has confirmed who they are."""


@dataclass(frozen=True, slots=True)
class Arrived:
    """Somebody new has to choose, or to agree; under this key they are found."""

    key: str


class WrongUser(Exception):
    """Who came back is not who is to be confirmed."""

    def __init__(self, user_id: str) -> None:
        super().__init__(user_id)
        self.user_id = user_id


class Deactivated(Exception):
    """The account is closed."""


class SignOn:
    """The providers, and what becomes of who comes from them."""

    def __init__(
        self,
        *,
        config: SsoConfig,
        providers: Sequence[Provider],
        accounts: SsoAccounts,
        newcomers: Newcomers,
        tokens: LoginTokens,
        interactive_auth: InteractiveAuth,
        clock: Clock,
        random: Random,
        secret: str,
        policy_version: str | None,
    ) -> None:
        """`policy_version`: what newcomers agree to; `None`: nothing."""
        self._config = config
        self._providers = {provider.card.idp_id: provider for provider in providers}
        self._accounts = accounts
        self.newcomers = newcomers
        self._tokens = tokens
        self._interactive_auth = interactive_auth
        self._clock = clock
        self._random = random
        self._seal = AttemptSeal(secret)
        self._policy_version = policy_version
        self._extras: dict[str, Mapping[str, Any]] = {}
        self.rename: Callable[[str, str], Awaitable[None]] | None = None
        """Gives a user another display name and tells their rooms."""

    @property
    def cards(self) -> list[ProviderCard]:
        """The providers, in the order of the configuration."""
        return [provider.card for provider in self._providers.values()]

    async def providers_of(self, user_id: str) -> set[str]:
        """Which providers know a user."""
        return await self._accounts.providers_of(user_id)

    async def begin(
        self, idp_id: str, *, client_redirect_url: str = "", ui_auth_session: str = "", passed: Mapping[str, str]
    ) -> tuple[str, str]:
        """Where to send a browser, and what it is to keep. Raises `KeyError`, `SignOnFailed`."""
        provider = self._providers[idp_id]
        state = new_session_id(self._random)
        departure = await provider.depart(state, passed)
        attempt = Attempt(
            provider=idp_id,
            state=state,
            expires_ts=self._clock.now_ms() + LIFETIME_MS,
            client_redirect_url=client_redirect_url,
            ui_auth_session=ui_auth_session,
            kept=departure.kept,
        )
        return departure.location, self._seal.seal(attempt)

    async def finish(self, query: Mapping[str, str], kept: str) -> Admitted | Confirmed | Arrived:
        """A browser has come back with this query and what it has kept. Raises as `arrive`, `WrongUser`, `Deactivated`."""
        attempt = self._seal.open(kept, now_ms=self._clock.now_ms())
        if attempt is None or attempt.provider not in self._providers:
            raise SignOnFailed("session_expired", "This browser has not begun this, or it took too long: start again.")
        if not hmac.compare_digest(attempt.state.encode(), query.get("state", "").encode("utf-8", "replace")):
            raise SignOnFailed("mismatching_session", "This is the answer to another attempt: start again.")
        provider = self._providers[attempt.provider]
        identity = await provider.arrive(query, attempt.kept, attempt.state)
        if attempt.ui_auth_session:
            return await self._confirm(provider.card, identity, attempt.ui_auth_session)
        user_id = await self._existing(provider.card, identity)
        if user_id is not None:
            return await self.admit(user_id, identity, attempt.client_redirect_url, is_new=False)
        if not provider.card.enable_registration:
            raise SignOnFailed("unauthorised", "You have no account here, and none is made by logging in.")
        localpart = None
        if identity.localpart is not None:
            localpart = await self._accounts.free_localpart(identity.localpart)
        key = self.newcomers.add(provider.card, identity, attempt.client_redirect_url, localpart=localpart)
        if localpart is None or identity.confirm_localpart or self._policy_version is not None:
            return Arrived(key)
        return await self.settle(key)

    async def settle(self, key: str) -> Admitted:
        """Make the account of a newcomer who has decided everything. Raises `SignOnFailed`."""
        newcomer = self.newcomers.find(key)
        if newcomer.localpart is None or self.has_to_agree(newcomer):
            raise SignOnFailed("invalid_request", "There is something left to choose: start again.")
        self.newcomers.take(key)
        user_id = await self._accounts.make(
            newcomer.card.idp_id,
            newcomer.identity,
            localpart=newcomer.localpart,
            display_name=newcomer.display_name,
            emails=newcomer.emails,
            consent=self._policy_version,
        )
        return await self.admit(user_id, newcomer.identity, newcomer.client_redirect_url, is_new=True)

    def has_to_agree(self, newcomer: Newcomer) -> bool:
        """Whether there is a policy that they have not agreed to."""
        return self._policy_version is not None and not newcomer.has_agreed

    async def admit(self, user_id: str, identity: Identity, client_redirect_url: str, *, is_new: bool) -> Admitted:
        """Let somebody log in. Raises `Deactivated`."""
        if await self._accounts.is_deactivated(user_id):
            raise Deactivated
        if not is_new and self._config.update_profile_information and identity.display_name and self.rename:
            await self.rename(user_id, identity.display_name)
        self._note_extras(user_id, identity)
        token = await self._tokens.give(user_id, lifetime_ms=TOKEN_LIFETIME_MS)
        return Admitted(
            user_id=user_id,
            location=client_url.with_token(client_redirect_url, token),
            is_known_place=client_url.is_known(client_redirect_url, self._config.client_whitelist),
            is_new=is_new,
        )

    def take_extras(self, user_id: str) -> Mapping[str, Any]:
        """What the provider wants to be in the answer of the login that follows."""
        return self._extras.pop(user_id, {})

    async def _existing(self, card: ProviderCard, identity: Identity) -> str | None:
        found = await self._accounts.find(card.idp_id, identity.external_id)
        if found is not None or not card.allow_existing_users:
            return found
        try:
            return await self._accounts.adopt(card.idp_id, identity)
        except UniqueViolation:
            # Another request of theirs was faster.
            return await self._accounts.find(card.idp_id, identity.external_id)

    async def _confirm(self, card: ProviderCard, identity: Identity, session_id: str) -> Confirmed:
        session = self._interactive_auth.page(session_id, SSO)
        user_id = await self._accounts.find(card.idp_id, identity.external_id)
        if session.user_id is None or user_id != session.user_id:
            raise WrongUser(session.user_id or "")
        self._interactive_auth.prove(session, SSO, user_id)
        return Confirmed()

    def _note_extras(self, user_id: str, identity: Identity) -> None:
        self._extras.pop(user_id, None)
        if identity.extra_attributes:
            self._extras[user_id] = identity.extra_attributes
            if len(self._extras) > _MAX_EXTRAS:
                del self._extras[next(iter(self._extras))]
