"""Secrets are compared in constant time, and the log does not get them.

A comparison with `==` stops at the first difference, and tells by its duration how far somebody has guessed.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from ranvier.users.token_text import token_digest

ROOT = Path(__file__).parents[2]
SECRET = re.compile(r"(^|_)(secret|password|token|mac|hmac|digest|nonce)$")
NO_SECRETS = {
    # Typed twice by somebody at their own terminal.
    ("ranvier/cli/hash_password.py", "getpass.getpass('Confirm password: ') == password"),
    ("ranvier/register_new_matrix_user.py", "getpass.getpass('Confirm password: ') != password"),
    # Of the operator's own files, and of public keys: whether they have changed.
    ("ranvier/app/reload.py", "digest != self._digests.get(name)"),
    ("ranvier/federation/announce_devices.py", "told[device_id].digest != digest"),
    # Tokens of a parser.
    ("ranvier/db/migrate.py", "token == ';'"),
}
"""Comparisons of what is called so and is none, or is nobody else's."""


def _name(node: ast.expr) -> str:
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case ast.Call(func=func):
            return _name(func)
    return ""


def _plain_comparisons(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Compare) and any(isinstance(op, ast.Eq | ast.NotEq) for op in node.ops):
            sides = [node.left, *node.comparators]
            if any(SECRET.search(_name(side)) for side in sides):
                yield ast.unparse(node)


def test_secrets_are_compared_in_constant_time() -> None:
    found = {
        (path.relative_to(ROOT).as_posix(), comparison)
        for path in (ROOT / "ranvier").rglob("*.py")
        for comparison in _plain_comparisons(path.read_text())
    }
    assert found <= NO_SECRETS, found - NO_SECRETS


def test_the_check_finds_what_it_looks_for() -> None:
    found = list(_plain_comparisons("if given.mac == wanted: pass\nif f(x) != shared_secret: pass\nif a == b: pass"))
    assert found == ["given.mac == wanted", "f(x) != shared_secret"]


def test_tokens_are_looked_up_by_their_hash() -> None:
    """What an index compares byte by byte is a hash: who measures it learns nothing about a token."""
    assert token_digest("syt_one") != token_digest("syt_two")
    assert b"syt_one" not in token_digest("syt_one")
