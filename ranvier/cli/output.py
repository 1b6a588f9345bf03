"""Where the small commands write: a file that is new, or the standard output."""

import sys

from ranvier.config.secret_files import write_private


def write_text(path: str | None, text: str) -> int:
    """Write to a new file that only its owner can read, or print; the exit status. What exists is never overwritten."""
    if path is None or path == "-":
        sys.stdout.write(text)
        return 0
    try:
        write_private(path, text)
    except OSError as error:
        print(f"{path}: cannot be written: {error.strerror}", file=sys.stderr)
        return 1
    return 0
