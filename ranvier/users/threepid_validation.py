"""Proving that an e-mail address is one's own: a link is sent to it, and somebody follows the link.

Spec: client-server API, the `requestToken` endpoints; identity service API, "Establishing associations" (the sessions).
Configuration: `email.validation_token_lifetime`, `request_token_inhibit_3pid_errors`. Of tokens and secrets only digests
are kept.
"""

import hmac
import logging
from dataclasses import dataclass
from typing import Final, Literal
from urllib.parse import urlencode

from ranvier.config.email_sections import EmailConfig
from ranvier.config.threepid_sections import ThreepidRules
from ranvier.db.engine import Database
from ranvier.mail.mailer import Mailer, MailFailed
from ranvier.mail.message import UnusableAddress
from ranvier.ports import Clock, Random
from ranvier.proto.errors import MatrixError, invalid_param
from ranvier.proto.threepids import EMAIL, canonical_email
from ranvier.ratelimit import RateLimiter
from ranvier.store import threepid_validations as store
from ranvier.store import user_identities
from ranvier.store.threepid_validations import ValidationRow
from ranvier.users.token_text import new_session_id, token_digest

logger = logging.getLogger(__name__)

Purpose = Literal["registration", "password_reset", "add_threepid"]

_USABLE_MS: Final = 24 * 3_600_000
"""How long a proof can be used after it was given."""
_LINKS: Final[dict[Purpose, str]] = {
    "registration": "_matrix/client/unstable/registration/email/submit_token",
    "password_reset": "_synapse/client/password_reset/email/submit_token",
    "add_threepid": "_matrix/client/unstable/add_threepid/email/submit_token",
}


class CannotValidate(Exception):
    """The link is not, or no longer, good; the text is for whoever followed it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What a client asks for with `requestToken`."""

    purpose: Purpose
    email: str
    client_secret: str
    send_attempt: int
    next_link: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """Somebody has an address."""

    session_id: str
    medium: str
    address: str
    validated_ts: int


