"""Names of any script are found by what people type."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ranvier.proto.name_search import after_all, driver, finds, searched, terms, tokens, wanted


def found(query: str, name: str) -> bool:
    text = searched(name)
    asked = wanted(query)
    assert asked, query
    is_found = finds(asked, text)
    # Whatever is found is found by its driver.
    first = driver(asked[0])
    assert not is_found or any(first <= token < after_all(first) for token in tokens(text))
    return is_found


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("zoe", "Zoë Ober"), ("ZOË", "zoe"), ("ober zo", "Zoë Ober"), ("strasse", "Straße"), ("STRASSE", "Straße"),
        ("istanbul", "İstanbul"), ("sorensen", "Sørensen"), ("lodz", "Łódź"), ("ｆｕｌｌ", "full width"),
        ("фёдор", "Федор"), ("федор", "ФЁДОР"), ("αθηνα", "Αθήνα"), ("nguyen", "Nguyễn"), ("한글", "한글이름"), ("한", "한글"),
        ("山", "山田太郎"), ("田太", "山田太郎"), ("山田太郎", "山田太郎"), ("郎", "山田太郎"), ("ガンダム", "ｶﾞﾝﾀﾞﾑ"),
        ("さくら", "さくら🌸"), ("🌸", "さくら🌸"), ("สมชาย", "คุณสมชาย ใจดี"), ("ใจ", "คุณสมชาย ใจดี"), ("🦊", "fox 🦊🦝"),
        ("🦝", "fox 🦊🦝"), ("❤", "I ❤️ you"), ("👍", "👍🏽"), ("iphone", "iPhone用"), ("用", "iPhone用"),
        ("obrien", "O'Brien"), ("o’brien", "O'Brien"), ("alice", "alice_smith"), ("smith", "alice.smith-jones"),
        ("bob42", "Bob42"), ("שלום", "שָׁלוֹם"), ("محمد", "مُحَمَّد"), ("हिन्दी", "हिन्दी"), ("ﬁ", "file"), ("ⅸ", "IX"),
        ("北京 li", "Li 北京大学"),
    ],
)  # fmt: skip
def test_what_is_found(query: str, name: str) -> None:
    assert found(query, name)


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("ober", "Zoëober"), ("zoe x", "Zoë Ober"), ("太山", "山田太郎"), ("か", "がくせい"), ("🐻", "fox 🦊"),
        ("田郎", "山田太郎"), ("alicee", "alice"),
    ],
)  # fmt: skip
def test_what_is_not(query: str, name: str) -> None:
    assert not found(query, name)


@pytest.mark.parametrize("text", ["", " ", "...", "'", "\ufe0f\u200d", "\0", "\u0301"])
def test_what_nobody_can_look_for(text: str) -> None:
    assert wanted(text) == []


@given(st.text(max_size=40))
def test_a_name_is_found_by_itself(name: str) -> None:
    if wanted(name) and len(terms(name)) <= 16:
        assert found(name, name)


@given(st.text(max_size=40), st.integers(0, 3))
def test_folding_again_changes_nothing(name: str, number: int) -> None:
    once = searched(name)
    assert searched(once) == once or searched(searched(once)) == searched(once)


@given(st.text(min_size=1, max_size=10), st.text(max_size=10))
def test_the_end_of_a_range(prefix: str, rest: str) -> None:
    first = prefix.encode("utf-8", "replace")
    assert first + rest.encode("utf-8", "replace") < after_all(first)
