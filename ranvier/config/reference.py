"""`python -m ranvier.config.reference`: every option as a table in Markdown."""

import json
import sys
from collections.abc import Iterable, Iterator

from ranvier.config.option import Option
from ranvier.config.schema import OPTIONS


def reference(options: Iterable[Option]) -> Iterator[str]:
    """The lines of the table."""
    yield "| option | takes | default | meaning | honoured | on SIGHUP |"
    yield "|---|---|---|---|---|---|"
    for option in options:
        cells = (
            f"`{option.path}`",
            option.kind.expected,
            "required" if option.required else _default(option.default),
            option.doc,
            _effect(option),
            "yes" if option.reloadable else "",
        )
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def summary(options: Iterable[Option]) -> str:
    """How many options do what they say."""
    listed = list(options)
    honoured = sum(option.honoured for option in listed)
    not_applicable = sum(bool(option.not_applicable) for option in listed)
    rest = len(listed) - honoured - not_applicable
    return (
        f"{len(listed)} options: {honoured} are honoured, {not_applicable} cannot mean anything here (the table says "
        f"why), {rest} have no effect yet."
    )


def _effect(option: Option) -> str:
    if option.not_applicable:
        return f"not applicable: {option.not_applicable}"
    return "yes" if option.honoured else "not yet"


def _default(value: object) -> str:
    return "" if value is None else f"`{json.dumps(value, ensure_ascii=False)}`"


if __name__ == "__main__":
    sys.stdout.write(summary(OPTIONS) + "\n\n")
    sys.stdout.writelines(f"{line}\n" for line in reference(OPTIONS))