class ThreepidValidation:
    """The sessions."""

    def __init__(
        self,
        *,
        db: Database,
        clock: Clock,
        random: Random,
        mailer: Mailer,
        config: EmailConfig,
        public_baseurl: str,
        rules: ThreepidRules,
        tells_nothing: bool,
        requests: RateLimiter,
    ) -> None:
        """`tells_nothing`: nobody learns which addresses have accounts. `requests` limits mails by address."""
        self._db = db
        self._clock = clock
        self._random = random
        self._mailer = mailer
        self._lifetime_ms = config.validation_token_lifetime_ms
        self._public_baseurl = public_baseurl
        self._rules = rules
        self._tells_nothing = tells_nothing
        self._requests = requests

    async def request(self, wish: Wish) -> str:
        """The id of the session, whose mail has been sent (or is being sent, where nobody is to learn anything).

        Raises 400 `M_INVALID_PARAM` for what is no address, and for a `next_link` that may not be, 403
        `M_THREEPID_DENIED` for an address that no account may have, 400 `M_THREEPID_IN_USE` and `M_THREEPID_NOT_FOUND` for one that
        is somebody's, or nobody's, 429 `M_LIMIT_EXCEEDED`, 503 `M_UNKNOWN` if the mail server does not take the mail.
        """
        try:
            address = canonical_email(wish.email)
        except ValueError:
            raise invalid_param("This is not an e-mail address") from None
        if wish.next_link is not None and not self._rules.allow_next(wish.next_link):
            raise invalid_param("next_link leads to a domain that is not allowed here")
        # Who has one already may use it, whatever the rule says now.
        if wish.purpose != "password_reset" and not self._rules.allow(EMAIL, address):
            raise MatrixError(403, "M_THREEPID_DENIED", "Accounts may not have this address here")
        self._requests.spend(f"{EMAIL}:{address}")
        refusal = await self._refusal(wish.purpose, address)
        if refusal is not None and not self._tells_nothing:
            raise refusal
        secret = token_digest(wish.client_secret)
        now_ms = self._clock.now_ms()
        known = await store.of_address(self._db, wish.purpose, EMAIL, address, secret, now_ms=now_ms)
        if known is not None and (known.validated_ts is not None or known.last_send_attempt >= wish.send_attempt):
            return known.session_id
        session_id = new_session_id(self._random) if known is None else known.session_id
        token = new_session_id(self._random)
        async with self._db.write() as tx:
            if known is None:
                await store.expire(tx, now_ms=now_ms)
                await store.insert(
                    tx,
                    ValidationRow(
                        session_id=session_id,
                        purpose=wish.purpose,
                        medium=EMAIL,
                        address=address,
                        client_secret=secret,
                        last_send_attempt=-1,
                        validated_ts=None,
                        expires_ts=0,
                    ),
                )
            expires_ts = now_ms + self._lifetime_ms
            await store.add_token(tx, session_id, token_digest(token), next_link=wish.next_link, expires_ts=expires_ts)
            if self._tells_nothing:
                await store.set_send_attempt(tx, session_id, wish.send_attempt)
        # To the client it all looks the same: there is a session, but nobody gets its token.
        if refusal is None:
            await self._mail(wish, address, session_id, token)
        return session_id

    async def check(self, purpose: Purpose, session_id: str, client_secret: str, token: str) -> str | None:
        """Where to go when the token has been submitted; nothing changes. Raises `CannotValidate`."""
        session = await self._session(purpose, session_id, client_secret)
        if session is None:
            raise CannotValidate("This link is not known, or it is too old")
        digest, now_ms = token_digest(token), self._clock.now_ms()
        for sent, next_link, expires_ts in await store.tokens(self._db, session_id):
            if hmac.compare_digest(sent, digest):
                if expires_ts <= now_ms:
                    raise CannotValidate("This link is too old: ask for another one")
                return next_link
        raise CannotValidate("This link is not known, or it is too old")

    async def submit(self, purpose: Purpose, session_id: str, client_secret: str, token: str) -> str | None:
        """Somebody has followed the link; where to go now. Raises `CannotValidate`."""
        next_link = await self.check(purpose, session_id, client_secret, token)
        now_ms = self._clock.now_ms()
        async with self._db.write() as tx:
            await store.set_validated(tx, session_id, now_ms, expires_ts=now_ms + _USABLE_MS)
        return next_link

    async def proof(self, purpose: Purpose, session_id: str, client_secret: str) -> Proof | None:
        """What was proved in a session; `None` if nothing, or not yet, or by somebody else."""
        session = await self._session(purpose, session_id, client_secret)
        if session is None or session.validated_ts is None:
            return None
        return Proof(
            session_id=session_id,
            medium=session.medium,
            address=session.address,
            validated_ts=session.validated_ts,
        )

    async def _session(self, purpose: Purpose, session_id: str, client_secret: str) -> ValidationRow | None:
        session = await store.by_id(self._db, session_id) if session_id.isascii() and "\0" not in session_id else None
        if session is None or session.purpose != purpose or session.expires_ts <= self._clock.now_ms():
            return None
        return session if hmac.compare_digest(session.client_secret, token_digest(client_secret)) else None

    async def _refusal(self, purpose: Purpose, address: str) -> MatrixError | None:
        """Why there is nothing to be proved about an address."""
        owner = await user_identities.by_threepid(self._db, EMAIL, address)
        if purpose == "password_reset":
            return MatrixError(400, "M_THREEPID_NOT_FOUND", "No account has this address") if owner is None else None
        return None if owner is None else threepid_in_use()

    async def _mail(self, wish: Wish, address: str, session_id: str, token: str) -> None:
        query = urlencode({"token": token, "client_secret": wish.client_secret, "sid": session_id})
        link = f"{self._public_baseurl}{_LINKS[wish.purpose]}?{query}"
        kind = "password_reset" if wish.purpose == "password_reset" else "email_validation"
        subject = self._mailer.subject(kind)
        if self._tells_nothing:
            # How long the mail server takes would tell whether there was a mail.
            self._mailer.post(address, wish.purpose, {"link": link}, subject=subject)
            return
        try:
            await self._mailer.send(address, wish.purpose, {"link": link}, subject=subject)
        except UnusableAddress as error:
            raise invalid_param("No mail can be sent to this address") from error
        except MailFailed as error:
            logger.warning("A mail was not sent: %s", error)
            raise MatrixError(503, "M_UNKNOWN", "The mail could not be sent; try again later") from error
        async with self._db.write() as tx:
            await store.set_send_attempt(tx, session_id, wish.send_attempt)


def threepid_in_use() -> MatrixError:
    """400 `M_THREEPID_IN_USE`."""
    return MatrixError(400, "M_THREEPID_IN_USE", "Another account has this address already")
