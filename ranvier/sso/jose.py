"""Signed tokens: reading those of providers, making the client's own. The library is loaded by the first token."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from ranvier.sso.provider import SignOnFailed

_LEEWAY_S: Final = 120
_SYMMETRIC: Final = ("HS256", "HS384", "HS512")


class UnknownKey(Exception):
    """The token is signed with a key that is not among these: there may be newer ones."""


def read_token(
    token: str,
    *,
    keys: Mapping[str, Any],
    secret: str | None,
    algorithms: Sequence[str],
    issuer: str,
    audience: str,
    required: Sequence[str],
) -> dict[str, Any]:
    """The claims of a token that is signed, valid now, by `issuer` and for `audience`.

    `keys` is a JWKS; `secret` is for algorithms in which both sides have the same key. Raises `SignOnFailed`, and
    `UnknownKey`.
    """
    import jwt

    try:
        header = jwt.get_unverified_header(token)
        algorithm = header.get("alg")
        if algorithm not in algorithms or algorithm == "none":
            raise SignOnFailed("invalid_token", "The provider has signed with an algorithm that is not accepted.")
        key = _shared(secret) if algorithm in _SYMMETRIC else _key(keys, header.get("kid"), str(algorithm))
        claims: dict[str, Any] = jwt.decode(
            token,
            key,
            algorithms=[str(algorithm)],
            issuer=issuer,
            audience=audience,
            leeway=_LEEWAY_S,
            options={"require": list(required)},
        )
    except jwt.PyJWTError as error:
        raise SignOnFailed("invalid_token", f"The provider's token is not valid: {error}.") from error
    return claims


def unverified(token: str) -> dict[str, Any]:
    """The claims of a token, whoever has written them. Raises `SignOnFailed` for what is none."""
    import jwt

    try:
        claims: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    except jwt.PyJWTError as error:
        raise SignOnFailed("invalid_token", "This is not a token.") from error
    return claims


def sign(key: str, header: Mapping[str, object], payload: Mapping[str, object]) -> str:
    """A token of our own. Raises `SignOnFailed` for a key that is none."""
    import jwt

    more = {name: value for name, value in header.items() if name != "alg"}
    try:
        return jwt.encode(dict(payload), key, algorithm=str(header["alg"]), headers=more)
    except (jwt.PyJWTError, NotImplementedError, ValueError, TypeError) as error:
        raise SignOnFailed("server_error", "The key of the client's secret cannot be used.") from error


def _shared(secret: str | None) -> Any:
    if not secret:
        raise SignOnFailed("invalid_token", "The provider has signed with a secret that there is not.")
    return secret.encode()


def _key(keys: Mapping[str, Any], key_id: object, algorithm: str) -> Any:
    import jwt

    for entry in keys.get("keys") or ():
        if not isinstance(entry, dict) or (key_id is not None and entry.get("kid") != key_id):
            continue
        if entry.get("kty") == "oct" or entry.get("use") not in (None, "sig"):
            continue
        if entry.get("alg") not in (None, algorithm):
            continue
        try:
            return jwt.PyJWK.from_dict(entry, algorithm=algorithm).key
        except jwt.PyJWTError:
            continue
    raise UnknownKey
