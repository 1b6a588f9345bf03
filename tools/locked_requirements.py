"""Print poetry.lock as a requirements file with hashes, so that pip alone can install what the lock says.

Needs nothing but Python 3.11: it runs before anything is installed, which is also why `make run` needs no Poetry.
"""

import argparse
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_EXTRA = re.compile(r"""extra\s*==\s*["']([^"']+)["']""")
_TRUE, _FALSE = 'python_version > "0"', 'python_version < "0"'


def requirements(lock: dict[str, Any], *, groups: set[str], extras: set[str]) -> Iterator[str]:
    """One requirement, pinned and hashed, for each package of these groups and extras.

    Raises `ValueError` for an extra that the lock does not know, or a package that does not come from PyPI.
    """
    unknown = extras - set(lock.get("extras", {}))
    if unknown:
        raise ValueError(f"no such extra in the lock: {', '.join(sorted(unknown))}")
    for package in lock["package"]:
        wanted = groups.intersection(package["groups"])
        if not wanted:
            continue
        if "source" in package:
            raise ValueError(f"{package['name']} is locked to a source other than PyPI")
        marker = _marker(package.get("markers"), wanted, extras)
        if marker == _FALSE:
            continue
        hashes = "".join(f" \\\n    --hash={file['hash']}" for file in package["files"])
        condition = f" ; {marker}" if marker else ""
        yield f"{package['name']}=={package['version']}{condition}{hashes}"


def _marker(locked: str | dict[str, str] | None, groups: set[str], extras: set[str]) -> str:
    """When to install, as pip understands it; empty: always.

    A lock gives one marker for all groups, or one for each group that has one. pip knows nothing of extras here.
    """
    if locked is None:
        return ""
    if isinstance(locked, str):
        locked = dict.fromkeys(groups, locked)
    if not groups <= locked.keys():
        return ""
    alternatives = {
        _plain(_EXTRA.sub(lambda match: _TRUE if match.group(1) in extras else _FALSE, locked[group]))
        for group in groups
    }
    if _TRUE in alternatives:
        return ""
    return " or ".join(f"({each})" for each in sorted(alternatives)) if len(alternatives) > 1 else alternatives.pop()


def _plain(marker: str) -> str:
    """Without the alternatives that never hold: several extras may bring the same package."""
    if "(" in marker:
        return marker
    alternatives = [each for each in marker.split(" or ") if _FALSE not in each.split(" and ")]
    if _TRUE in alternatives:
        return _TRUE
    return " or ".join(dict.fromkeys(alternatives)) or _FALSE


def main() -> int:
    """Read the command line; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lock", type=Path, default=Path("poetry.lock"))
    parser.add_argument("--group", action="append", default=["main"], help="besides main; may be repeated")
    parser.add_argument("--extra", action="append", default=[], help="may be repeated")
    arguments = parser.parse_args()
    lock = tomllib.loads(arguments.lock.read_text())
    try:
        lines = list(requirements(lock, groups=set(arguments.group), extras=set(arguments.extra)))
    except ValueError as error:
        sys.stderr.write(f"{arguments.lock}: {error}\n")
        return 1
    sys.stdout.write("\n".join(lines) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
