"""What the lock says, as pip is told it; and what we promise about the lock itself."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from tools.locked_requirements import requirements

_ROOT = Path(__file__).parents[2]
_MOST_AT_RUN_TIME = 25


def _lock() -> dict[str, Any]:
    return tomllib.loads((_ROOT / "poetry.lock").read_text())


def _package(name: str, **facts: Any) -> dict[str, Any]:
    files = [{"file": f"{name}.whl", "hash": "sha256:aa"}, {"file": f"{name}.tar.gz", "hash": "sha256:bb"}]
    return {"name": name, "version": "1.0", "groups": ["main"], "files": files, **facts}


def _names(*packages: dict[str, Any], groups: str = "main", extras: str = "") -> list[str]:
    """The lines without their hashes."""
    lock = {"package": packages, "extras": {"fast": ["quick"], "big": ["large"]}}
    lines = requirements(lock, groups=set(groups.split()), extras=set(extras.split()))
    return [line.split(" \\\n")[0] for line in lines]


def test_a_package_is_pinned_with_every_hash() -> None:
    (line,) = requirements({"package": [_package("one")]}, groups={"main"}, extras=set())
    assert line == "one==1.0 \\\n    --hash=sha256:aa \\\n    --hash=sha256:bb"


def test_only_the_groups_asked_for() -> None:
    packages = _package("one"), _package("two", groups=["dev"]), _package("three", groups=["main", "dev"])
    assert _names(*packages) == ["one==1.0", "three==1.0"]
    assert _names(*packages, groups="dev") == ["two==1.0", "three==1.0"]


def test_a_marker_is_kept() -> None:
    assert _names(_package("one", markers='sys_platform == "win32"')) == ['one==1.0 ; sys_platform == "win32"']


def test_an_extra_is_installed_when_asked_for() -> None:
    quick = _package("quick", markers='extra == "fast"')
    assert _names(quick) == []
    assert _names(quick, extras="big") == []
    assert _names(quick, extras="fast") == ["quick==1.0"]


def test_a_package_that_several_extras_bring() -> None:
    both = _package("both", markers='extra == "fast" or extra == "big" or python_version < "3.13"')
    assert _names(both) == ['both==1.0 ; python_version < "3.13"']
    assert _names(both, extras="fast") == _names(both, extras="fast big") == ["both==1.0"]
    assert _names(_package("both", markers='extra == "fast" or extra == "big"')) == []


def test_one_group_without_a_marker_needs_it_always() -> None:
    package = _package("quick", groups=["main", "dev"], markers={"main": 'extra == "fast"'})
    assert _names(package) == []
    assert _names(package, groups="main dev") == ["quick==1.0"]


def test_groups_with_different_markers_need_it_in_either_case() -> None:
    package = _package("one", groups=["main", "dev"], markers={"main": 'a == "1"', "dev": 'b == "2"'})
    assert _names(package, groups="main dev") == ['one==1.0 ; (a == "1") or (b == "2")']


def test_an_unknown_extra_is_refused() -> None:
    with pytest.raises(ValueError, match="slow"):
        _names(extras="slow")


def test_a_package_from_elsewhere_is_refused() -> None:
    with pytest.raises(ValueError, match="PyPI"):
        _names(_package("one", source={"type": "git"}))


def test_a_server_installs_few_packages() -> None:
    installed = list(requirements(_lock(), groups={"main"}, extras=set()))
    assert len(installed) <= _MOST_AT_RUN_TIME, installed


def test_the_locks_name_no_registry() -> None:
    npm = (_ROOT / "tests" / "clients" / "js" / "package-lock.json").read_text()
    assert '"resolved"' not in npm
    assert not any("source" in package for package in _lock()["package"])
    # What a package says of itself may have its project's address.
    lines = (_ROOT / "poetry.lock").read_text().splitlines()
    assert not [line for line in lines if "://" in line and not line.startswith("description = ")]


def test_the_command_prints_what_pip_reads() -> None:
    command = [sys.executable, "tools/locked_requirements.py", "--extra", "postgres"]
    printed = subprocess.run(command, cwd=_ROOT, check=True, capture_output=True, text=True).stdout
    assert re.search(r"^asyncpg==\S+ \\\n    --hash=sha256:[0-9a-f]{64}", printed, re.MULTILINE)
