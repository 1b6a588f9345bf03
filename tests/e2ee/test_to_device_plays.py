"""Random plays of senders, readers, restarts and tidying: every device gets each message once, in order, unless it asks."""

import random
from collections.abc import Mapping
from typing import Any

import pytest

from tests.api.homeserver import Homeserver, running
from tests.e2ee.person import Person, log_in, register

STEPS = 60
RESTARTS = 3


class Play:
    """Three devices of one user, and what each must have got."""

    def __init__(self, number: int) -> None:
        self.random = random.Random(number)
        self.sent = 0
        self.expected: dict[str, list[int]] = {}
        self.got: dict[str, list[int]] = {}

    async def act(self, server: Homeserver, sender: Person, devices: list[Person]) -> None:
        """One step."""
        step = self.random.random()
        device = self.random.choice(devices)
        if step < 0.45:
            await self.send(sender, self.random.sample(devices, self.random.randint(1, 3)))
        elif step < 0.8:
            await self.read(device)
        elif step < 0.9:
            before = device.since
            await device.inbox()
            device.since = before
        else:
            await server.server.e2ee.inboxes.flush()

    async def send(self, sender: Person, devices: list[Person]) -> None:
        """One request, to some devices or to all."""
        self.sent += 1
        content = {"n": self.sent}
        to_all = len(devices) == 3 and self.random.random() < 0.5
        by_device = {"*": content} if to_all else {device.device_id: content for device in devices}
        (await sender.send({devices[0].user_id: by_device}, txn_id=str(self.sent))).ok()
        for device in devices:
            self.expected.setdefault(device.device_id, []).append(self.sent)

    async def read(self, device: Person) -> None:
        """What a device has not acknowledged yet."""
        self.got.setdefault(device.device_id, []).extend(content["n"] for content in await device.inbox())


@pytest.mark.parametrize("number", range(6))
async def test_a_play(db_config: Mapping[str, Any], number: int) -> None:
    play = Play(number)
    async with running(db_config) as server:
        sender = await register(server, "alice")
        first = await register(server, "bob")
        devices = [first, await log_in(server, first), await log_in(server, first)]
        for device in devices:
            await device.sync()
    for _ in range(RESTARTS):
        async with running(db_config) as server:
            sender, devices = sender.at(server), [device.at(server) for device in devices]
            for _ in range(STEPS // RESTARTS):
                await play.act(server, sender, devices)
    async with running(db_config) as server:
        for device in devices:
            await play.read(device.at(server))
    for device in devices:
        assert play.got.get(device.device_id, []) == play.expected.get(device.device_id, [])
