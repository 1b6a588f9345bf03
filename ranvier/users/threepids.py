"""The e-mail addresses and telephone numbers of accounts, as their users add and remove them.

Spec: client-server API, "Adding Account Administrative Contact Information". Configuration: `enable_3pid_changes`.
"""

from collections.abc import Mapping
from typing import Any

from ranvier.db.engine import Database, Tx, UniqueViolation
from ranvier.ports import Clock
from ranvier.proto.errors import MatrixError, forbidden
from ranvier.proto.threepids import canonical
from ranvier.store import threepid_validations, user_identities
from ranvier.store.user_identities import ThreepidRow
from ranvier.users.reauthentication import Reauthentication
from ranvier.users.requester import Requester
from ranvier.users.text import is_storable
from ranvier.users.threepid_validation import Proof, ThreepidValidation, threepid_in_use


class Threepids:
    """Those of each user."""

    def __init__(
        self,
        *,
        db: Database,
        clock: Clock,
        validation: ThreepidValidation | None,
        reauthentication: Reauthentication,
        may_change: bool,
    ) -> None:
        """`validation` is `None` where no mail is sent; `may_change` is `enable_3pid_changes`."""
        self._db = db
        self._clock = clock
        self.validation = validation
        self._reauthentication = reauthentication
        self.may_change = may_change

    async def of(self, user_id: str) -> list[ThreepidRow]:
        """In order. One statement."""
        return await user_identities.threepids(self._db, user_id)

    def check_may_change(self) -> None:
        """Raises 403 `M_FORBIDDEN` where users may not change what they have."""
        if not self.may_change:
            raise forbidden("This server does not let its users change their third-party identifiers")

    async def add(
        self, requester: Requester, *, session_id: str, client_secret: str, auth: Mapping[str, Any] | None
    ) -> None:
        """Add an address that was validated here.

        Raises 401 `InteractiveAuthRequired`, 403 `M_FORBIDDEN`, 400 `M_THREEPID_AUTH_FAILED` while nobody has followed
        the link, `M_THREEPID_IN_USE`.
        """
        self.check_may_change()
        if self.validation is None:
            raise forbidden("This server sends no mail: addresses cannot be added")
        session = await self._reauthentication.require(requester, auth, operation="POST /account/3pid/add")
        proof = await self.validation.proof("add_threepid", session_id, client_secret)
        if proof is None:
            raise MatrixError(400, "M_THREEPID_AUTH_FAILED", "The link in the mail has not been opened yet")
        try:
            async with self._db.write() as tx:
                await attach(tx, requester.user_id, proof, now_ms=self._clock.now_ms())
        except UniqueViolation as error:
            raise threepid_in_use() from error
        self._reauthentication.end(session)

    async def remove(self, user_id: str, medium: str, address: str) -> None:
        """Let the user have it no more; what they do not have is no mistake. Raises 403 `M_FORBIDDEN`."""
        self.check_may_change()
        address = canonical(medium, address)
        if is_storable(medium) and is_storable(address):
            async with self._db.write() as tx:
                await user_identities.remove_threepid(tx, user_id, medium, address)


async def attach(tx: Tx, user_id: str, proof: Proof, *, now_ms: int) -> None:
    """Let a user have what was proved, and use the proof up. Raises 400 `M_THREEPID_IN_USE`, `UniqueViolation`."""
    owner = await user_identities.by_threepid(tx, proof.medium, proof.address)
    if owner not in (None, user_id):
        raise threepid_in_use()
    await threepid_validations.delete(tx, proof.session_id)
    if owner is None:
        row = ThreepidRow(proof.medium, proof.address, proof.validated_ts, now_ms)
        await user_identities.add_threepid(tx, user_id, row)
