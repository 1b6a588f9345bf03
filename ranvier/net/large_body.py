"""Request bodies too large to be written at once without making everybody else wait."""

from typing import Final

from aiohttp.abc import AbstractStreamWriter
from aiohttp.payload import Payload

_PIECE_BYTES: Final = 1 << 16


class LargeBody(Payload):
    """Bytes, written piece by piece as the connection takes them."""

    def __init__(self, body: bytes) -> None:
        super().__init__(body, content_type="application/json")
        self._body = body
        self._size = len(body)

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        return self._body.decode(encoding, errors)

    async def write(self, writer: AbstractStreamWriter) -> None:
        await self.write_with_length(writer, None)

    async def write_with_length(self, writer: AbstractStreamWriter, content_length: int | None) -> None:
        view = memoryview(self._body)[:content_length]
        for start in range(0, len(view), _PIECE_BYTES):
            await writer.write(bytes(view[start : start + _PIECE_BYTES]))
