"""`/pushers`: who is told of the user's notifications. Spec: client-server API, "Push Notifications"."""

from typing import Any

import msgspec
import orjson

from ranvier.http.request import Request
from ranvier.http.response import EMPTY_OBJECT, Nothing, Response, json_response
from ranvier.http.route import Auth, Route, paths, routes
from ranvier.store.pushers import PusherRow
from ranvier.users.pushers import Pushers, PusherWish


class Pusher(msgspec.Struct, omit_defaults=True):
    """One of the user's."""

    app_id: str
    pushkey: str
    kind: str
    app_display_name: str
    device_display_name: str
    lang: str
    data: dict[str, Any]
    profile_tag: str | None = None


class PusherList(msgspec.Struct):
    """All of them."""

    pushers: list[Pusher]


class PusherChange(msgspec.Struct):
    """A pusher to be made, changed or (without a kind) deleted."""

    app_id: str
    pushkey: str
    kind: str | None
    app_display_name: str | None = None
    device_display_name: str | None = None
    profile_tag: str | None = None
    lang: str | None = None
    data: dict[str, Any] | None = None
    append: bool = False


class PushersApi:
    """The user's own."""

    def __init__(self, *, pushers: Pushers) -> None:
        self._pushers = pushers

    def routes(self) -> list[Route]:
        """The module's routes."""
        return [
            *routes(
                "GET", paths("/pushers"), self.all, auth=Auth.USER, answer=PusherList,
                spec="getPushers", summary="Who is told of the user's notifications",
            ),
            *routes(
                "POST", paths("/pushers/set"), self.set, auth=Auth.USER, body=PusherChange, answer=Nothing,
                spec="postPusher", summary="Let somebody be told, or no more",
            ),
        ]  # fmt: skip

    async def all(self, request: Request) -> Response:
        """Those that the user has."""
        rows = await self._pushers.of(request.requester.user_id)
        return json_response({"pushers": [shown_pusher(row) for row in rows]})

    async def set(self, request: Request) -> Response:
        """Raises what `Pushers.set` raises."""
        wanted = request.json(PusherChange)
        await self._pushers.set(
            request.requester.user_id,
            PusherWish(
                app_id=wanted.app_id,
                pushkey=wanted.pushkey,
                kind=wanted.kind,
                app_display_name=wanted.app_display_name,
                device_display_name=wanted.device_display_name,
                profile_tag=wanted.profile_tag,
                lang=wanted.lang,
                data=wanted.data,
                append=wanted.append,
            ),
        )
        return EMPTY_OBJECT


def shown_pusher(row: PusherRow) -> dict[str, Any]:
    """A pusher as its user, and administrators, see it."""
    return {
        "app_id": row.app_id,
        "pushkey": row.pushkey,
        "kind": row.kind,
        "app_display_name": row.app_display_name,
        "device_display_name": row.device_display_name,
        "lang": row.lang,
        "data": orjson.loads(row.data),
        "profile_tag": row.profile_tag,
    }
