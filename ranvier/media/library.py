"""Finding what somebody wants to see: ours, or another server's. Spec: client-server API, "Content repository"."""

from dataclasses import dataclass
from typing import Final

from ranvier.config.media_sections import MediaConfig
from ranvier.db.engine import Database
from ranvier.media.accesses import Accesses
from ranvier.media.arrivals import Arrivals
from ranvier.media.file_store import FileStore, OpenFile
from ranvier.media.places import content_of
from ranvier.media.remote import RemoteMedia
from ranvier.ports import Clock
from ranvier.proto.errors import MatrixError, not_found
from ranvier.proto.mxc import Mxc, is_media_id, is_media_server
from ranvier.store import media as store

DEFAULT_WAIT_MS: Final = 20_000
_LONGEST_WAIT_MS: Final = 60_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What somebody wants."""

    name: Mxc
    has_token: bool
    """Whether an account, or a server, stands behind it; false at the endpoints of old."""
    wait_ms: int = DEFAULT_WAIT_MS
    allows_remote: bool = True
    ignores_quarantine: bool = False
    client_ip: str = ""


class Library:
    """Finds media and opens their files."""

    def __init__(
        self,
        *,
        db: Database,
        files: FileStore,
        remote: RemoteMedia,
        arrivals: Arrivals,
        accesses: Accesses,
        clock: Clock,
        config: MediaConfig,
        server_name: str,
    ) -> None:
        self._db = db
        self.files = files
        self._remote = remote
        self._arrivals = arrivals
        self._accesses = accesses
        self._clock = clock
        self._config = config
        self.server_name = server_name

    async def find(self, wish: Wish) -> store.Medium:
        """The medium; of another server it is here afterwards. One statement for what is here.

        Raises 404 `M_NOT_FOUND`, also for what is quarantined and for what the endpoints of old do not show; 504
        `M_NOT_YET_UPLOADED`; and as `RemoteMedia.get`.
        """
        name = wish.name
        if not is_media_server(name.server_name) or not is_media_id(name.media_id):
            raise not_found("Not the name of a medium")
        medium = await store.by_id(self._db, *name)
        if medium is None:
            medium = await self._fetched(wish, None)
        if medium.size_bytes is None:
            medium = await self._arrived(medium, wish.wait_ms)
        if (medium.quarantined_by is not None and not wish.ignores_quarantine) or (
            medium.needs_token and not wish.has_token
        ):
            raise not_found("Media not found")
        self._accesses.note(*name)
        return medium

    async def open(self, medium: store.Medium, wish: Wish) -> tuple[store.Medium, OpenFile]:
        """Its file, which the caller closes. A copy that is gone is fetched again. Raises as `find`."""
        opened = await self.files.open(content_of(medium, self.server_name))
        if opened is None:
            medium = await self._fetched(wish, medium)
            opened = await self.files.open(content_of(medium, self.server_name))
        if opened is None:
            raise not_found("Media not found")
        return medium, opened

    async def present(self, wish: Wish) -> store.Medium:
        """As `find`; the file is here. Raises as `find`."""
        medium = await self.find(wish)
        if await self.files.path_of(content_of(medium, self.server_name)) is None:
            medium = await self._fetched(wish, medium)
        return medium

    async def _fetched(self, wish: Wish, known: store.Medium | None) -> store.Medium:
        is_hidden = not wish.has_token and self._config.enable_authenticated_media
        if wish.name.server_name == self.server_name or not wish.allows_remote or is_hidden:
            raise not_found("Media not found")
        wait_ms = min(wish.wait_ms, _LONGEST_WAIT_MS)
        return await self._remote.get(wish.name, wait_ms=wait_ms, client_ip=wish.client_ip, known=known)

    async def _arrived(self, medium: store.Medium, wait_ms: int) -> store.Medium:
        """The medium, as soon as its content is there."""
        if medium.expires_ts is not None and medium.expires_ts <= self._clock.now_ms():
            raise not_found("Media not found")
        await self._arrivals.wait(medium.media_id, min(wait_ms, _LONGEST_WAIT_MS) / 1000)
        found = await store.by_id(self._db, medium.server_name, medium.media_id)
        if found is None:
            raise not_found("Media not found")
        if found.size_bytes is None:
            raise MatrixError(504, "M_NOT_YET_UPLOADED", "The content has not been uploaded yet")
        return found
