"""A backup as a folder: a manifest, and the files that it lists with their lengths and SHA-256 sums."""

import hashlib
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import msgspec

from ranvier.cli.opening import CommandError

MANIFEST: Final = "manifest.json"
_FORMAT: Final = 1


class Listed(msgspec.Struct, frozen=True):
    """One file of a backup."""

    size_bytes: int
    sha256: str
    place: str = ""
    """The absolute path of what it is a copy of; empty for the database."""


class TableOf(msgspec.Struct, frozen=True):
    """One table of PostgreSQL."""

    columns: tuple[str, ...]
    rows: int


class Manifest(msgspec.Struct):
    """What a backup is."""

    server_name: str
    engine: Literal["sqlite", "postgres"]
    created_ts: int
    ranvier_version: str
    schema: list[int]
    """The migrations that its database has seen."""
    config_paths: list[str]
    """What the server is started with: the `-c`, as absolute paths."""
    media_folder: str
    files: dict[str, Listed] = {}
    """By path within the backup."""
    tables: dict[str, TableOf] = {}
    format: int = _FORMAT


@dataclass(slots=True)
class BackupFolder:
    """A backup that is being written or read."""

    path: Path
    manifest: Manifest

    def add(self, name: str, *, place: str = "") -> None:
        """List a file that has been written."""
        path = self.path / name
        self.manifest.files[name] = Listed(path.stat().st_size, sha256_of(path), place)

    def copy(self, source: str, name: str) -> None:
        """Copy a file in and list it."""
        target = self.path / name
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        shutil.copyfile(source, target)
        target.chmod(0o600)
        self.add(name, place=os.path.abspath(source))

    def finish(self) -> None:
        """Write the manifest: without it nothing is a backup."""
        part = self.path / f"{MANIFEST}.part"
        part.write_bytes(msgspec.json.format(msgspec.json.encode(self.manifest), indent=1) + b"\n")
        part.chmod(0o600)
        part.replace(self.path / MANIFEST)

    @classmethod
    def read(cls, path: Path) -> "BackupFolder":
        """A finished backup. Raises `CommandError`."""
        try:
            manifest = msgspec.json.decode((path / MANIFEST).read_bytes(), type=Manifest)
        except OSError as error:
            raise CommandError(f"{path} holds no finished backup: there is no {MANIFEST}") from error
        except msgspec.MsgspecError as error:
            raise CommandError(f"{path / MANIFEST} cannot be understood: {error}") from error
        if manifest.format != _FORMAT:
            raise CommandError(f"{path} was made by a newer version of Ranvier")
        return cls(path, manifest)

    def damage(self) -> Iterator[str | None]:
        """For each file a sentence about what is wrong with it, or `None`."""
        for name, listed in self.manifest.files.items():
            path = self.path / name
            if not path.is_file():
                yield f"{name} is missing"
            elif path.stat().st_size != listed.size_bytes or sha256_of(path) != listed.sha256:
                yield f"{name} is not what was written"
            else:
                yield None

    def configuration(self) -> dict[str, str]:
        """The files of the configuration: name within the backup, and where they came from."""
        return {name: listed.place for name, listed in self.manifest.files.items() if name.startswith("configuration/")}

    def media(self) -> dict[str, str]:
        """The media: name within the backup, and path within the folder of media."""
        return {name: name.removeprefix("media/") for name in self.manifest.files if name.startswith("media/")}


def sha256_of(path: Path) -> str:
    """The sum of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
