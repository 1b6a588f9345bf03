"""`/room_keys/...`. Spec: client-server API, "Server-side key backups"."""

from typing import Any

import msgspec
import orjson

from ranvier.e2ee.backup_format import BackedUpRoom, KeyBackupData, to_json
from ranvier.e2ee.key_backup import BackupState, KeyBackups, rooms_of
from ranvier.http.request import Request
from ranvier.http.response import EMPTY_OBJECT, Nothing, Response, json_response
from ranvier.http.route import Route, paths, routes
from ranvier.store.key_backup import BackedUpKey, BackupVersion

MAX_KEYS_BYTES = 16 << 20
"""Clients back up a hundred keys or so at once; an export may be imported whole."""


class NewVersion(msgspec.Struct):
    """How a backup is encrypted."""

    algorithm: str
    auth_data: dict[str, Any]


class ChangedVersion(msgspec.Struct):
    """The body of `PUT /room_keys/version/{version}`."""

    algorithm: str
    auth_data: dict[str, Any]
    version: str | None = None


class VersionCreated(msgspec.Struct):
    """The name of the new version."""

    version: str


class Version(msgspec.Struct):
    """A version, for the OpenAPI document."""

    algorithm: str
    auth_data: dict[str, Any]
    count: int
    etag: str
    version: str


class Rooms(msgspec.Struct):
    """Keys by room."""

    rooms: dict[str, BackedUpRoom]


class InVersion(msgspec.Struct):
    """The query string of everything about keys."""

    version: str


class KeyBackupApi:
    """The user's backups."""

    def __init__(self, *, backups: KeyBackups) -> None:
        self._backups = backups

    def routes(self) -> list[Route]:
        """The module's routes."""
        return [*self._version_routes(), *self._key_routes()]

    def _version_routes(self) -> list[Route]:
        newest, one = paths("/room_keys/version"), paths("/room_keys/version/{version}")
        return [
            *routes(
                "POST",
                newest,
                self.create,
                body=NewVersion,
                answer=VersionCreated,
                spec="postRoomKeysVersion",
                summary="Begin a new version of the backup",
            ),
            *routes(
                "GET",
                newest,
                self.get_version,
                answer=Version,
                spec="getRoomKeysVersionCurrent",
                summary="The current version of the backup",
            ),
            *routes(
                "GET",
                one,
                self.get_version,
                answer=Version,
                spec="getRoomKeysVersion",
                summary="A version of the backup",
            ),
            *routes(
                "PUT",
                one,
                self.put_version,
                body=ChangedVersion,
                answer=Nothing,
                spec="putRoomKeysVersion",
                summary="Change how a version of the backup is encrypted",
            ),
            *routes(
                "DELETE",
                one,
                self.delete_version,
                answer=Nothing,
                spec="deleteRoomKeysVersion",
                summary="Delete a version of the backup with its keys",
            ),
        ]

    def _key_routes(self) -> list[Route]:
        found = []
        for suffix, kind, name, what in (
            ("", Rooms, "RoomKeys", "all keys"),
            ("/{room_id}", BackedUpRoom, "RoomKeysByRoomId", "the keys of a room"),
            ("/{room_id}/{session_id}", KeyBackupData, "RoomKeyBySessionId", "one key"),
        ):
            at = paths(f"/room_keys/keys{suffix}")
            put, get = {
                "": (self.put_all, self.get_all),
                "/{room_id}": (self.put_room, self.get_room),
                "/{room_id}/{session_id}": (self.put_one, self.get_one),
            }[suffix]
            found += routes(
                "PUT",
                at,
                put,
                body=kind,
                query=InVersion,
                answer=BackupState,
                body_limit_bytes=MAX_KEYS_BYTES,
                spec=f"put{name}",
                summary=f"Back up {what}",
            )
            found += routes(
                "GET", at, get, query=InVersion, answer=kind, spec=f"get{name}", summary=f"Read {what} from the backup"
            )
            found += routes(
                "DELETE",
                at,
                self.delete_keys,
                query=InVersion,
                answer=BackupState,
                spec=f"delete{name}",
                summary=f"Delete {what} from the backup",
            )
        return found

    async def create(self, request: Request) -> Response:
        """Begin a new version."""
        body = request.json(NewVersion)
        version = await self._backups.create(request.requester.user_id, body.algorithm, body.auth_data)
        return json_response(VersionCreated(version))

    async def get_version(self, request: Request) -> Response:
        """The named version, or the current one."""
        return json_response(
            _version_json(await self._backups.version(request.requester.user_id, request.params.get("version")))
        )

    async def put_version(self, request: Request) -> Response:
        """Change how a version is encrypted."""
        body = request.json(ChangedVersion)
        await self._backups.update(
            request.requester.user_id, request.params["version"], body.algorithm, body.auth_data, named=body.version
        )
        return EMPTY_OBJECT

    async def delete_version(self, request: Request) -> Response:
        """Delete a version with its keys."""
        await self._backups.delete(request.requester.user_id, request.params["version"])
        return EMPTY_OBJECT

    async def put_all(self, request: Request) -> Response:
        """Back up keys of several rooms."""
        return await self._put(request, request.json(Rooms).rooms)

    async def put_room(self, request: Request) -> Response:
        """Back up keys of a room."""
        return await self._put(request, {request.params["room_id"]: request.json(BackedUpRoom)})

    async def put_one(self, request: Request) -> Response:
        """Back up one key."""
        room = BackedUpRoom({request.params["session_id"]: request.json(KeyBackupData)})
        return await self._put(request, {request.params["room_id"]: room})

    async def get_all(self, request: Request) -> Response:
        """Every key."""
        found = rooms_of(await self._keys(request, None))
        return json_response({"rooms": {room_id: _sessions(keys) for room_id, keys in found.items()}})

    async def get_room(self, request: Request) -> Response:
        """The keys of a room."""
        return json_response(_sessions(await self._keys(request, request.params["room_id"])))

    async def get_one(self, request: Request) -> Response:
        """One key."""
        params = request.params
        version = request.query(InVersion).version
        key = await self._backups.key(request.requester.user_id, version, params["room_id"], params["session_id"])
        return json_response(to_json(key))

    async def delete_keys(self, request: Request) -> Response:
        """Delete all keys, those of a room, or one, as the path says."""
        params = request.params
        return json_response(
            await self._backups.delete_keys(
                request.requester.user_id,
                request.query(InVersion).version,
                params.get("room_id"),
                params.get("session_id"),
            )
        )

    async def _put(self, request: Request, rooms: dict[str, BackedUpRoom]) -> Response:
        version = request.query(InVersion).version
        return json_response(await self._backups.put_keys(request.requester.user_id, version, rooms))

    async def _keys(self, request: Request, room_id: str | None) -> list[BackedUpKey]:
        version = request.query(InVersion).version
        return list(await self._backups.keys(request.requester.user_id, version, room_id))


def _sessions(keys: list[BackedUpKey]) -> dict[str, Any]:
    return {"sessions": {key.session_id: to_json(key) for key in keys}}


def _version_json(version: BackupVersion) -> dict[str, Any]:
    return {
        "algorithm": version.algorithm,
        "auth_data": orjson.Fragment(version.auth_data),
        "count": version.key_count,
        "etag": str(version.etag),
        "version": str(version.version),
    }
