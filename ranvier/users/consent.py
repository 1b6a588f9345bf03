"""Agreeing to the server's policy: what has to be agreed to, who has done so, and who has to.

Spec: client-server API, "Terms of service at registration", "Common error codes" (`M_CONSENT_NOT_GIVEN`). Configuration:
`user_consent`, `form_secret`.
"""

import hashlib
import hmac
import re
from typing import Any, Final
from urllib.parse import urlencode

from ranvier.config.account_sections import USER_TYPES, ConsentConfig
from ranvier.config.model import Config
from ranvier.db.engine import Database
from ranvier.ports import Clock
from ranvier.proto.errors import MatrixError, forbidden, invalid_param, not_found
from ranvier.proto.ids import localpart_of
from ranvier.store import consent as store
from ranvier.store import users
from ranvier.store.consent import ConsentRow
from ranvier.users.text import is_storable

PATH: Final = "/_matrix/consent"
_REMEMBERED: Final = 100_000
_PLACEHOLDER: Final = re.compile(r"%%|%\(consent_uri\)s")


def terms(config: Config) -> dict[str, Any] | None:
    """The `params` of `m.login.terms`; `None` if nobody who registers has to agree to anything."""
    consent = config.user_consent
    if consent is None or not consent.require_at_registration:
        return None
    url = f"{config.public_baseurl.rstrip('/')}{PATH}?{urlencode({'v': consent.version})}"
    policy = {"version": consent.version, "en": {"name": consent.policy_name, "url": url}}
    return {"policies": {"privacy_policy": policy}}


def with_link(text: str, link: str) -> str:
    """A text of the configuration, with a user's link for `%(consent_uri)s`; a doubled per cent sign is one."""
    return _PLACEHOLDER.sub(lambda found: "%" if found[0] == "%%" else link, text)


class Consent:
    """Knows who has agreed to what. Links for single users carry an HMAC of their name."""

    def __init__(
        self, *, db: Database, clock: Clock, server_name: str, config: ConsentConfig, secret: str, public_baseurl: str
    ) -> None:
        self._db = db
        self._clock = clock
        self._server_name = server_name
        self._config = config
        self._secret = secret
        self._url = public_baseurl.rstrip("/") + PATH
        self._agreed: set[str] = set()
        """Users of whom it is known; they are many, and ask with everything that they say."""

    @property
    def version(self) -> str:
        """What has to be agreed to."""
        return self._config.version

    def link(self, user_id: str) -> str:
        """The address of the form for one local user."""
        user = localpart_of(user_id)
        return f"{self._url}?{urlencode({'u': user, 'h': self.user_hmac(user)})}"

    def user_hmac(self, user: str) -> str:
        """What proves that a link to the form was made here."""
        return hmac.new(self._secret.encode(), user.encode("utf-8", "replace"), hashlib.sha256).hexdigest()

    async def has_agreed(self, user: str, proof: str) -> bool:
        """Whether the user of a link has agreed to the current version. Raises 403 for a forged link, 404."""
        row = await self.of(self._user_id(user, proof))
        return row is not None and row.version == self._config.version

    async def agree(self, user: str, proof: str, version: str) -> None:
        """The user of a link agrees. Raises 403 for a forged link, 400 for another version, 404."""
        user_id = self._user_id(user, proof)
        if version != self._config.version:
            raise invalid_param("This is not the current version of the policy")
        async with self._db.write() as tx:
            if not await users.set_consent(tx, user_id, version, self._clock.now_ms()):
                raise not_found("User not found")
        self._remember(user_id)

    async def of(self, user_id: str) -> ConsentRow | None:
        """What is known of an account. One statement."""
        return await store.of_user(self._db, user_id)

    async def has_to_agree(self, user_id: str) -> bool:
        """Whether the user has to agree still. No statement for those who are known to have agreed.

        Nobody sits behind bots, accounts for support and those of application services.
        """
        if user_id in self._agreed:
            return False
        row = await self.of(user_id)
        if row is None or row.user_type in USER_TYPES or row.appservice_id is not None:
            return False
        if row.version != self._config.version:
            return True
        self._remember(user_id)
        return False

    async def note_notice(self, user_id: str) -> None:
        """The user has been asked to agree to the current version."""
        async with self._db.write() as tx:
            await store.set_notice_sent(tx, user_id, self._config.version)

    def refusal(self, user_id: str) -> MatrixError:
        """403 `M_CONSENT_NOT_GIVEN` for who has to agree first."""
        link = self.link(user_id)
        text = with_link(self._config.block_events_error or "", link)
        return MatrixError(403, "M_CONSENT_NOT_GIVEN", text, extra={"consent_uri": link})

    def _remember(self, user_id: str) -> None:
        if len(self._agreed) >= _REMEMBERED:
            self._agreed.clear()
        self._agreed.add(user_id)

    def _user_id(self, user: str, proof: str) -> str:
        if not hmac.compare_digest(self.user_hmac(user), proof.lower().encode("ascii", "replace").decode()):
            raise forbidden("This link is not valid")
        if not is_storable(user):
            raise not_found("User not found")
        return user if user.startswith("@") else f"@{user}:{self._server_name}"
