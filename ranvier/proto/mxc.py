"""`mxc://` URIs: the names of media. Spec: client-server API, "Matrix Content (mxc://) URIs"."""

import re
from typing import Final, NamedTuple

from ranvier.proto.ids import is_server_name

_SCHEME: Final = "mxc://"
_media_id = re.compile(r"[A-Za-z0-9_-]{1,255}").fullmatch


class Mxc(NamedTuple):
    """Whose medium, and which."""

    server_name: str
    media_id: str

    @property
    def uri(self) -> str:
        """As it stands in events."""
        return f"{_SCHEME}{self.server_name}/{self.media_id}"


def is_media_id(text: str) -> bool:
    """Whether this can be a media id: such that a path made of it goes nowhere else."""
    return _media_id(text) is not None


def is_media_server(text: str) -> bool:
    """Whether this is a server name that is the name of a folder, too: neither `..` nor hidden."""
    return is_server_name(text) and not text.startswith(".") and ".." not in text


def parse_mxc(uri: str) -> Mxc | None:
    """`None` for what is no `mxc://` URI."""
    if not uri.startswith(_SCHEME):
        return None
    server_name, slash, media_id = uri.removeprefix(_SCHEME).partition("/")
    if not slash or not is_media_server(server_name) or not is_media_id(media_id):
        return None
    return Mxc(server_name, media_id)
