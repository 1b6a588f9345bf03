"""Agreeing to the server's policy: what has to be agreed to, and who has done so.

Spec: client-server API, "Terms of service at registration". Configuration: `user_consent`, `form_secret`.
"""

import hashlib
import hmac
from typing import Any, Final
from urllib.parse import urlencode

from ranvier.config.account_sections import ConsentConfig
from ranvier.config.model import Config
from ranvier.db.engine import Database
from ranvier.ports import Clock
from ranvier.proto.errors import forbidden, invalid_param, not_found
from ranvier.store import users

PATH: Final = "/_matrix/consent"


def terms(config: Config) -> dict[str, Any] | None:
    """The `params` of `m.login.terms`; `None` if nobody who registers has to agree to anything."""
    consent = config.user_consent
    if consent is None or not consent.require_at_registration:
        return None
    url = f"{config.public_baseurl.rstrip('/')}{PATH}?{urlencode({'v': consent.version})}"
    policy = {"version": consent.version, "en": {"name": consent.policy_name, "url": url}}
    return {"policies": {"privacy_policy": policy}}


class Consent:
    """Knows who has agreed to what. Links for single users carry an HMAC of their name."""

    def __init__(self, *, db: Database, clock: Clock, server_name: str, config: ConsentConfig, secret: str) -> None:
        self._db = db
        self._clock = clock
        self._server_name = server_name
        self._config = config
        self._secret = secret

    def user_hmac(self, user: str) -> str:
        """What proves that a link to the form was made here."""
        return hmac.new(self._secret.encode(), user.encode("utf-8", "replace"), hashlib.sha256).hexdigest()

    async def has_agreed(self, user: str, proof: str) -> bool:
        """Whether the user of a link has agreed to the current version. Raises 403 for a forged link."""
        return await users.consent_version(self._db, self._user_id(user, proof)) == self._config.version

    async def agree(self, user: str, proof: str, version: str) -> None:
        """The user of a link agrees. Raises 403 for a forged link, 400 for another version, 404."""
        user_id = self._user_id(user, proof)
        if version != self._config.version:
            raise invalid_param("This is not the current version of the policy")
        async with self._db.write() as tx:
            if not await users.set_consent(tx, user_id, version, self._clock.now_ms()):
                raise not_found("User not found")

    def _user_id(self, user: str, proof: str) -> str:
        if not hmac.compare_digest(self.user_hmac(user), proof.lower().encode("ascii", "replace").decode()):
            raise forbidden("This link is not valid")
        return user if user.startswith("@") else f"@{user}:{self._server_name}"
