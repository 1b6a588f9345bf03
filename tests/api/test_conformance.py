"""`docs/conformance.md` tells the truth about the route table.

The endpoints of the spec (v1.19) are in `tests/facts/endpoints.tsv`: group, method, path, deprecated, module. To bring the
document up to date, run this test with `RANVIER_UPDATE_DOCS=1`.
"""

import os
import re
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from ranvier.http.route import Route
from tests.api.homeserver import Homeserver

ROOT = Path(__file__).parents[2]
DOCUMENT = ROOT / "docs" / "conformance.md"
FACTS = ROOT / "tests" / "facts" / "endpoints.tsv"
BEGIN, END = "<!-- endpoints: begin -->", "<!-- endpoints: end -->"

REASONS = {
    "GET /_matrix/client/v1/auth_metadata": "there is no OAuth 2.0 API here; 404 `M_UNRECOGNIZED` is how a client learns it",
    "GET /.well-known/matrix/policy_server": "for policy servers, which this is not",
    "POST /_matrix/policy/v1/sign": "for policy servers, which this is not",
    "GET /.well-known/matrix/support": "no option says whom to ask; the web server of the domain can serve it",
    "application-service-api": "not yet: application services",
    "content_repo": "only where `url_preview_enabled` is set",
    "push": "not yet: push delivery",
    "search": "not yet: search",
    "sso_login": "only where `oidc_providers` or `cas_config` is set",
}
"""Why an endpoint is not served: by method and path, else by module. There is no other excuse."""

Endpoint = tuple[str, str]
"""Method, and the path with `{}` for each parameter."""


def _shape(path: str) -> str:
    return re.sub(r"\{[^}]*\}", "{}", path)


def _table(routes: Iterable[Route]) -> str:
    served = {(route.method, _shape(route.path)) for route in routes}
    by_module: dict[tuple[str, str], list[tuple[str, str, str]]] = defaultdict(list)
    for line in FACTS.read_text().splitlines():
        group, method, path, deprecated, module = (part.strip() for part in line.split("\t"))
        by_module[group, module].append((method, path, deprecated))
    lines = []
    done = total = 0
    for (group, module), endpoints in by_module.items():
        lines += ["", f"### {group}: {module}", "", "| | endpoint | |", "|---|---|---|"]
        for method, path, deprecated in endpoints:
            is_served = (method, _shape(path)) in served
            done, total = done + is_served, total + 1
            note = " (deprecated)" if deprecated == "yes" else ""
            reason = "" if is_served else f"{REASONS.get(f'{method} {path}') or REASONS[module]} "
            lines.append(f"| {'yes' if is_served else '-'} | `{method} {path}`{note} | {reason}|")
    return "\n".join([f"{done} of {total} endpoints are served; those marked `-` answer 404 `M_UNRECOGNIZED`.", *lines])


async def test_the_ledger_matches_the_route_table(homeserver: Homeserver) -> None:
    before, _, rest = DOCUMENT.read_text().partition(BEGIN)
    written, _, after = rest.partition(END)
    table = f"\n{_table(homeserver.server.routes)}\n"
    if os.environ.get("RANVIER_UPDATE_DOCS"):
        DOCUMENT.write_text(f"{before}{BEGIN}{table}{END}{after}")
    else:
        assert written == table, "docs/conformance.md is out of date: run this test with RANVIER_UPDATE_DOCS=1"
