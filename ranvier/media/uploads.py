"""What users upload: at once, or to a name that was given out before. Spec: client-server API, "Content repository".

Configuration: `max_upload_size`, `media_upload_limits`, `max_pending_media_uploads`, `unused_expiration_time`.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from string import ascii_letters
from typing import Final

from ranvier.config.media_sections import MediaConfig
from ranvier.db.engine import Database
from ranvier.media.arrivals import Arrivals
from ranvier.media.file_store import FileStore
from ranvier.media.places import content_of
from ranvier.ports import Clock, Random
from ranvier.proto.content_disposition import MAX_FILE_NAME_LENGTH
from ranvier.proto.errors import MatrixError, forbidden, invalid_param, limit_exceeded, not_found
from ranvier.proto.mxc import Mxc
from ranvier.store import media as store
from ranvier.users.requester import Requester
from ranvier.users.suspension import check_active

OCTETS: Final = "application/octet-stream"
_ID_LENGTH: Final = 24
_MAX_TYPE_LENGTH: Final = 255
_RETRY_MS: Final = 60_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """What comes in, and what its sender says about it."""

    chunks: AsyncIterator[bytes]
    announced_bytes: int | None
    content_type: str
    file_name: str | None


class Uploads:
    """Takes them."""

    def __init__(
        self,
        *,
        db: Database,
        files: FileStore,
        arrivals: Arrivals,
        clock: Clock,
        random: Random,
        config: MediaConfig,
        server_name: str,
    ) -> None:
        self._db = db
        self._files = files
        self._arrivals = arrivals
        self._clock = clock
        self._random = random
        self._config = config
        self._server_name = server_name
        self._filling: set[str] = set()

    async def create(self, requester: Requester) -> tuple[Mxc, int]:
        """A name for what is uploaded later, and until when. One statement, one transaction.

        Raises 403 `M_USER_SUSPENDED`, 429 `M_LIMIT_EXCEEDED` if the user has too many such names.
        """
        check_active(requester)
        now_ms = self._clock.now_ms()
        if await store.count_pending(self._db, requester.user_id, now_ms) >= self._config.max_pending_uploads:
            raise limit_exceeded(_RETRY_MS)
        expires_ts = now_ms + self._config.unused_expiration_ms
        medium = self._medium(requester, OCTETS, None, None, expires_ts)
        async with self._db.write() as tx:
            await store.insert(tx, medium)
        return Mxc(self._server_name, medium.media_id), expires_ts

    async def upload(self, requester: Requester, upload: Upload) -> Mxc:
        """Keep what comes in. Raises 403 `M_FORBIDDEN` or `M_USER_SUSPENDED`, 413 `M_TOO_LARGE`, 400."""
        await self._check(requester, upload)
        received = await self._files.receive(upload.chunks)
        try:
            await self._check_limits(requester, received.size_bytes)
            medium = self._medium(requester, _type_of(upload), upload.file_name, received.size_bytes, None)
            await self._files.keep(received, content_of(medium, self._server_name), is_local=True)
        except BaseException:
            await self._files.discard(received)
            raise
        async with self._db.write() as tx:
            await store.insert(tx, medium)
        return Mxc(self._server_name, medium.media_id)

    async def fill(self, requester: Requester, name: Mxc, upload: Upload) -> None:
        """Keep what comes in under a name that was given out before.

        Raises as `upload`, and 404 `M_NOT_FOUND`, 409 `M_CANNOT_OVERWRITE_MEDIA`.
        """
        await self._check(requester, upload)
        medium = await self._empty(requester, name)
        if name.media_id in self._filling:
            raise _overwriting()
        self._filling.add(name.media_id)
        try:
            received = await self._files.receive(upload.chunks)
            try:
                await self._check_limits(requester, received.size_bytes)
                # Another process may have been faster, or the time over.
                await self._empty(requester, name)
                await self._files.keep(received, content_of(medium, self._server_name), is_local=True)
            except BaseException:
                await self._files.discard(received)
                raise
            async with self._db.write() as tx:
                await store.fill(
                    tx,
                    *name,
                    content_type=_type_of(upload),
                    upload_name=upload.file_name,
                    size_bytes=received.size_bytes,
                    now_ms=self._clock.now_ms(),
                )
        finally:
            self._filling.discard(name.media_id)
        self._arrivals.arrived(name.media_id)

    async def _empty(self, requester: Requester, name: Mxc) -> store.Medium:
        """The medium of this name, which has no content yet and belongs to the requester."""
        medium = await store.by_id(self._db, *name) if name.server_name == self._server_name else None
        if medium is None:
            raise not_found("Unknown media ID")
        if medium.user_id != requester.user_id:
            raise forbidden("Only who has created this media ID can upload to it")
        if medium.size_bytes is not None:
            raise _overwriting()
        if medium.expires_ts is not None and medium.expires_ts <= self._clock.now_ms():
            raise not_found("The media ID has expired")
        return medium

    async def _check(self, requester: Requester, upload: Upload) -> None:
        """What can be said before anything has come in."""
        check_active(requester)
        if upload.file_name is not None and len(upload.file_name) > MAX_FILE_NAME_LENGTH:
            raise invalid_param(f"filename is longer than {MAX_FILE_NAME_LENGTH} characters")
        if upload.announced_bytes is not None:
            if upload.announced_bytes > self._config.max_upload_bytes:
                raise MatrixError(413, "M_TOO_LARGE", "The upload is too large")
            await self._check_limits(requester, upload.announced_bytes)

    async def _check_limits(self, requester: Requester, size_bytes: int) -> None:
        """One statement for each of `media_upload_limits`."""
        for limit in self._config.upload_limits:
            since_ts = self._clock.now_ms() - limit.time_period_ms
            if await store.uploaded_bytes(self._db, requester.user_id, since_ts) + size_bytes > limit.max_bytes:
                raise forbidden("You have uploaded as much as is allowed for now")

    def _medium(
        self,
        requester: Requester,
        content_type: str,
        file_name: str | None,
        size_bytes: int | None,
        expires_ts: int | None,
    ) -> store.Medium:
        media_id, now_ms = new_media_id(self._random), self._clock.now_ms()
        return store.Medium(
            server_name=self._server_name,
            media_id=media_id,
            file_id=media_id,
            user_id=requester.user_id,
            created_ts=now_ms,
            expires_ts=expires_ts,
            content_type=content_type,
            upload_name=file_name,
            size_bytes=size_bytes,
            last_access_ts=now_ms,
            needs_token=self._config.enable_authenticated_media,
        )


def new_media_id(random: Random) -> str:
    """24 letters that nobody can guess."""
    letters = ""
    while len(letters) < _ID_LENGTH:
        # The numbers above a multiple of 52 would make some letters more likely.
        letters += "".join(ascii_letters[byte % 52] for byte in random.token_bytes(32) if byte < 208)
    return letters[:_ID_LENGTH]


def clean_type(content_type: str) -> str:
    """A type as it can stand in a header and in the database; bytes of any kind, if it is none."""
    text = content_type.strip()
    return text if text and text.isascii() and text.isprintable() and len(text) <= _MAX_TYPE_LENGTH else OCTETS


def _type_of(upload: Upload) -> str:
    return clean_type(upload.content_type)


def _overwriting() -> MatrixError:
    return MatrixError(409, "M_CANNOT_OVERWRITE_MEDIA", "Media already uploaded")
