"""The OpenAPI document says what the spec's own one says, and `docs/conformance.md` names each difference.

The fields of the spec (v1.19) are in `tests/facts/openapi_fields.tsv`: method, path, operation, query or body or answer,
and the fields, those that are required with an exclamation mark. Rows of the document are written by hand, for the reason.
"""

import re
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

from ranvier.http.openapi import document
from tests.api.homeserver import Homeserver
from tests.api.openapi_fields import Fields, Key, differences, fields_of

ROOT = Path(__file__).parents[2]
DOCUMENT = ROOT / "docs" / "conformance.md"
FACTS = ROOT / "tests" / "facts" / "openapi_fields.tsv"
BEGIN, END = "<!-- openapi: begin -->", "<!-- openapi: end -->"

Differences = Mapping[tuple[str, str], set[str]]
"""By operation and place."""


def spec_fields() -> dict[Key, tuple[str, Fields]]:
    found: dict[Key, tuple[str, Fields]] = {}
    for line in FACTS.read_text().splitlines():
        method, path, operation, where, names = line.split("\t")
        fields = {name.removesuffix("!"): name.endswith("!") for name in names.split()}
        found[method, path, where] = (operation, fields)
    return found


def named() -> Differences:
    """The differences that the document names: `| operation | place | fields | reason |`."""
    _, _, rest = DOCUMENT.read_text().partition(BEGIN)
    found: Differences = defaultdict(set)
    for line in rest.partition(END)[0].splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) == 4 and cells[0].startswith("`"):
            assert cells[3], f"why? {line}"
            for operation in re.findall(r"`([^`]+)`", cells[0]):
                found[operation, cells[1]] |= set(re.findall(r"`([^`]+)`", cells[2]))
    return found


async def test_each_difference_from_the_spec_is_named(homeserver: Homeserver) -> None:
    ours = fields_of(document(homeserver.server.routes))
    found: Differences = defaultdict(set)
    compared = 0
    for key, (operation, fields) in spec_fields().items():
        if key in ours:
            compared += 1
            different = differences(fields, ours[key], is_answer=key[2] == "answer")
            if different:
                found[operation, key[2]] |= different
    assert compared > 300
    assert found == named()


async def test_every_client_route_says_what_it_answers(homeserver: Homeserver) -> None:
    routes = homeserver.server.routes
    silent = {route.path for route in routes if route.answer is None and route.path.startswith("/_matrix/client/")}
    # These refuse whatever is asked, or show a page, or a file.
    excused = re.compile(r"/requestToken$|/thirdparty/|/account/3pid|/fallback/|/media/(download|thumbnail)/")
    assert not {path for path in silent if not excused.search(path)}


def test_differences_are_found() -> None:
    spec = {"a": True, "b": False, "c": True, "free": False, "free.x": True, "list": False, "list.[].y": True}
    ours = {"a": True, "b": True, "d": False, "free": False, "list": False, "list.[].z": True}
    assert differences(spec, ours, is_answer=False) == {"!b", "-c", "+d", "-list.[].y", "+list.[].z"}
    assert differences(spec, ours, is_answer=True) == {"-c", "+d", "-list.[].y", "+list.[].z"}
    assert differences({"a": True}, {"a": False}, is_answer=True) == {"?a"}
