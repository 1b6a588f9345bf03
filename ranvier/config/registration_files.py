"""Registration files of application services (`app_service_config_files`), read and checked.

Spec: application services, "Registration". Nothing stops at the first mistake: each is said with its file, its line and
its key, beside those of the configuration itself.
"""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

from ranvier.config.application_services import ApplicationService, Namespace
from ranvier.config.check import Findings, check
from ranvier.config.kinds import BOOL, LIST, REGEX, SECTION, STRING, URL, Kind, list_of
from ranvier.config.option import Option
from ranvier.config.schema_tree import Place, grow
from ranvier.config.tree import Malformed, Node, read_tree
from ranvier.config.values import Values
from ranvier.proto.ids import is_user_id

_OPTION: Final = "app_service_config_files"
_URL_OR_NULL: Final = replace(
    URL,
    expected=f"{URL.expected}, or null",
    parse=lambda value: None if value is None else URL.parse(value),
    nullable=True,
)
_NAMESPACES: Final = ("users", "aliases", "rooms")
_UNSTABLE: Final = (
    "de.sorunome.msc2409.push_ephemeral",
    "push_ephemeral",
    "org.matrix.msc3202",
    "io.element.msc4190",
)
"""Keys that deployed services write, beside those of the specification."""


def _option(path: str, kind: Kind, doc: str, *, required: bool = False) -> Option:
    return Option(path, kind, None, doc, required=required, honoured=True)


def _schema() -> Place:
    root = grow(
        (
            _option("id", STRING, "Names the service for ever", required=True),
            _option("url", _URL_OR_NULL, "Where it listens", required=True),
            _option("as_token", STRING, "With what it shows who it is", required=True),
            _option("hs_token", STRING, "With what this server shows who it is", required=True),
            _option("sender_localpart", STRING, "Its own user", required=True),
            _option("rate_limited", BOOL, "Whether its users are limited as others are"),
            _option("receive_ephemeral", BOOL, "Whether it wants to hear of typing, receipts and presence"),
            _option("protocols", list_of(STRING), "Networks that it leads to"),
            _option("namespaces", SECTION, "Whom and what it cares for", required=True),
            *(_option(f"namespaces.{kind}", LIST, "A list of namespaces") for kind in _NAMESPACES),
            *(
                option
                for kind in _NAMESPACES
                for option in (
                    _option(f"namespaces.{kind}[].regex", REGEX, "What belongs to it", required=True),
                    _option(f"namespaces.{kind}[].exclusive", BOOL, "Whether to it alone", required=True),
                    _option(f"namespaces.{kind}[].group_id", STRING, "Of groups, which are no more"),
                )
            ),
        )
    )
    for name in _UNSTABLE:
        # Their dots do not lead into a mapping.
        root.child(name).option = _option(name, BOOL, "A draft of the specification")
    return root


def build_application_services(values: Values) -> tuple[ApplicationService, ...]:
    """The services of the files that the option names, in their order. Mistakes are noted."""
    schema = _schema()
    services = []
    for path in values.texts(_OPTION):
        node = _read(path, values)
        if node is not None and (service := _service(node, schema, values)) is not None:
            services.append((node, service))
    for key in ("id", "as_token"):
        _check_unique(key, services, values.findings)
    return tuple(service for _, service in services)


def _read(path: str, values: Values) -> Node | None:
    try:
        tree, warnings = read_tree(Path(path).read_text(encoding="utf-8"), path)
    except OSError as error:
        values.error(_OPTION, f"cannot read {path}: {error.strerror}")
    except UnicodeDecodeError:
        values.error(_OPTION, f"cannot read {path}: not a text file")
    except Malformed as error:
        values.findings.errors.append(str(error))
    else:
        values.findings.warnings += warnings
        return tree
    return None


def _service(node: Node, schema: Place, values: Values) -> ApplicationService | None:
    """One file's service; None if anything is wrong with it."""
    findings = Findings()
    checked = check(node, schema, findings)
    found = Values(values=checked, node=node, place=schema, path="", findings=findings)
    server_name = values.text_or_none("server_name") or ""
    for key in ("id", "as_token", "hs_token", "sender_localpart"):
        if checked.get(key) == "":
            found.error(key, "must not be empty")
    localpart = found.text_or_none("sender_localpart")
    if localpart and server_name and not is_user_id(f"@{localpart}:{server_name}"):
        found.error("sender_localpart", f"@{localpart}:{server_name} is not a user id")
    values.findings.warnings += findings.warnings
    # Said once: a file may be named in a list, and its mistakes are its own.
    values.findings.errors += [error.replace(": option ", ": ", 1) for error in findings.errors]
    if findings.errors:
        return None
    return ApplicationService(
        id=found.text("id"),
        url=found.text_or_none("url"),
        as_token=found.text("as_token"),
        hs_token=found.text("hs_token"),
        sender=f"@{localpart}:{server_name}",
        users=tuple(_namespaces(found, "users")),
        aliases=tuple(_namespaces(found, "aliases")),
        rooms=tuple(_namespaces(found, "rooms")),
        rate_limited=found.get("rate_limited") is not False,
        receive_ephemeral=found.get("receive_ephemeral") is True,
        protocols=found.texts("protocols"),
    )


def _namespaces(found: Values, kind: str) -> Iterator[Namespace]:
    for item in found.items(f"namespaces.{kind}"):
        regex = item.text("regex")
        yield Namespace(exclusive=item.boolean("exclusive"), regex=regex, matches=re.compile(regex).match)


def _check_unique(key: str, services: list[tuple[Node, ApplicationService]], findings: Findings) -> None:
    """Two services must not have the same id, nor the same token: nobody could tell them apart."""
    places: dict[str, str] = {}
    for node, service in services:
        where = node.children()[key].where
        value = service.id if key == "id" else service.as_token
        if value in places:
            shown = f" {value}" if key == "id" else ""
            findings.errors.append(f"{where}: {key}: the same{shown} stands in {places[value]}")
        places.setdefault(value, where)
