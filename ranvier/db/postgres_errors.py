"""asyncpg's exceptions as ours."""

import asyncio
from typing import Final

import asyncpg

from ranvier.db.engine import DatabaseError, UniqueViolation, UnstorableValue

DRIVER_ERRORS: Final = (
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    OSError,
    asyncio.TimeoutError,
    OverflowError,
    UnicodeError,
    ConnectionError,
)
"""Everything that the driver raises for what a server, a network or an argument can do."""


def translated_error(error: BaseException) -> DatabaseError:
    """The driver's exception as one of ours."""
    match error:
        case asyncpg.UniqueViolationError():
            return UniqueViolation(str(error))
        case asyncpg.DataError() if isinstance(error.__cause__, (OverflowError, UnicodeError)):
            # Raised by the driver; other causes are mistakes of ours, such as text for a number.
            return UnstorableValue("a value cannot be stored")
        case (
            asyncpg.CharacterNotInRepertoireError()
            | asyncpg.UntranslatableCharacterError()
            | asyncpg.NumericValueOutOfRangeError()
            | OverflowError()
            | UnicodeError()
        ):
            return UnstorableValue(f"a value cannot be stored: {type(error).__name__}")
        case _:
            return DatabaseError(f"PostgreSQL: {type(error).__name__}: {error}")
