"""The key by which an administrator's `ssh` knows the manhole again.

Configuration: `manhole_settings.ssh_priv_key_path`, `manhole_settings.ssh_pub_key_path`.
"""

import hashlib
import hmac
from collections.abc import Sequence

import asyncssh
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from ranvier.config.operating_sections import ManholeSettings
from ranvier.config.sections import SigningKey
from ranvier.http.sockets import ListenError


def host_key(settings: ManholeSettings, signing_keys: Sequence[SigningKey]) -> asyncssh.SSHKey:
    """The key in the file, else one that follows from the server's signing key and so stays the same.

    Raises `ListenError` for a file that holds no key, or for a public key that belongs to another one.
    """
    if settings.ssh_priv_key_path is None:
        return _derived(signing_keys)
    try:
        key = asyncssh.read_private_key(settings.ssh_priv_key_path)
    except (OSError, asyncssh.KeyImportError, asyncssh.KeyEncryptionError) as error:
        raise ListenError(f"manhole_settings.ssh_priv_key_path: {settings.ssh_priv_key_path}: {error}") from error
    if settings.ssh_pub_key_path is not None:
        _check_public(settings.ssh_pub_key_path, key)
    return key


def _check_public(path: str, key: asyncssh.SSHKey) -> None:
    try:
        public = asyncssh.read_public_key(path)
    except (OSError, asyncssh.KeyImportError) as error:
        raise ListenError(f"manhole_settings.ssh_pub_key_path: {path}: {error}") from error
    if public.public_data != key.public_data:
        raise ListenError(f"manhole_settings.ssh_pub_key_path: {path} is not the public half of ssh_priv_key_path")


def _derived(signing_keys: Sequence[SigningKey]) -> asyncssh.SSHKey:
    if not signing_keys:
        return asyncssh.generate_private_key("ssh-ed25519")
    seed = hmac.digest(signing_keys[0].seed, b"host key of the manhole", hashlib.sha256)
    private = Ed25519PrivateKey.from_private_bytes(seed)
    return asyncssh.import_private_key(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
