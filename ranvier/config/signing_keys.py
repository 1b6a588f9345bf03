"""Signing keys as files hold them: lines of `ed25519 <version> <unpadded base64 of the seed>`.

Spec: server-server API, "Retrieving server keys"; appendices, "Signing Details". Pure but for `new_signing_key`.
"""

import base64
import hashlib
import secrets
import string

from ranvier.config.kinds import unpadded_base64
from ranvier.config.sections import SigningKey

_SEED_BYTES = 32


def parse_signing_keys(text: str) -> tuple[SigningKey, ...]:
    """Every key of a file, in order. Raises `ValueError` with a sentence that shows no key."""
    keys = tuple(_parse_line(line, number) for number, line in enumerate(text.splitlines(), 1) if line.strip())
    if not keys:
        raise ValueError("holds no signing key")
    return keys


def _parse_line(line: str, number: int) -> SigningKey:
    words = line.split()
    if len(words) != 3 or words[0] != "ed25519":
        raise ValueError(f"line {number} is not of the form: ed25519 <version> <base64>")
    try:
        seed = unpadded_base64(words[2])
    except ValueError as error:
        raise ValueError(f"line {number} has a key that is not base64") from error
    if len(seed) != _SEED_BYTES:
        raise ValueError(f"line {number} has a key of {len(seed)} bytes instead of {_SEED_BYTES}")
    return SigningKey(version=words[1], seed=seed)


def format_signing_key(key: SigningKey) -> str:
    """The line of a key, with its newline."""
    return f"ed25519 {key.version} {base64.b64encode(key.seed).decode().rstrip('=')}\n"


def new_signing_key() -> SigningKey:
    """A fresh key with a random version, so that no two keys of a server share a name."""
    letters = "".join(secrets.choice(string.ascii_letters) for _ in range(4))
    return SigningKey(version=f"a_{letters}", seed=secrets.token_bytes(_SEED_BYTES))


def derived_secret(key: SigningKey) -> str:
    """A secret that only the holder of the key can know, and that is the same at every start."""
    return hashlib.sha256(b"ranvier macaroon_secret_key\0" + key.seed).hexdigest()
