"""Templates: where they are looked for, what is escaped, what they can do."""

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ranvier.templates import TemplateFault, TemplateMissing, Templates
from ranvier.templates.filters import localpart_from_email


def templates(custom: Path | None = None, *own: Path) -> Templates:
    return Templates(
        public_baseurl="https://matrix.example.org/",
        custom=None if custom is None else str(custom),
        own=[str(folder) for folder in own],
    )


def test_the_nearest_folder_counts(tmp_path: Path) -> None:
    own, custom = tmp_path / "own", tmp_path / "custom"
    for folder in (own, custom):
        folder.mkdir()
        (folder / "both.html").write_text(folder.name)
    (custom / "one.html").write_text("{% include 'both.html' %} of {{ who }}")
    found = templates(custom).beside(str(own))
    assert found.render("both.html", {}) == "own"
    assert found.render("one.html", {"who": "<b>"}) == "own of &lt;b&gt;"
    assert templates(custom).render("both.html", {}) == "custom"
    (own / "both.html").write_text("changed at another length")
    assert found.render("both.html", {}) == "changed at another length"
    with pytest.raises(TemplateMissing):
        found.render("none.html", {})


def test_only_html_is_escaped(tmp_path: Path) -> None:
    for name in ("mail.html", "mail.txt"):
        (tmp_path / name).write_text("{{ who }} {{ nobody }}{% if nobody %}?{% endif %}")
    assert templates(tmp_path).render("mail.html", {"who": "<&>"}) == "&lt;&amp;&gt; "
    assert templates(tmp_path).render("mail.txt", {"who": "<&>"}) == "<&> "
    assert templates().render_text("{{ user.name|localpart_from_email }}", {"user": {"name": "a&b@c.d"}}) == "a&b"


def test_faults_say_where(tmp_path: Path) -> None:
    for name, text, said in (
        ("open.html", "{% if x %}", "open.html: "),
        ("other.html", "{% include 'gone.html' %}", "gone.html"),
        ("wrong.html", "{{ 1 // 0 }}", "ZeroDivisionError"),
    ):
        (tmp_path / name).write_text(text)
        with pytest.raises(TemplateFault, match=said):
            templates(tmp_path).render(name, {})
    for text in ("{% if %}", "{{ x.y.z }}", "{{ 1 // 0 }}"):
        with pytest.raises(TemplateFault):
            templates().render_text(text, {})


def test_nobody_gets_out_of_the_folders(tmp_path: Path) -> None:
    (tmp_path / "secret.html").write_text("secret")
    inside = tmp_path / "inside"
    inside.mkdir()
    for name in ("../secret.html", str(tmp_path / "secret.html"), "x/../../secret.html"):
        with pytest.raises(TemplateMissing):
            templates(inside).render(name, {})


def test_filters() -> None:
    text = "{{ ts|format_ts('%Y') }} {{ avatar|mxc_to_http(32, 40) }} {{ avatar|mxc_to_http(1, 2, 'scale') }}"
    assert templates().render_text(text, {"ts": 1_700_000_000_000, "avatar": "mxc://a.b:8/c#d"}) == (
        "2023 https://matrix.example.org/_matrix/media/v3/thumbnail/a.b:8/c?width=32&height=40&method=crop#d"
        " https://matrix.example.org/_matrix/media/v3/thumbnail/a.b:8/c?width=1&height=2&method=scale#d"
    )
    assert templates().render_text("{{ avatar|mxc_to_http(1, 2) }}", {"avatar": None}) == ""


@given(st.text())
def test_a_localpart_is_what_stands_before_the_domain(name: str) -> None:
    assert localpart_from_email(f"{name}@example.org") == name


def test_nothing_is_loaded_before_it_is_wanted() -> None:
    code = (
        "import sys, ranvier.templates as t; t.Templates(public_baseurl='https://x/'); print('jinja2' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
