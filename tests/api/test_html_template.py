"""The little template language of the operator's pages."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ranvier.api.client.html_template import render


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("plain", "plain"),
        ("{{ name }}!", "&lt;b&gt;!"),
        ("{{name|e}} {{ unknown }}", "&lt;b&gt; "),
        ("{% if yes %}a{% else %}b{% endif %}", "a"),
        ("{% if no %}a{% else %}b{% endif %}", "b"),
        ("{% if not no %}a{% endif %}c", "ac"),
        ("{%- if unknown -%}a{%- endif -%}c", "c"),
        ("{% if yes %}{% if no %}a{% else %}b{% endif %}{% else %}{% if yes %}c{% endif %}{% endif %}", "b"),
        ("{% if no %}{{ name }}{% if yes %}x{% endif %}{% endif %}y", "y"),
        ("{# a remark #}x{% include 'y' %}", "x"),
        ("{% else %}a{% endif %}b", "ab"),
        ("{{ yes", "{{ yes"),
    ],
)
def test_rendering(template: str, expected: str) -> None:
    assert render(template, {"name": "<b>", "yes": True, "no": False}) == expected


@given(st.text(alphabet="{}%# ifelsendtx<", max_size=80), st.text(max_size=10))
def test_nothing_breaks_it_and_nothing_breaks_out(template: str, value: str) -> None:
    shown = render(template, {"x": value})
    assert shown.count("<") <= template.count("<")
