"""The lists of an answer, cut while it comes in: the same events however it is cut into pieces."""

import json
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ranvier.federation.split_events import MAX_ELEMENT_BYTES, PIECE_BYTES, EventSplitter, NotEvents

_text = st.text() | st.sampled_from(["},{", '"},{"', "\\", "]", '\\"', "}],"])
_values = st.recursive(
    st.none() | st.booleans() | st.integers() | _text,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_text, inner, max_size=4),
    max_leaves=12,
)
_events = st.lists(st.dictionaries(_text, _values, max_size=4), max_size=8)


def _split(pieces: Iterable[bytes]) -> dict[str, list[Any]]:
    splitter = EventSplitter("pdus", "auth_chain")
    found: dict[str, list[Any]] = {"pdus": [], "auth_chain": []}
    for piece in pieces:
        for cut in splitter.feed(piece):
            found[cut.name] += map(json.loads, cut.elements)
    for cut in splitter.finish():
        found[cut.name] += map(json.loads, cut.elements)
    return found


def _pieces(body: bytes, size: int) -> list[bytes]:
    return [body[start : start + size] for start in range(0, len(body), size)]


@settings(max_examples=60)
@given(_events, _events, st.dictionaries(_text, _values, max_size=2), st.booleans(), st.sampled_from([None, 1]))
def test_it_is_what_a_decoder_finds(
    pdus: list[Any], chain: list[Any], others: dict[str, Any], turned: bool, indent: int | None
) -> None:
    lists = {"auth_chain": chain, "pdus": pdus} if turned else {"pdus": pdus, "auth_chain": chain}
    body = json.dumps({**others, **lists}, indent=indent, separators=(",", ":")).encode()
    assert _split([body]) == {"pdus": pdus, "auth_chain": chain}


@pytest.mark.parametrize("size", [997, 40_000, PIECE_BYTES])
def test_large_answers_in_pieces(size: int) -> None:
    events = [{"n": n, "content": {"body": "},{" * (n % 70), "list": [{}, {"x": [1, {}, {}]}]}} for n in range(3000)]
    body = json.dumps({"x": [1, "]"], "auth_chain": events[:1000], "pdus": events}, separators=(",", ":")).encode()
    assert len(body) > 2 * PIECE_BYTES
    assert _split(_pieces(body, size)) == {"pdus": events, "auth_chain": events[:1000]}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"nonsense",
        b'{"pdus":[{}]',
        b'{"pdus":[{}}',
        b'{"pdus":[{},1]}',
        b'{"pdus":[{},[]]}',
        b'{"pdus":[1,{},{}]}',
        b'{"pdus":["x",{},{}]}',
        b'{"pdus":[{}{}]}',
        b'{"pdus":[,{}]}',
        b'{"pdus":[{},]}',
        b'{"pdus":{}}',
        b'{"pdus":[],"pdus":[]}',
        b'{"pdus":[]}{}',
        b'{"pdus" []}',
        b'{"pdus":["',
        b'{"x":{"pdus":[]}',
    ],
)
def test_nonsense_is_refused(body: bytes) -> None:
    with pytest.raises(NotEvents):
        _split([body])


@pytest.mark.parametrize("beginning", [b'{"pdus":[{"x":"', b'{"x":"', b'{"pdus":[{"x":[', b'{"', b'{"pdus":[{}, '])
def test_what_never_ends_is_not_kept(beginning: bytes) -> None:
    splitter = EventSplitter("pdus", "auth_chain")
    fed = 0
    with pytest.raises(NotEvents):
        for piece in [beginning, *[b"[" * PIECE_BYTES] * 40]:
            fed += len(piece)
            splitter.feed(piece)
    assert fed < 4 * MAX_ELEMENT_BYTES


def test_lists_that_are_not_there_are_not_seen() -> None:
    splitter = EventSplitter("pdus", "auth_chain")
    splitter.feed(b'{"pdus":[]}')
    splitter.finish()
    assert splitter.seen == {"pdus"}
