"""The folder of an export: files that are whole or not there, and a note of how far it is, so that it can be continued."""

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import msgspec

from ranvier.cli.opening import CommandError

NOTE: Final = ".unfinished"
"""Is there until everything is."""


class _Note(msgspec.Struct):
    """How far an export is."""

    user_id: str
    upto_pos: int
    """Later events are not part of it."""
    done: list[str] = []
    """Folders that are finished."""
    room: str = ""
    """The folder under way,"""
    pos: int = 0
    """up to which of its events,"""
    size_bytes: int = 0
    """and how long its file was then."""


@dataclass(slots=True)
class ExportFolder:
    """Where an export goes. Make one with `begin`."""

    path: Path
    note: _Note = field(repr=False)

    @classmethod
    def begin(cls, path: Path, user_id: str, *, upto_pos: int) -> "ExportFolder":
        """A new or empty folder, or that of an unfinished export of the same user. Raises `CommandError`."""
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not any(path.iterdir()):
            folder = cls(path, _Note(user_id, upto_pos))
            folder.save()
            return folder
        try:
            note = msgspec.json.decode((path / NOTE).read_bytes(), type=_Note)
        except (OSError, msgspec.MsgspecError) as error:
            raise CommandError(f"{path} is not empty; give a folder that is, or one of an unfinished export") from error
        if note.user_id != user_id:
            raise CommandError(f"{path} holds an unfinished export of {note.user_id}")
        return cls(path, note)

    def save(self) -> None:
        """Note how far it is."""
        self._replace(self.path / NOTE, msgspec.json.encode(self.note))

    def finished(self, folder: str) -> None:
        """A folder is whole."""
        self.note.done.append(folder)
        self.note.room, self.note.pos, self.note.size_bytes = "", 0, 0
        self.save()

    def end(self) -> None:
        """Everything is there."""
        (self.path / NOTE).unlink()

    def write(self, name: str, value: object) -> None:
        """One JSON document."""
        self._replace(self._made(name), json.dumps(value, ensure_ascii=False, indent=2).encode() + b"\n")

    def write_lines(self, name: str, values: list[Any]) -> None:
        """A JSON document a line."""
        lines = (json.dumps(value, ensure_ascii=False).encode() + b"\n" for value in values)
        self._replace(self._made(name), b"".join(lines))

    def open_at(self, name: str, size_bytes: int) -> int:
        """A file to add to after its first bytes; its descriptor."""
        descriptor = os.open(self._made(name), os.O_WRONLY | os.O_CREAT, 0o600)
        os.ftruncate(descriptor, size_bytes)
        os.lseek(descriptor, 0, os.SEEK_END)
        return descriptor

    def _made(self, name: str) -> Path:
        path = self.path / name
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return path

    def _replace(self, path: Path, content: bytes) -> None:
        part = path.with_name(f"{path.name}.part")
        part.write_bytes(content)
        part.chmod(0o600)
        part.replace(path)


def folder_name(id_: str) -> str:
    """A room id, in which any character may stand, as the name of a folder."""
    return id_.replace("%", "%25").replace("/", "%2F")
