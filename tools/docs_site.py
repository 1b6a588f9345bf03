"""What the site of the documentation has besides the files in `docs/`: mkdocs calls this while it builds (`mkdocs.yml`)."""

import html
import pkgutil
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

from ranvier.config import schema
from ranvier.config.option import Option
from ranvier.config.reference import reference, summary

ROOT = Path(__file__).parents[1]


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Add the pages that are made."""
    files.append(File.generated(config, "options.md", content=option_reference()))
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    files.append(File.generated(config, "changelog.md", content=changes.replace("](docs/", "](")))
    return files


def option_reference() -> str:
    """Every option of a configuration file, by subject, from the table that the server itself reads."""
    lines = [
        "# Options",
        "",
        "Every option that a configuration file may hold, as `python -m ranvier.config.reference` prints them:",
        summary(schema.OPTIONS),
        "",
    ]
    for title, options in _subjects():
        # A server's name in angle brackets is no HTML.
        rows = [html.escape(line, quote=False) for line in reference(options)]
        lines += [f"## {title}", "", *rows, ""]
    return "\n".join(lines)


def _subjects() -> Iterator[tuple[str, list[Option]]]:
    """In the order in which the schema has them."""
    order = {option.path: number for number, option in enumerate(schema.OPTIONS)}
    subjects: list[tuple[str, list[Option]]] = []
    listed: set[str] = set()
    for module in pkgutil.iter_modules(schema.__path__):
        found = import_module(f"{schema.__name__}.{module.name}")
        options: list[Option] = sorted(found.OPTIONS, key=lambda option: order[option.path])
        subjects.append((_title(found.__doc__ or module.name), options))
        listed.update(option.path for option in options)
    subjects.sort(key=lambda subject: order[subject[1][0].path])
    yield from subjects
    rest = [option for option in schema.OPTIONS if option.path not in listed]
    if rest:
        yield "Listeners of workers", rest


def _title(docstring: str) -> str:
    text = docstring.partition("\n")[0].removeprefix("Options: ").rstrip(".")
    return text[:1].upper() + text[1:]
