"""What may be an avatar: not too large, and of the right kind. Configuration: `max_avatar_size`, `allowed_avatar_mimetypes`."""

from ranvier.config.media_sections import MediaConfig
from ranvier.media.library import Library, Wish
from ranvier.proto.content_disposition import essence
from ranvier.proto.errors import MatrixError, forbidden
from ranvier.proto.mxc import parse_mxc


class AvatarLimits:
    """Implements `ranvier.users.profiles.Avatars`. A medium of another server is fetched to be looked at."""

    def __init__(self, *, config: MediaConfig, library: Library) -> None:
        self._max_bytes = config.max_avatar_bytes
        self._types = config.avatar_types
        self._library = library

    async def check(self, uri: str) -> None:
        """Raises 403 `M_FORBIDDEN`, also for what is not there."""
        if self._max_bytes is None and self._types is None:
            return
        name = parse_mxc(uri)
        try:
            medium = None if name is None else await self._library.find(Wish(name=name, has_token=True, wait_ms=0))
        except MatrixError as error:
            raise forbidden("The avatar is no medium that could be looked at") from error
        if medium is None:
            raise forbidden("The avatar is no medium")
        if self._max_bytes is not None and (medium.size_bytes or 0) > self._max_bytes:
            raise forbidden(f"The avatar is larger than {self._max_bytes} bytes")
        if self._types is not None and essence(medium.content_type) not in self._types:
            raise forbidden("The avatar is of a type that is not allowed")
