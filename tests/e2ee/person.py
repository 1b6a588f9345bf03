"""A person with devices that have real Ed25519 keys."""

from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from ranvier.proto.signing import SigningKey, sign_json
from ranvier.proto.unpadded_base64 import encode_base64
from tests.api.asgi import Answer, Client
from tests.api.device import Device
from tests.api.homeserver import Homeserver

PASSWORD = "correct horse"
ALGORITHMS = ["m.olm.v1.curve25519-aes-sha2", "m.megolm.v1.aes-sha2"]


def seed(name: str) -> bytes:
    return sha256(name.encode()).digest()


def public(name: str) -> str:
    """Something that looks like a Curve25519 key."""
    return encode_base64(seed(name))


class Person(Device):
    """One device of a user, with its keys."""

    def __init__(self, client: Client, device_id: str) -> None:
        super().__init__(client)
        self.device_id = device_id
        self.user_id = client.user_id
        self.key = SigningKey(f"ed25519:{device_id}", seed(f"{client.user_id} {device_id}"))

    @property
    def device_keys(self) -> dict[str, Any]:
        keys = {
            f"ed25519:{self.device_id}": encode_base64(self.key.public_key),
            f"curve25519:{self.device_id}": public(self.device_id),
        }
        unsigned = {"user_id": self.user_id, "device_id": self.device_id, "algorithms": ALGORITHMS, "keys": keys}
        return sign_json(unsigned, self.user_id, self.key)

    def one_time_key(self, name: str, **more: object) -> dict[str, Any]:
        return sign_json({"key": public(name), **more}, self.user_id, self.key)

    def one_time_keys(self, *names: str) -> dict[str, Any]:
        return {f"signed_curve25519:{name}": self.one_time_key(name) for name in names}

    def fallback_key(self, name: str) -> dict[str, Any]:
        return {f"signed_curve25519:{name}": self.one_time_key(name, fallback=True)}

    async def upload(self, **body: object) -> Answer:
        return await self.client.post("/keys/upload", body)

    async def publish(self) -> None:
        """Upload the device's identity keys."""
        (await self.upload(device_keys=self.device_keys)).ok()

    async def keys_of(self, *user_ids: str) -> Any:
        return (await self.client.post("/keys/query", {"device_keys": {user_id: [] for user_id in user_ids}})).ok()

    async def claim(self, *devices: "Person", algorithm: str = "signed_curve25519") -> Any:
        wanted: dict[str, dict[str, str]] = {}
        for device in devices:
            wanted.setdefault(device.user_id, {})[device.device_id] = algorithm
        return (await self.client.post("/keys/claim", {"one_time_keys": wanted})).ok()["one_time_keys"]

    async def claim_name(self, device: "Person") -> str | None:
        """The name of the key that is given out of one device."""
        found = (await self.claim(device)).get(device.user_id, {}).get(device.device_id, {})
        return next(iter(found)).partition(":")[2] if found else None

    async def send(self, messages: Mapping[str, Mapping[str, Any]], *, txn_id: str, type: str = "m.test") -> Answer:
        return await self.client.put(f"/sendToDevice/{type}/{txn_id}", {"messages": messages})

    async def inbox(self, **query: str) -> list[Any]:
        """The contents of the messages in the next sync."""
        events = (await self.sync(**query)).get("to_device", {}).get("events", [])
        return [event["content"] for event in events]

    async def device_lists(self) -> tuple[list[str], list[str]]:
        """`(changed, left)` of the next sync."""
        lists = (await self.sync())["device_lists"]
        return lists["changed"], lists["left"]

    async def join(self, room_id: str) -> None:
        (await self.client.act(room_id, "join")).ok()

    async def leave(self, room_id: str) -> None:
        (await self.client.act(room_id, "leave")).ok()

    async def room(self, *members: "Person") -> str:
        """A new room with these members."""
        room_id = await self.client.create_room(preset="public_chat")
        for member in members:
            await member.join(room_id)
        return room_id

    def at(self, server: Homeserver) -> "Person":
        """The same device talking to another process of its server."""
        other = Person(self.client.at(server.app), self.device_id)
        other.since = self.since
        return other

    async def confirmed(self, path: str, body: Mapping[str, Any]) -> Answer:
        """A request that asks for the password."""
        answer = await self.client.post(path, dict(body))
        assert answer.status == 401, answer.body
        auth = {
            "type": "m.login.password",
            "identifier": {"type": "m.id.user", "user": self.user_id},
            "password": PASSWORD,
            "session": answer.json["session"],
        }
        return await self.client.post(path, {**body, "auth": auth})


async def register(server: Homeserver, name: str) -> Person:
    """A new account with one device."""
    client = await server.register(name)
    device_id = (await client.get("/account/whoami")).ok()["device_id"]
    return Person(client, device_id)


async def log_in(server: Homeserver, person: Person, device_id: str | None = None) -> Person:
    """Another device of the same user."""
    body: dict[str, Any] = {
        "type": "m.login.password",
        "identifier": {"type": "m.id.user", "user": person.user_id},
        "password": PASSWORD,
    }
    if device_id is not None:
        body["device_id"] = device_id
    answer = (await server.stranger().post("/login", body)).ok()
    client = Client(server.app, token=answer["access_token"], user_id=answer["user_id"])
    return Person(client, answer["device_id"])
