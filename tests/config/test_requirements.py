"""`docs/requirements.md` names all requirements, and how many are due; the tests that the documents name exist."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
ROWS = re.findall(r"^\| SR-(\d+) \| (.+?) \| (.+?) \|$", (ROOT / "docs" / "requirements.md").read_text(), re.MULTILINE)


def test_all_are_there() -> None:
    assert [int(number) for number, _, _ in ROWS] == list(range(1, 105))


def test_what_holds_them_exists() -> None:
    missing = []
    for number, _, held in ROWS:
        for name in re.findall(r"`((?:tests|docs)/[^`]+|CONTRIBUTING.md)`", held):
            path, _, test = name.partition("::")
            file = ROOT / path
            if not file.exists() or (test and not re.search(rf"def {test}", file.read_text())):
                missing.append(f"SR-{number}: {name}")
        if not held.startswith("due:") and "`" not in held:
            missing.append(f"SR-{number}: nothing")
    assert missing == []


def test_what_is_due_is_counted() -> None:
    due = sum(held.startswith("due:") for _, _, held in ROWS)
    assert f"\n{due} of the 104 are due" in (ROOT / "docs" / "requirements.md").read_text()


def test_every_document_names_tests_that_exist() -> None:
    missing = []
    for document in sorted((ROOT / "docs").glob("*.md")):
        for name in re.findall(r"`(tests/[^`*\s]+)`", document.read_text()):
            path, _, test = name.partition("::")
            file = ROOT / path
            if not file.exists() or (test and not re.search(rf"def {test}", file.read_text())):
                missing.append(f"{document.name}: {name}")
    assert missing == []
