"""`ranvier restore`: a server out of a backup, in a place where there is none yet.

What others have seen since the backup was made is not given out again: `ranvier.store.restored`.
"""

import os
import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from ranvier.cli.backup_folder import BackupFolder, sha256_of
from ranvier.cli.config_files import media_folder
from ranvier.cli.opening import CommandError, read_config
from ranvier.cli.parser import CommandParser, add_config_option
from ranvier.cli.progress import Progress
from ranvier.cli.restore_database import refuse_used_database, restore_database
from ranvier.cli.running import run_command
from ranvier.config.load import load
from ranvier.config.model import Config
from ranvier.config.signing_keys import parse_signing_keys

_MIN_JUMP: Final = 1_000_000
_JUMP_PER_MS: Final = 10
"""No server does more than so much in a millisecond."""


def main(argv: Sequence[str] | None = None) -> int:
    """Restore, or only look whether one could; the exit status."""
    parser = CommandParser("ranvier restore", "Make a server out of what `ranvier backup` has written.")
    parser.add_argument("folder", metavar="DIR", help="the backup")
    add_config_option(parser)
    parser.epilog = (
        "With -c, database and media go where that configuration says, and the configuration of the backup stays in\n"
        "it. Without, the files of the configuration are put back where they were, and then everything else."
    )
    parser.add_argument("--check", action="store_true", help="only see whether the backup is whole")
    given = parser.parse_args(argv)
    return run_command("ranvier restore", _restore(Path(given.folder), given.config_path, check_only=given.check))


async def _restore(path: Path, config_paths: Sequence[str] | None, *, check_only: bool) -> int:
    backup = BackupFolder.read(path)
    _verify(backup)
    if check_only:
        print(f"{path} is a whole backup of {backup.manifest.server_name}")
        return 0
    config = read_config(config_paths) if config_paths else _configuration_of(backup)
    if config.server_name != backup.manifest.server_name:
        raise CommandError(f"the backup is one of {backup.manifest.server_name}, not of {config.server_name}")
    _require_own_keys(backup, config)
    media = Path(media_folder(config_paths or backup.manifest.config_paths))
    _refuse_other_media(backup, media)
    await refuse_used_database(config.database)
    _put_back_media(backup, media)
    await restore_database(backup, config.database, jump=_jump(backup))
    print(f"{config.server_name} is restored. Start it; clients upload new one-time keys by themselves.")
    return 0


def _verify(backup: BackupFolder) -> None:
    found = []
    with Progress("checking", len(backup.manifest.files)) as progress:
        for damage in backup.damage():
            if damage is not None:
                found.append(damage)
            progress.advance()
    if found:
        raise CommandError(f"the backup is damaged, nothing was done: {'; '.join(found)}")


def _configuration_of(backup: BackupFolder) -> Config:
    """Put the files back where they were, and read them. Raises `CommandError`, and then wrote nothing."""
    places = backup.configuration()
    different = [
        place
        for name, place in places.items()
        if os.path.exists(place) and sha256_of(Path(place)) != backup.manifest.files[name].sha256
    ]
    if different:
        raise CommandError(
            f"there are other files in the places of those in the backup: {', '.join(different)}; give a"
            " configuration with -c, or move them away"
        )
    for name, place in places.items():
        if not os.path.exists(place):
            os.makedirs(os.path.dirname(place), mode=0o700, exist_ok=True)
            shutil.copyfile(backup.path / name, place)
            os.chmod(place, 0o600)
    return load(backup.manifest.config_paths, environment=os.environ)


def _require_own_keys(backup: BackupFolder, config: Config) -> None:
    """The server must be able to sign as it did. Raises `CommandError`."""
    inside = {seed: name for name in backup.configuration() for seed in _seeds_in(backup.path / name)}
    if inside and inside.keys().isdisjoint(key.seed for key in config.signing_keys):
        named = ", ".join(sorted({str(backup.path / name) for name in inside.values()}))
        raise CommandError(
            f"the configuration has none of the signing keys of the backup ({named}): copy the key to where"
            " signing_key_path says; without it other servers do not know this one"
        )


def _seeds_in(path: Path) -> set[bytes]:
    """The private keys in a file, if it is one of signing keys."""
    try:
        return {key.seed for key in parse_signing_keys(path.read_text(encoding="utf-8"))}
    except ValueError:
        return set()


def _refuse_other_media(backup: BackupFolder, media: Path) -> None:
    """Only what an interrupted restoration has put there may be there. Raises `CommandError`."""
    ours = {media / inner: backup.manifest.files[name].sha256 for name, inner in backup.media().items()}
    for path in media.rglob("*") if media.is_dir() else ():
        if path.is_file() and (path not in ours or sha256_of(path) != ours[path]):
            raise CommandError(f"{media} is not empty ({path.name}); a server is restored only to where there is none")


def _put_back_media(backup: BackupFolder, media: Path) -> None:
    files = backup.media()
    with Progress("media", len(files)) as progress:
        for name, inner in files.items():
            target = media / inner
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(backup.path / name, target)
            progress.advance()


def _jump(backup: BackupFolder) -> int:
    """More positions than the lost server can have given out since the backup."""
    return _MIN_JUMP + _JUMP_PER_MS * max(0, time.time_ns() // 1_000_000 - backup.manifest.created_ts)


if __name__ == "__main__":
    sys.exit(main())
