"""`python -m ranvier.register_new_matrix_user`: make an account on a running server that shares a secret with us.

The request is that of the admin API, `/_synapse/admin/v1/register`: a nonce, and an HMAC that proves the secret.
Imports nothing of the server but its configuration, and that only if it is asked to read one.
"""

import argparse
import getpass
import hashlib
import hmac
import http.client
import json
import sys
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

DEFAULT_URL = "http://localhost:8008"
_PATH = "/_synapse/admin/v1/register"
_TIMEOUT_S = 30


class RegistrationError(Exception):
    """The account could not be made; the message is for the person at the terminal."""


@dataclass(frozen=True, slots=True)
class NewUser:
    """The account to make."""

    user: str
    password: str
    admin: bool
    user_type: str | None


def main(argv: Sequence[str] | None = None) -> int:
    """Ask for what the command line leaves out, make the account; the exit status."""
    given = _parser().parse_args(sys.argv[1:] if argv is None else argv)
    try:
        secret, configured_url = _secret_and_url(given)
        url = given.server_url or configured_url or DEFAULT_URL
        user = _ask(given)
        print(register(url, secret, user, exists_ok=given.exists_ok))
    except RegistrationError as error:
        print(error, file=sys.stderr)
        return 1
    except (KeyboardInterrupt, EOFError):
        print("\nNothing was done.", file=sys.stderr)
        return 130
    return 0


def register(server_url: str, secret: str, new: NewUser, *, exists_ok: bool = False) -> str:
    """Make the account and say what happened. Raises `RegistrationError`."""
    url = server_url.rstrip("/") + _PATH
    nonce = _request(url).get("nonce")
    if not isinstance(nonce, str):
        raise RegistrationError(f"{server_url} does not answer like a Matrix homeserver")
    body: dict[str, object] = {
        "nonce": nonce,
        "username": new.user,
        "password": new.password,
        "admin": new.admin,
        "user_type": new.user_type,
        "mac": registration_mac(secret, nonce, new),
    }
    try:
        answer = _request(url, body)
    except _Refused as refused:
        if refused.errcode == "M_USER_IN_USE":
            if exists_ok:
                return f"{new.user} exists already; nothing was changed"
            raise RegistrationError(f"the name {new.user} is taken") from refused
        if refused.status == 403:
            reason = f"the server does not accept the shared secret: {refused}"
            raise RegistrationError(reason) from refused
        raise
    return f"made {answer.get('user_id', new.user)}{', an admin' if new.admin else ''}"


def registration_mac(secret: str, nonce: str, new: NewUser) -> str:
    """The proof, bound to the nonce, that the sender of this account knows the secret."""
    parts = [nonce, new.user, new.password, "admin" if new.admin else "notadmin"]
    if new.user_type is not None:
        parts.append(new.user_type)
    # The admin API prescribes SHA-1; as an HMAC it is not weakened by collisions.
    return hmac.new(secret.encode(), "\0".join(parts).encode(), hashlib.sha1).hexdigest()


class _Refused(RegistrationError):
    """The server answered with an error."""

    def __init__(self, status: int, body: object) -> None:
        error = body if isinstance(body, dict) else {}
        self.status = status
        self.errcode = error.get("errcode")
        super().__init__(f"the server refused: {error.get('error', 'no reason given')} (HTTP {status})")


def _request(url: str, body: dict[str, object] | None = None) -> dict[str, Any]:
    """GET, or POST a body; the answer's object. Raises `RegistrationError`."""
    data = None if body is None else json.dumps(body).encode()
    hostname = _hostname(url)
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})  # noqa: S310  # checked above
    # A proxy of the environment is for the outside, and would be told the password.
    is_local = hostname in ("localhost", "127.0.0.1", "::1")
    opener = urllib.request.build_opener(*([urllib.request.ProxyHandler({})] if is_local else []))
    try:
        with opener.open(request, timeout=_TIMEOUT_S) as response:
            answer = _decoded(response.read())
    except urllib.error.HTTPError as error:
        with error:
            refused = _Refused(error.code, _decoded(error.read()))
        raise refused from error
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", error)
        raise RegistrationError(f"no server answers at {url.removesuffix(_PATH)} ({reason}); is it running?") from error
    return answer if isinstance(answer, dict) else {}


