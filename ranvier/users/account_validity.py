"""Accounts that end unless they are renewed: by a link in a mail, or by an administrator.

Configuration: `account_validity`. Manual: "Account validity". When each account ends is kept in memory, so that a request
costs no statement more.
"""

import logging
from typing import Final
from urllib.parse import urlencode

from ranvier.config.validity_sections import ValidityConfig
from ranvier.db.engine import Database, DatabaseError
from ranvier.mail.mailer import Mailer, MailFailed
from ranvier.mail.message import UnusableAddress
from ranvier.ports import Clock, Random
from ranvier.proto.errors import MatrixError, forbidden, not_found
from ranvier.store import account_validity as store
from ranvier.store import user_identities, users
from ranvier.users.create_account import NewAccount
from ranvier.users.profiles import Profiles
from ranvier.users.requester import Requester
from ranvier.users.token_text import new_session_id, token_digest

logger = logging.getLogger(__name__)

RENEW: Final = "_matrix/client/unstable/account_validity/renew"
_LOOK_EVERY_S: Final = 30 * 60.0
_AT_ONCE: Final = 100


class AccountValidity:
    """Knows when accounts end, and renews them."""

    def __init__(
        self,
        *,
        db: Database,
        clock: Clock,
        random: Random,
        config: ValidityConfig,
        mailer: Mailer | None,
        profiles: Profiles,
        public_baseurl: str,
        app_name: str,
    ) -> None:
        self._db = db
        self._clock = clock
        self._random = random
        self._config = config
        self._mailer = mailer
        self._profiles = profiles
        self._public_baseurl = public_baseurl
        self._subject = config.renew_email_subject % {"app": app_name}
        self._ends: dict[str, int] = {}

    async def load(self) -> None:
        """Accounts from before there were terms get one. Two statements."""
        async with self._db.write() as tx:
            await store.add_missing(tx, self._clock.now_ms() + self._config.period_ms)
        self._ends = await store.all_terms(self._db)

    def is_expired(self, user_id: str) -> bool:
        """Whether the account has ended. No statement."""
        ends = self._ends.get(user_id)
        return ends is not None and ends <= self._clock.now_ms()

    async def welcome(self, account: NewAccount) -> None:
        """A new account has its first term."""
        if not account.is_guest and account.appservice_id is None:
            await self._set(account.user_id, self._clock.now_ms() + self._config.period_ms, mails=True)

    async def renew_by(self, token: str) -> tuple[int, bool] | None:
        """`(new end, whether it is new)` of the account whose mail had this token; `None` for a token that is none."""
        renewal = await store.by_token(self._db, token_digest(token))
        if renewal is None:
            return None
        if renewal.used:
            return renewal.expires_ts, False
        now_ms = self._clock.now_ms()
        ends = now_ms + self._config.period_ms
        async with self._db.write() as tx:
            await store.renew(tx, renewal.user_id, ends, used_ts=now_ms)
        self._ends[renewal.user_id] = ends
        return ends, True

    async def renew_by_admin(self, user_id: str, expires_ts: int | None, *, mails: bool) -> int:
        """When the account ends now. Raises 404 `M_NOT_FOUND`."""
        if await users.by_id(self._db, user_id) is None:
            raise not_found("User not found")
        ends = self._clock.now_ms() + self._config.period_ms if expires_ts is None else expires_ts
        await self._set(user_id, ends, mails=mails)
        return ends

    async def send_mail(self, requester: Requester) -> None:
        """Write to a user who asks for it. Raises 403 `M_FORBIDDEN` where nobody is written to, 503."""
        if self._config.renew_at_ms is None:
            raise forbidden("Accounts are not renewed by mail here")
        try:
            await self._write_to(requester.user_id)
        except MailFailed as error:
            logger.warning("A mail about the end of an account was not sent: %s", error)
            raise MatrixError(503, "M_UNKNOWN", "The mail could not be sent; try again later") from error

    async def run(self) -> None:
        """Write to those whose accounts are about to end, until cancelled."""
        while True:
            try:
                await self.tick()
            except DatabaseError:
                logger.warning("Could not look whose account is about to end", exc_info=True)
            await self._clock.sleep(_LOOK_EVERY_S)

    async def tick(self) -> None:
        """Look once."""
        if self._config.renew_at_ms is None:
            return
        until = self._clock.now_ms() + self._config.renew_at_ms
        for user_id in await store.to_be_mailed(self._db, until, limit=_AT_ONCE):
            try:
                await self._write_to(user_id)
            except MailFailed as error:
                logger.warning("A mail about the end of an account was not sent: %s", error)
                return

    async def _set(self, user_id: str, ends: int, *, mails: bool) -> None:
        async with self._db.write() as tx:
            await store.set_term(tx, user_id, ends, mails=mails)
        self._ends[user_id] = ends

    async def _write_to(self, user_id: str) -> None:
        """To each address that the account has. Raises `MailFailed`."""
        addresses = [row.address for row in await user_identities.threepids(self._db, user_id) if row.medium == "email"]
        if self._mailer is None or user_id not in self._ends or not addresses:
            return
        token = new_session_id(self._random)
        async with self._db.write() as tx:
            await store.set_token(tx, user_id, token_digest(token))
        profile = await self._profiles.of(user_id)
        variables = {
            "display_name": profile.get("displayname") or user_id,
            "expiration_ts": self._ends[user_id],
            "url": f"{self._public_baseurl}{RENEW}?{urlencode({'token': token})}",
        }
        for address in addresses:
            try:
                await self._mailer.send(address, "notice_expiry", variables, subject=self._subject)
            except UnusableAddress as error:
                logger.warning("Nobody can be written to at an address of %s: %s", user_id, error)
        async with self._db.write() as tx:
            await store.set_mailed(tx, user_id, self._clock.now_ms())
