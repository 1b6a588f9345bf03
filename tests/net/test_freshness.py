"""How long answers are fresh."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ranvier.net.freshness import lifetime_s

_NOW_MS = 1_700_000_000_000  # Tue, 14 Nov 2023 22:13:20 GMT


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"cache-control": "public"}, None),
        ({"cache-control": "max-age=600"}, 600),
        ({"cache-control": 'Public, MAX-AGE = "600"'}, 600),
        ({"cache-control": "max-age=600", "age": "500"}, 100),
        ({"cache-control": "max-age=600", "age": "700"}, 0),
        ({"cache-control": "max-age=600", "expires": "Wed, 15 Nov 2023 22:13:20 GMT"}, 600),
        ({"cache-control": "max-age=soon"}, 0),
        ({"cache-control": "max-age=-5"}, 0),
        ({"cache-control": "no-cache, max-age=600"}, 0),
        ({"cache-control": "no-store"}, 0),
        ({"expires": "Tue, 14 Nov 2023 23:13:20 GMT"}, 3600),
        ({"expires": "Tue, 14 Nov 2023 23:13:20 GMT", "date": "Tue, 14 Nov 2023 23:03:20 GMT"}, 600),
        ({"expires": "Tue, 14 Nov 2023 20:00:00 GMT"}, 0),
        ({"expires": "0"}, 0),
        ({"expires": "Tue, 14 Nov 2023 23:13:20 GMT", "date": "yesterday"}, 3600),
    ],
)
def test_lifetimes(headers: dict[str, str], seconds: float | None) -> None:
    assert lifetime_s(headers, now_ms=_NOW_MS) == seconds


@given(
    st.dictionaries(
        st.sampled_from(["cache-control", "expires", "date", "age"]),
        st.text(alphabet=st.characters(max_codepoint=255), max_size=40),
    )
)
def test_rubbish_never_hurts(headers: dict[str, str]) -> None:
    seconds = lifetime_s(headers, now_ms=_NOW_MS)
    assert seconds is None or seconds >= 0
