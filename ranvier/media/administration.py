"""What administrators do with media: look at them, quarantine, protect and delete them. Manual: admin API, "Media"."""

from collections.abc import Sequence
from typing import Final

from ranvier.db.engine import Database
from ranvier.media.accesses import Accesses
from ranvier.media.file_store import FileStore
from ranvier.media.places import content_of, thumbnails_of
from ranvier.ports import Clock
from ranvier.proto.errors import not_found
from ranvier.proto.mxc import Mxc, is_media_id, is_media_server
from ranvier.store import media as store
from ranvier.store import media_lists, url_previews
from ranvier.store.media import Medium

CHANGES: Final = 100
"""So many changes of quarantine are told at once."""
PICTURES_MS: Final = 3 * 86_400_000
"""So long pictures of previewed pages are kept that nobody asks for."""
_PORTION: Final = 500


class MediaAdministration:
    """Changes what is in the content repository."""

    def __init__(
        self, *, db: Database, files: FileStore, accesses: Accesses, clock: Clock, server_name: str, needs_token: bool
    ) -> None:
        self.db = db
        self.server_name = server_name
        self._files = files
        self._accesses = accesses
        self._clock = clock
        self._needs_token = needs_token

    async def get(self, name: Mxc) -> Medium:
        """Raises 404."""
        medium = await store.by_id(self.db, *name) if _is_valid(name) else None
        if medium is None:
            raise not_found("Unknown media")
        return medium

    async def quarantine(self, names: Sequence[Mxc], by: str) -> int:
        """Show these to nobody; how many were shown before. Media of other servers are noted before they are here."""
        valid = [name for name in dict.fromkeys(names) if _is_valid(name)]
        count = 0
        for start in range(0, len(valid), _PORTION):
            portion = valid[start : start + _PORTION]
            async with self.db.write() as tx:
                for name in portion:
                    if name.server_name != self.server_name and await store.by_id(tx, *name) is None:
                        await store.insert(tx, self._absent(name))
                count += len(await media_lists.quarantine(tx, portion, by))
        return count

    async def quarantine_user(self, user_id: str, by: str) -> int:
        """All that a user has uploaded."""
        names = await media_lists.names_of_user(self.db, self.server_name, user_id)
        return await self.quarantine([Mxc(*name) for name in names], by)

    async def release(self, name: Mxc) -> None:
        """Raises 404."""
        await self.get(name)
        async with self.db.write() as tx:
            await media_lists.release(tx, name)

    async def protect(self, media_id: str, *, protected: bool) -> None:
        """Keep one of ours from being quarantined, or not. Raises 404."""
        await self.get(Mxc(self.server_name, media_id))
        async with self.db.write() as tx:
            await media_lists.protect(tx, (self.server_name, media_id), protected=protected)

    async def delete(self, media: Sequence[Medium]) -> list[str]:
        """Forget them, then remove their files; their ids. What a crash leaves is a file that nobody knows."""
        for start in range(0, len(media), _PORTION):
            portion = media[start : start + _PORTION]
            async with self.db.write() as tx:
                await store.delete(tx, [(medium.server_name, medium.media_id) for medium in portion])
            for medium in portion:
                own = self.server_name
                await self._files.delete(content_of(medium, own), thumbnails_of(medium, own))
        return [medium.media_id for medium in media]

    async def delete_old_local(
        self, *, before_ts: int, larger_than: int, keeps_avatars: bool, spares_marked: bool = False
    ) -> list[str]:
        """Ours that nobody has asked for since then."""
        await self._accesses.flush()
        media = await media_lists.old_local(
            self.db, self.server_name, before_ts=before_ts, larger_than=larger_than, spares_marked=spares_marked
        )
        if keeps_avatars:
            uris = {Mxc(medium.server_name, medium.media_id).uri: medium for medium in media}
            used = await media_lists.avatars(self.db, list(uris)) if uris else set()
            media = [medium for uri, medium in uris.items() if uri not in used]
        return await self.delete(media)

    async def delete_old_remote(self, *, before_ts: int) -> int:
        """Copies that nobody has asked for since then; how many. Their servers can be asked for them again."""
        await self._accesses.flush()
        media = await media_lists.old_remote(self.db, self.server_name, before_ts=before_ts)
        return len(await self.delete(media))

    async def delete_old_previews(self) -> None:
        """Previews that are not fresh any more, and pictures in them that nobody has asked for in days."""
        now_ms = self._clock.now_ms()
        async with self.db.write() as tx:
            await url_previews.forget_old(tx, now_ms)
        await self.delete(await media_lists.old_pictures(self.db, before_ts=now_ms - PICTURES_MS))

    async def delete_expired_names(self) -> None:
        """Names whose content did not come in time."""
        names = await store.expired_names(self.db, self._clock.now_ms(), _PORTION)
        if names:
            async with self.db.write() as tx:
                await store.delete(tx, names)

    async def changes(self, after: int) -> list[tuple[int, str, str, bool]]:
        """What was quarantined and released after the change of this number: number, server, media id, which."""
        return await media_lists.quarantine_changes(self.db, after, CHANGES)

    def _absent(self, name: Mxc) -> Medium:
        """A medium of another server of which nothing is known but its name."""
        now_ms = self._clock.now_ms()
        return Medium(
            server_name=name.server_name,
            media_id=name.media_id,
            file_id=name.media_id,
            user_id=None,
            created_ts=now_ms,
            content_type="application/octet-stream",
            size_bytes=0,
            last_access_ts=now_ms,
            needs_token=self._needs_token,
        )


def _is_valid(name: Mxc) -> bool:
    return is_media_server(name.server_name) and is_media_id(name.media_id)
