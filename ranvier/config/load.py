"""Reading a configuration: from files, from text, from a mapping."""

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from ranvier.config.build import build_config
from ranvier.config.cache_sections import factors_from_environment
from ranvier.config.check import Findings, check
from ranvier.config.model import Config
from ranvier.config.older_sections import with_newer_sections
from ranvier.config.schema import schema
from ranvier.config.secret_files import SecretFiles
from ranvier.config.tree import Malformed, Node, read_tree, tree_of
from ranvier.config.values import Values


class ConfigError(Exception):
    """The configuration cannot be used; `errors` says everything that is wrong with it, one sentence each."""

    def __init__(self, errors: Sequence[str]) -> None:
        super().__init__("\n".join(errors))
        self.errors = tuple(errors)


def parse(options: Mapping[str, object]) -> Config:
    """A configuration from a mapping as YAML would give it; `server_name` is required.

    No file is read that the mapping does not name: without `signing_key` there are no signing keys, and without
    `database` it is SQLite in memory. Raises `ConfigError`.
    """
    return _finish(tree_of(options), Findings(), files=SecretFiles(create_missing=False))


def from_yaml_text(text: str, *, file_name: str = "homeserver.yaml") -> Config:
    """As `parse`, from YAML. Errors begin with `file_name:line`."""
    findings = Findings()
    return _finish(_read([(file_name, text)], findings), findings, files=SecretFiles(create_missing=False))


def load(
    paths: Sequence[str],
    *,
    config_directory: str | None = None,
    data_directory: str | None = None,
    overrides: Mapping[str, object] | None = None,
    environment: Mapping[str, str] | None = None,
    create_missing: bool = False,
) -> Config:
    """The configuration in some files and folders (their `*.yaml`, sorted); a later top-level key replaces an earlier.

    `overrides` (the command line) replace both. `create_missing` writes a signing key and a registration secret where
    the named files do not exist. Raises `ConfigError`.
    """
    findings = Findings()
    tree = read_files(paths, findings)
    options = dict(tree.children())
    given = {**_from_environment(environment or {}, options), **(overrides or {})}
    options.update({key: tree_of(value, "command line") for key, value in given.items()})
    directory = config_directory or os.path.dirname(os.path.abspath(paths[0]))
    name = options["server_name"].plain() if "server_name" in options else "homeserver"
    config = _finish(
        Node(options, tree.where),
        findings,
        files=SecretFiles(create_missing=create_missing),
        key_path=os.path.join(directory, f"{name}.signing.key"),
        database_path=os.path.join(data_directory or os.getcwd(), "homeserver.db"),
    )
    return replace(config, paths=tuple(paths))


def read_files(paths: Sequence[str], findings: Findings) -> Node:
    """The tree of some files and folders, unchecked. Raises `ConfigError`."""
    return _read(_texts(paths), findings)


def config_files(paths: Iterable[str]) -> list[str]:
    """The files behind the `-c` of a command line. Raises `ConfigError` for those that do not exist."""
    files: list[str] = []
    missing = []
    for path in paths:
        if os.path.isdir(path):
            files += sorted(str(file) for file in Path(path).glob("*.yaml") if file.is_file())
        elif os.path.isfile(path):
            files.append(path)
        else:
            missing.append(f"{path}: no such file or folder")
    if missing:
        raise ConfigError(missing)
    if not files:
        raise ConfigError([f"{', '.join(paths)}: no *.yaml file there"])
    return files


def _texts(paths: Sequence[str]) -> list[tuple[str, str]]:
    texts, unreadable = [], []
    for file in config_files(paths):
        try:
            texts.append((file, Path(file).read_text(encoding="utf-8")))
        except OSError as error:
            unreadable.append(f"{file}: cannot be read: {error.strerror}")
        except UnicodeDecodeError:
            unreadable.append(f"{file}: is not UTF-8 text")
    if unreadable:
        raise ConfigError(unreadable)
    return texts


def _read(texts: Iterable[tuple[str, str]], findings: Findings) -> Node:
    """One tree from several texts. Raises `ConfigError` if one is not YAML: then nothing else can be said."""
    options: dict[str, Node] = {}
    malformed = []
    where = ""
    for file_name, text in texts:
        try:
            tree, warnings = read_tree(text, file_name)
        except Malformed as error:
            malformed.append(str(error))
            continue
        where = where or tree.where
        findings.warnings += warnings
        options.update(tree.children())
    if malformed:
        raise ConfigError(malformed)
    return Node(options, where)


def _from_environment(environment: Mapping[str, str], options: Mapping[str, Node]) -> dict[str, object]:
    """`SYNAPSE_CACHE_FACTOR` wins over `caches.global_factor`, `SYNAPSE_CACHE_FACTOR_<NAME>` over the cache's own; `http_proxy`, ... count where the files have none."""
    given = _proxies(environment, options)
    own = factors_from_environment(environment)
    factor = environment.get("SYNAPSE_CACHE_FACTOR")
    if factor is None and not own:
        return given
    caches: dict[str, object] = {}
    if "caches" in options and isinstance(options["caches"].value, dict):
        caches |= options["caches"].plain()
    if factor is not None:
        caches["global_factor"] = _factor("SYNAPSE_CACHE_FACTOR", factor)
    if own:
        written = caches.get("per_cache_factors")
        factors = {name: _factor(f"SYNAPSE_CACHE_FACTOR_{name.upper()}", text) for name, text in own.items()}
        caches["per_cache_factors"] = {**(written if isinstance(written, dict) else {}), **factors}
    return {**given, "caches": caches}


def _factor(variable: str, text: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise ConfigError([f"environment variable {variable}: expected a number, got {text}"]) from error


def _proxies(environment: Mapping[str, str], options: Mapping[str, Node]) -> dict[str, object]:
    given: dict[str, object] = {}
    for option, name in (("http_proxy", "http_proxy"), ("https_proxy", "https_proxy"), ("no_proxy_hosts", "no_proxy")):
        value = environment.get(name) or environment.get(name.upper())
        if value and (option not in options or options[option].value is None):
            hosts = [host.strip() for host in value.split(",") if host.strip()]
            given[option] = hosts if option == "no_proxy_hosts" else value
    return given


def _finish(
    tree: Node,
    findings: Findings,
    *,
    files: SecretFiles,
    key_path: str | None = None,
    database_path: str = ":memory:",
) -> Config:
    tree, place = with_newer_sections(tree), schema()
    checked = check(tree, place, findings)
    values = Values(values=checked, node=tree, place=place, path="", findings=findings)
    # Files are written only for a configuration that holds so far.
    if findings.errors:
        files = SecretFiles(create_missing=False)
        key_path = None
    config = build_config(values, files=files, key_path=key_path, database_path=database_path)
    if findings.errors:
        raise ConfigError(findings.errors)
    places = {name: node.where for name, node in tree.children().items() if node.where}
    return replace(config, options=checked, places=places)
