"""Who is to be told of a user's notifications: by mail, so far.

Spec: client-server API, "Push Notifications" (`/pushers`). Configuration: `email.enable_notifs`,
`email.notif_for_new_users`. Links to unsubscribe carry an HMAC of whom they are for.
"""

import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlencode

import orjson

from ranvier.db.engine import Database, Tx
from ranvier.ports import Clock
from ranvier.proto.errors import MatrixError, forbidden, invalid_param, missing_param
from ranvier.proto.threepids import EMAIL, canonical
from ranvier.store import pushers as store
from ranvier.store import user_identities
from ranvier.store.pushers import PusherRow
from ranvier.users.text import is_storable, storable

MAIL_APP: Final = "m.email"
UNSUBSCRIBE: Final = "_synapse/client/unsubscribe"
_TEXT: Final = 255
_DATA_BYTES: Final = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class PusherWish:
    """What a client asks for with `/pushers/set`."""

    app_id: str
    pushkey: str
    kind: str | None
    app_display_name: str | None = None
    device_display_name: str | None = None
    profile_tag: str | None = None
    lang: str | None = None
    data: dict[str, Any] | None = None
    append: bool = False


@dataclass(slots=True, kw_only=True)
class Pushers:
    """Everybody's."""

    db: Database
    clock: Clock
    secret: str = field(repr=False)
    public_baseurl: str
    sends_mail: bool
    """Whether anybody is told by mail."""
    stream_pos: Callable[[], int] = lambda: 0
    """Where the stream of events is: what came before a pusher it does not tell."""
    on_mail_wanted: list[Callable[[str], None]] = field(default_factory=list)
    """Told whose user wants mail from now on, after the commit."""

    async def of(self, user_id: str) -> list[PusherRow]:
        """In order. One statement."""
        return await store.of_user(self.db, user_id)

    async def set(self, user_id: str, wish: PusherWish) -> None:
        """Make a pusher, change one, or delete it (no `kind`).

        Raises 400 `M_MISSING_PARAM`, `M_INVALID_PARAM`; 403 `M_FORBIDDEN` where nobody is told in this way.
        """
        app_id = storable(wish.app_id, name="app_id", max_length=64)
        pushkey = storable(wish.pushkey, name="pushkey", max_length=512)
        if wish.kind in (None, store.EMAIL) and app_id == MAIL_APP:
            pushkey = canonical(EMAIL, pushkey)
        if wish.kind is None:
            async with self.db.write() as tx:
                await store.delete(tx, user_id, app_id, pushkey)
            return
        row = self._row(user_id, app_id, pushkey, wish)
        async with self.db.write() as tx:
            if await user_identities.by_threepid(tx, EMAIL, pushkey) != user_id:
                raise invalid_param("pushkey: not an address of this account")
            if not wish.append:
                await store.delete_of_others(tx, user_id, app_id, pushkey)
            await store.save(tx, row)
        self.mail_wanted(user_id)

    async def subscribe(self, tx: Tx, user_id: str, address: str) -> None:
        """A new account is told by mail; `mail_wanted` is to be called after the commit."""
        wish = PusherWish(
            app_id=MAIL_APP,
            pushkey=address,
            kind=store.EMAIL,
            app_display_name="Email Notifications",
            device_display_name=address,
            lang="en",
            data={},
        )
        await store.save(tx, self._row(user_id, MAIL_APP, address, wish))

    def mail_wanted(self, user_id: str) -> None:
        """A user wants mail from now on."""
        for tell in self.on_mail_wanted:
            tell(user_id)

    def unsubscribe_link(self, user_id: str, address: str) -> str:
        """Where who got a mail can say that it was the last."""
        query = urlencode({"user_id": user_id, "pushkey": address, "h": self._proof(user_id, address)})
        return f"{self.public_baseurl}{UNSUBSCRIBE}?{query}"

    def is_our_link(self, user_id: str, address: str, proof: str) -> bool:
        """Whether a link was made here."""
        return hmac.compare_digest(self._proof(user_id, address).encode(), proof.encode("utf-8", "replace"))

    async def unsubscribe(self, user_id: str, address: str) -> None:
        """No more mails; for who has a link of ours."""
        async with self.db.write() as tx:
            await store.delete(tx, user_id, MAIL_APP, address)

    def _proof(self, user_id: str, address: str) -> str:
        text = orjson.dumps(["unsubscribe", user_id, address]) if is_storable(user_id + address) else b""
        return hmac.new(self.secret.encode(), text, hashlib.sha256).hexdigest()

    def _row(self, user_id: str, app_id: str, pushkey: str, wish: PusherWish) -> PusherRow:
        if wish.kind != store.EMAIL:
            raise invalid_param("kind: this server tells of notifications by mail only (email)")
        if app_id != MAIL_APP:
            raise invalid_param(f"app_id: for mail it is {MAIL_APP}")
        if not self.sends_mail:
            raise forbidden("This server sends no mail about notifications")
        texts = {name: getattr(wish, name) for name in ("app_display_name", "device_display_name", "lang")}
        missing = [name for name, text in texts.items() if text is None]
        if wish.data is None:
            missing.append("data")
        if missing:
            raise missing_param(f"Missing parameters: {', '.join(missing)}")
        data = orjson.dumps(wish.data)
        if len(data) > _DATA_BYTES:
            raise MatrixError(400, "M_INVALID_PARAM", "data is too large")
        return PusherRow(
            user_id=user_id,
            app_id=app_id,
            pushkey=pushkey,
            kind=store.EMAIL,
            profile_tag=storable(wish.profile_tag or "", name="profile_tag", max_length=32),
            data=data,
            created_ts=self.clock.now_ms(),
            told_upto=self.stream_pos(),
            **{name: storable(text, name=name, max_length=_TEXT) for name, text in texts.items()},
        )
