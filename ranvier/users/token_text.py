"""What access tokens, refresh tokens and device ids look like.

A token is `syt_<localpart>_<random>_<checksum>` (`syr_` for refresh tokens, `syl_` for login tokens): secret scanners recognise it, and an operator
sees whose it is. Clients must not look inside.
"""

import hashlib
import zlib
from base64 import urlsafe_b64encode
from typing import Final

from ranvier.ports import Random

_LETTERS: Final = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
_CAPITALS: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_LOWER: Final = "abcdefghijklmnopqrstuvwxyz"
_BASE62: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def new_access_token(localpart: str, random: Random) -> str:
    """An access token for a user."""
    return _token("syt", localpart, random)


def new_refresh_token(localpart: str, random: Random) -> str:
    """A refresh token for a user."""
    return _token("syr", localpart, random)


def new_login_token(localpart: str, random: Random) -> str:
    """A token with which another device of a user logs in."""
    return _token("syl", localpart, random)


def new_device_id(random: Random) -> str:
    """A device id: ten capitals, for people to compare."""
    return random_letters(random, 10, _CAPITALS)


def new_session_id(random: Random) -> str:
    """A session id that cannot be guessed."""
    return random_letters(random, 24, _LETTERS)


def new_localpart(random: Random) -> str:
    """A localpart for who did not choose one."""
    return random_letters(random, 12, _LOWER)


def token_digest(token: str) -> bytes:
    """What is stored of a token."""
    return hashlib.sha256(token.encode("utf-8", "replace")).digest()


def random_letters(random: Random, count: int, alphabet: str) -> str:
    """`count` characters of the alphabet (at most 256 of them), each as likely as the others."""
    limit = 256 - 256 % len(alphabet)
    letters: list[str] = []
    while len(letters) < count:
        letters += [alphabet[byte % len(alphabet)] for byte in random.token_bytes(count + 8) if byte < limit]
    return "".join(letters[:count])


def _token(prefix: str, localpart: str, random: Random) -> str:
    name = urlsafe_b64encode(localpart.encode()).decode().rstrip("=")
    text = f"{prefix}_{name}_{random_letters(random, 20, _LETTERS)}"
    return f"{text}_{_base62(zlib.crc32(text.encode())):0>6}"


def _base62(number: int) -> str:
    digits = ""
    while number:
        number, digit = divmod(number, 62)
        digits = _BASE62[digit] + digits
    return digits
