"""How a command runs: what may go wrong becomes one line and an exit status."""

import asyncio
import sys
from collections.abc import Coroutine
from typing import Any

from ranvier.cli.opening import CommandError
from ranvier.cli.parser import say_config_error
from ranvier.config.load import ConfigError
from ranvier.db.engine import DatabaseError


def run_command(name: str, work: Coroutine[Any, Any, int]) -> int:
    """Run it to its end; the exit status."""
    try:
        return asyncio.run(work)
    except ConfigError as error:
        say_config_error(error)
    except (CommandError, DatabaseError) as error:
        print(f"{name}: {error}", file=sys.stderr)
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        print(f"{name}: {place}{error.strerror or error}", file=sys.stderr)
    except KeyboardInterrupt:
        print(f"\n{name}: interrupted", file=sys.stderr)
        return 130
    return 1
