"""Hashes of passwords, and the text of tokens."""

import asyncio
import zlib

import bcrypt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ranvier.users.passwords import Passwords
from ranvier.users.text import is_storable
from ranvier.users.token_text import new_access_token, random_letters, token_digest
from tests.users.world import SeededRandom, configuration


def _passwords(rounds: int = 12, pepper: str = "") -> Passwords:
    return Passwords(config=configuration(password_config={"pepper": pepper}).password_config, bcrypt_rounds=rounds)


async def test_new_hashes_are_argon2id() -> None:
    passwords = _passwords(pepper="pepper")
    stored = await passwords.hash("sécret")
    assert stored.startswith("$argon2id$")
    assert await passwords.matches("sécret", stored)
    assert await passwords.matches("se\u0301cret", stored)  # the same letters, composed otherwise
    assert not await passwords.matches("secret", stored)
    assert not await _passwords(pepper="other").matches("sécret", stored)


async def test_bcrypt_hashes_are_accepted() -> None:
    stored = bcrypt.hashpw("sécretpepper".encode(), bcrypt.gensalt(4)).decode()
    assert await _passwords(pepper="pepper").matches("sécret", stored)
    assert not await _passwords().matches("sécret", stored)


@pytest.mark.parametrize(
    "stored",
    [
        "$argon2id$v=19$m=19456,t=2,p=1$anU97VWLjqiOIcAdISdnWA$pdYHO5GxQIba41rJrluQVy25JnXSyTxbTm1zIT6WeTc",
        "$argon2id$v=19$m=65536,t=3,p=4$YwOyhBREPals0mNvTG5YBA$LDZXVFu1w3EE+Cgpxtetfet5PqGFMd5RCS7Fo6lddK8",
    ],
)
async def test_argon2id_hashes_of_any_strength_are_accepted(stored: str) -> None:
    assert await _passwords().matches("sécret", stored)
    assert not await _passwords().matches("secret", stored)


async def test_few_rounds_mean_cheap_hashes() -> None:
    passwords = _passwords(rounds=4)
    stored = await passwords.hash("x" * 100)
    assert stored.startswith("$2b$04$")
    assert await passwords.matches("x" * 100, stored)


@pytest.mark.parametrize("stored", [None, "", "nonsense", "$2b$", "$2b$04$short", "$argon2id$nonsense"])
async def test_what_is_no_hash_matches_nothing(stored: str | None) -> None:
    passwords = _passwords(rounds=4)
    assert not await passwords.matches("x", stored)
    assert not await passwords.matches("", stored)


async def test_hashing_does_not_block_the_loop() -> None:
    passwords = _passwords()
    hashing = asyncio.create_task(passwords.hash("x"))
    for _ in range(3):
        await asyncio.sleep(0)
    assert not hashing.done()
    await hashing


@given(st.text())
def test_is_storable_agrees_with_utf_8(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        assert not is_storable(text)
    else:
        assert is_storable(text) is ("\0" not in text)


def test_access_tokens_carry_a_checksum() -> None:
    token = new_access_token("alice", SeededRandom())
    text, _, checksum = token.rpartition("_")
    alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
    number = 0
    for digit in checksum:
        number = number * 62 + alphabet.index(digit)
    assert number == zlib.crc32(text.encode())
    assert len(token_digest(token)) == 32


@given(st.integers(0, 40), st.text(st.characters(codec="ascii"), min_size=1, max_size=70))
def test_random_letters(count: int, alphabet: str) -> None:
    letters = random_letters(SeededRandom(), count, alphabet)
    assert len(letters) == count
    assert set(letters) <= set(alphabet)
