"""Decoding what another server answers, which may be a room's whole state, without stopping the event loop for it."""

import asyncio
from collections.abc import Collection, Sequence
from typing import Any, Final

import msgspec

from ranvier.proto.canonical_json import NotCanonical, decode_lenient

LARGE_BYTES: Final = 1 << 20
SLICE_BYTES: Final = 256 << 10
"""So much is decoded in one go: some three milliseconds."""

_object: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_array: Final = msgspec.json.Decoder(list[msgspec.Raw])


async def decode_answer(body: bytes, *, encoded: Collection[str] = ()) -> Any:
    """The JSON value, as `decode_lenient` has it. Raises `NotCanonical`.

    Of a large object the long lists are decoded in slices: what is long in an answer are lists of events. Those of the
    keys in `encoded` are lists of the JSON of their entries instead, which has not been looked at.
    """
    if len(body) <= LARGE_BYTES or body.lstrip()[:1] != b"{":
        return decode_lenient(body)
    try:
        parts = _object.decode(body)
        return {key: await _value(part, is_encoded=key in encoded) for key, part in parts.items()}
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise NotCanonical(str(error) or "Not valid JSON") from None


async def _value(part: msgspec.Raw, *, is_encoded: bool) -> Any:
    view = memoryview(part)
    if is_encoded and bytes(view[:1]) == b"[":
        await asyncio.sleep(0)
        return [bytes(item) for item in _array.decode(part)]
    if len(view) <= SLICE_BYTES or bytes(view[:1]) != b"[":
        return decode_lenient(bytes(view))
    await asyncio.sleep(0)
    return await _items(_array.decode(part))


async def _items(items: Sequence[msgspec.Raw]) -> list[Any]:
    found: list[Any] = []
    size_bytes = 0
    for item in items:
        content = bytes(item)
        found.append(decode_lenient(content))
        size_bytes += len(content)
        if size_bytes >= SLICE_BYTES:
            size_bytes = 0
            await asyncio.sleep(0)
    return found
