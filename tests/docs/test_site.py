"""The site of the documentation is built, as `make docs` does it, without a warning, and holds what it should."""

import re
import shutil
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote

import pytest

from ranvier.config.schema import OPTIONS

ROOT = Path(__file__).parents[2]
MAKE = shutil.which("make") or "make"
_FETCHED = re.compile(r"""<(?:script|link|img|iframe)\b[^>]*?(?:src|href)=["']?(?:https?:)?//""")
_LINK = re.compile(r'href="([^":#?]+)(?:#[^"]*)?"')


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its folder."""
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--quiet", "--strict", "--site-dir", str(folder)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return folder


def test_every_document_is_a_page_in_the_table_of_contents(site: Path) -> None:
    contents = (site / "index.html").read_text()
    for document in (ROOT / "docs").glob("*.md"):
        assert f'href="{document.stem}.html"' in contents, document.name


def test_every_option_is_in_the_reference(site: Path) -> None:
    page = (site / "options.html").read_text()
    missing = [option.path for option in OPTIONS if f"<code>{option.path}</code>" not in page]
    assert missing == []
    assert "https://&lt;server_name&gt;/" in page


def test_every_link_leads_somewhere(site: Path) -> None:
    broken = [
        f"{page.name}: {link}"
        for page in site.glob("*.html")
        for link in _LINK.findall(page.read_text())
        if page.name != "404.html" and not (page.parent / unquote(link)).exists()
    ]
    assert broken == []


def test_nothing_is_fetched_from_elsewhere(site: Path) -> None:
    assert [page.name for page in site.rglob("*.html") if _FETCHED.search(page.read_text())] == []


def test_make_builds_it_the_same_way() -> None:
    done = subprocess.run([MAKE, "-n", "docs"], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60)
    assert "-m mkdocs build --quiet --strict" in done.stdout
    assert "\nbuild/\n" in (ROOT / ".gitignore").read_text()
    assert "site_dir: build/docs" in (ROOT / "mkdocs.yml").read_text()


def test_the_picture_is_small() -> None:
    assert 10_000 < (ROOT / "docs" / "site.png").stat().st_size < 150_000
