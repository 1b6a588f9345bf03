"""Letting identity servers know users by their addresses, and forget it.

Spec: client-server API, `/account/3pid/bind`, `/unbind`, `/delete`, `/account/deactivate`.
"""

import logging

from ranvier.db.engine import Database
from ranvier.proto.errors import MatrixError
from ranvier.proto.threepids import canonical
from ranvier.store import threepid_bindings as store
from ranvier.users.identity_servers import IdentityServers
from ranvier.users.text import is_storable

logger = logging.getLogger(__name__)


class ThreepidBindings:
    """Remembers which servers know whom."""

    def __init__(self, *, db: Database, identity: IdentityServers) -> None:
        self._db = db
        self._identity = identity

    async def bind(self, user_id: str, id_server: str, token: str, *, session_id: str, client_secret: str) -> None:
        """Raises what the identity server says, 400 `M_INVALID_PARAM`, 502, 504."""
        medium, address = await self._identity.bind(
            id_server, token, user_id=user_id, session_id=session_id, client_secret=client_secret
        )
        if is_storable(medium + address):
            async with self._db.write() as tx:
                await store.insert(tx, user_id, (medium, canonical(medium, address), id_server))

    async def unbind(self, user_id: str, medium: str, address: str, id_server: str | None) -> bool:
        """Let the server that is named forget it, or those that know it because of us; whether all can.

        Raises what the identity server says, 400 `M_INVALID_PARAM`, 502, 504.
        """
        address = canonical(medium, address)
        known = [binding for binding in await store.of_user(self._db, user_id) if binding[:2] == (medium, address)]
        if id_server is not None:
            known = [(medium, address, id_server)]
        return bool(known) and all([await self._forget(user_id, binding) for binding in known])

    async def unbind_all(self, user_id: str) -> bool:
        """The account is closed: whether every identity server has forgotten its addresses, as far as we know."""
        done = True
        for binding in await store.of_user(self._db, user_id):
            try:
                done &= await self._forget(user_id, binding)
            except MatrixError as error:
                logger.warning("The identity server %s did not forget %s: %s", binding[2], user_id, error)
                done = False
        return done

    async def _forget(self, user_id: str, binding: store.Binding) -> bool:
        medium, address, id_server = binding
        if not await self._identity.unbind(id_server, user_id=user_id, medium=medium, address=address):
            return False
        if is_storable(medium + address):
            async with self._db.write() as tx:
                await store.delete(tx, user_id, binding)
        return True