def _hostname(url: str) -> str:
    """The host of an http or https URL. Raises `RegistrationError` for any other text."""
    try:
        parts = urllib.parse.urlsplit(url)
        _ = parts.port  # a ValueError for what is none
    except ValueError:
        parts = urllib.parse.urlsplit("")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        address = url.removesuffix(_PATH)
        raise RegistrationError(f"{address}: expected the address of a server, such as {DEFAULT_URL}")
    return parts.hostname


def _decoded(body: bytes) -> object:
    try:
        return json.loads(body)
    except ValueError:
        return None


def _secret_and_url(given: argparse.Namespace) -> tuple[str, str | None]:
    if given.shared_secret is not None:
        return str(given.shared_secret), None
    # Only here: with -k this script needs no configuration.
    from ranvier.config.load import ConfigError
    from ranvier.config.registration_access import registration_access

    try:
        access = registration_access(given.config)
    except ConfigError as error:
        raise RegistrationError("\n".join(error.errors)) from error
    if access.shared_secret is None:
        raise RegistrationError("the configuration has no registration_shared_secret; set one and restart the server")
    return access.shared_secret, access.server_url


def _ask(given: argparse.Namespace) -> NewUser:
    user = given.user or _ask_user()
    password = _given_password(given)
    if password is None:
        password = _ask_password()
    admin = given.admin
    if admin is None:
        admin = input("Make admin [no]: ").strip().lower() in ("y", "yes", "true")
    return NewUser(user=user, password=password, admin=admin, user_type=given.user_type)


def _given_password(given: argparse.Namespace) -> str | None:
    if given.password_file is None:
        return None if given.password is None else str(given.password)
    try:
        # The newline that an editor adds is not meant.
        password = Path(given.password_file).read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise RegistrationError(f"cannot read the password from {given.password_file}: {error}") from error
    if not password:
        raise RegistrationError(f"{given.password_file} is empty")
    return password


def _ask_user() -> str:
    try:
        suggestion = getpass.getuser()
    except (OSError, KeyError):  # a user without a name, as in some containers
        suggestion = ""
    answer = input(f"New user localpart [{suggestion}]: " if suggestion else "New user localpart: ").strip()
    user = answer or suggestion
    if not user:
        raise RegistrationError("a name is needed")
    return user


def _ask_password() -> str:
    password = getpass.getpass("Password: ")
    if not password:
        raise RegistrationError("a password is needed")
    if getpass.getpass("Confirm password: ") != password:
        raise RegistrationError("the two passwords differ")
    return password


class _Parser(argparse.ArgumentParser):
    """A mistake is one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message} ({self.prog} --help says more)\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="register_new_matrix_user",
        description="Make an account on a homeserver. What is not given is asked for.",
        allow_abbrev=False,
    )
    parser.add_argument("-u", "--user", metavar="NAME", help="name of the account, without @ and domain")
    passwords = parser.add_mutually_exclusive_group()
    passwords.add_argument("-p", "--password", help="its password; other people of this machine may see it")
    passwords.add_argument("--password-file", metavar="FILE", help="file with the password")
    parser.add_argument("-t", "--user_type", metavar="TYPE", help="type of the user, such as bot or support")
    admins = parser.add_mutually_exclusive_group()
    admins.add_argument("-a", "--admin", action="store_true", default=None, help="make an admin")
    admins.add_argument("--no-admin", action="store_false", dest="admin", default=None, help="make an ordinary user")
    parser.add_argument("--exists-ok", action="store_true", help="be content if the account exists")
    secrets = parser.add_mutually_exclusive_group(required=True)
    secrets.add_argument(
        "-c", "--config", action="append", metavar="FILE", help="configuration of the server, for secret and address"
    )
    secrets.add_argument("-k", "--shared-secret", metavar="SECRET", help="its registration_shared_secret")
    parser.add_argument("server_url", nargs="?", help=f"where clients reach the server ({DEFAULT_URL})")
    return parser


if __name__ == "__main__":
    sys.exit(main())
