"""Experimental features that administrators switch for single users. Manual: admin API, "Experimental Features API"."""

from collections.abc import Mapping
from typing import Final

from ranvier.db.engine import Database
from ranvier.proto.errors import MatrixError
from ranvier.store import user_identities as store

FEATURES: Final = ("msc3881", "msc3575", "msc4222")


class Experiments:
    """Reads and sets what is on for whom."""

    def __init__(self, *, db: Database) -> None:
        self._db = db

    async def of(self, user_id: str) -> dict[str, bool]:
        """Each feature, on or off. One statement."""
        return dict.fromkeys(FEATURES, False) | {
            name: enabled for name, enabled in (await store.features(self._db, user_id)).items() if name in FEATURES
        }

    async def set(self, user_id: str, wanted: Mapping[str, bool]) -> None:
        """Switch some. One transaction. Raises 400 `M_UNKNOWN` for one that does not exist."""
        for name in wanted:
            if name not in FEATURES:
                raise MatrixError(400, "M_UNKNOWN", f"{name[:100]!r} is not an experimental feature")
        async with self._db.write() as tx:
            await store.set_features(tx, user_id, list(wanted.items()))
