"""One option of the configuration file, as data."""

from dataclasses import dataclass

from ranvier.config.kinds import Kind


@dataclass(frozen=True, slots=True)
class Option:
    """An option: where it stands, what it takes, what it means.

    `path` is dotted; `[]` is an element of the list before it, `*` any key of the mapping before it. `default` is
    written as in the file. The table of all options is `ranvier.config.schema.OPTIONS`.
    """

    path: str
    kind: Kind
    default: object
    doc: str
    required: bool = False
    """Whether the mapping that holds it must have it."""
    honoured: bool = False
    """Whether the server does what the option says; setting another one gives a warning at start."""
    not_applicable: str = ""
    """Why there is nothing here that the option could change; then it is accepted, and said to have no effect."""
    reloadable: bool = False
    """Whether SIGHUP brings a changed value into force."""
