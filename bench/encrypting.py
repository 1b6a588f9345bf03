"""Scenarios around end-to-end encryption: what clients ask for before and between encrypted messages.

The keys have the right form and are nobody's: a server does not check what it cannot know.
"""

import asyncio
import secrets
from base64 import b64encode
from typing import Any

from bench.measure import Operation, Scenario
from bench.target import Person, Target

OTHERS = 50
ONE_TIME_KEYS = 20


def _random(size: int = 32) -> str:
    return b64encode(secrets.token_bytes(size)).decode().rstrip("=")


def _one_time_keys(person: Person, count: int) -> dict[str, Any]:
    signatures = {person.user_id: {f"ed25519:{person.device_id}": _random(64)}}
    return {
        f"signed_curve25519:{secrets.token_hex(4)}": {"key": _random(), "signatures": signatures} for _ in range(count)
    }


def _device_keys(person: Person) -> dict[str, Any]:
    return {
        "user_id": person.user_id,
        "device_id": person.device_id,
        "algorithms": ["m.olm.v1.curve25519-aes-sha2", "m.megolm.v1.aes-sha2"],
        "keys": {f"{kind}:{person.device_id}": _random() for kind in ("curve25519", "ed25519")},
        "signatures": {person.user_id: {f"ed25519:{person.device_id}": _random(64)}},
    }


async def _people(target: Target, one_time_keys: int = 0) -> list[Person]:
    people = [await target.person() for _ in range(OTHERS + 1)]
    for person in people:
        body = {"device_keys": _device_keys(person), "one_time_keys": _one_time_keys(person, one_time_keys)}
        await person.ask("POST", "/keys/upload", body)
    return people


async def _upload(target: Target) -> Operation:
    people = [await target.person() for _ in range(OTHERS)]

    async def upload(number: int) -> None:
        person = people[number % OTHERS]
        await person.ask("POST", "/keys/upload", {"one_time_keys": _one_time_keys(person, ONE_TIME_KEYS)})

    return upload


async def _query(target: Target) -> Operation:
    people = await _people(target)
    body: dict[str, Any] = {"device_keys": {person.user_id: [] for person in people}}
    return lambda _: people[0].ask("POST", "/keys/query", body)


async def _claim(target: Target) -> Operation:
    people = await _people(target, one_time_keys=40)
    body = {"one_time_keys": {person.user_id: {person.device_id: "signed_curve25519"} for person in people[1:]}}
    return lambda _: people[0].ask("POST", "/keys/claim", body)


async def _to_device(target: Target) -> Operation:
    people = await _people(target)
    for person in people:
        await person.sync()
    content = {"algorithm": "m.olm.v1.curve25519-aes-sha2", "ciphertext": _random(450), "sender_key": _random()}
    body: dict[str, Any] = {"messages": {person.user_id: {person.device_id: content} for person in people[1:]}}

    async def send_and_fetch(number: int) -> None:
        await people[0].ask("PUT", f"/sendToDevice/m.room.encrypted/d{number}", body)
        await asyncio.gather(*(person.sync() for person in people[1:]))

    return send_and_fetch


def scenarios() -> list[Scenario]:
    """All of them."""
    return [
        Scenario(f"keys/upload, {ONE_TIME_KEYS} keys", _upload, 25),
        Scenario(f"keys/query, {OTHERS + 1} users", _query, 20),
        Scenario(f"keys/claim, {OTHERS} devices", _claim, 6),
        Scenario(f"sendToDevice to {OTHERS}, and they fetch it", _to_device, 3),
    ]
