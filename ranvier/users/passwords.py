"""Password hashes: argon2id for new ones, bcrypt accepted; always computed in a thread.

A password is normalised (NFKC), so that it does not depend on how a keyboard composes letters, and the configuration's
pepper is appended.
"""

import asyncio
import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

import bcrypt
from nacl import exceptions, pwhash

from ranvier.config.sections import PasswordConfig

MAX_PASSWORD_LENGTH: Final = 512
_BCRYPT_BYTES: Final = 72
"""bcrypt looks at no more than this."""
_DEFAULT_BCRYPT_ROUNDS: Final = 12
_BCRYPT_PREFIXES: Final = ("$2a$", "$2b$", "$2y$")
# OWASP's smallest recommendation: what counts here is memory, since every login takes it at once.
_ARGON2_PASSES: Final = 2
_ARGON2_BYTES: Final = 19 << 20
_THREADS: Final = 2

_T = TypeVar("_T")


class Passwords:
    """Hashes and checks passwords.

    A `bcrypt_rounds` other than the default says that hashing should cost that much (4: next to nothing, for tests and
    measurements); then bcrypt is used for new hashes too.
    """

    def __init__(self, *, config: PasswordConfig, bcrypt_rounds: int) -> None:
        self._pepper = config.pepper
        self._bcrypt_rounds = None if bcrypt_rounds == _DEFAULT_BCRYPT_ROUNDS else max(4, min(bcrypt_rounds, 31))
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="password")

    async def hash(self, password: str) -> str:
        """A hash to store."""
        return await self._in_thread(lambda: self._hash(password))

    async def matches(self, password: str, stored: str | None) -> bool:
        """Whether this is the password. Without a stored hash: False, after the time that a check takes."""
        if len(password) > MAX_PASSWORD_LENGTH:
            return False
        if stored is None:
            await self.hash(password)
            return False
        return await self._in_thread(lambda: self._matches(password, stored))

    def close(self) -> None:
        """Let go of the threads."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _in_thread(self, work: Callable[[], _T]) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    def _hash(self, password: str) -> str:
        if self._bcrypt_rounds is not None:
            return bcrypt.hashpw(self._peppered(password)[:_BCRYPT_BYTES], bcrypt.gensalt(self._bcrypt_rounds)).decode()
        peppered = self._peppered(password)
        return pwhash.argon2id.str(peppered, opslimit=_ARGON2_PASSES, memlimit=_ARGON2_BYTES).decode()

    def _matches(self, password: str, stored: str) -> bool:
        try:
            if stored.startswith(_BCRYPT_PREFIXES):
                return bcrypt.checkpw(self._peppered(password)[:_BCRYPT_BYTES], stored.encode())
            return pwhash.argon2id.verify(stored.encode(), self._peppered(password))
        except (ValueError, exceptions.CryptoError):
            return False

    def _peppered(self, password: str) -> bytes:
        return (unicodedata.normalize("NFKC", password) + self._pepper).encode("utf-8", "replace")
