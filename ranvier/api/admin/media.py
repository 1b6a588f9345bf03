"""Single media, and the removal of old ones. Manual: admin API, "Media"."""

from typing import Annotated

import msgspec
from msgspec import Meta

from ranvier.api.admin.paging import GREATEST, Time
from ranvier.http.request import Request
from ranvier.http.response import EMPTY_OBJECT, Nothing, Response, json_response
from ranvier.http.route import Auth, Route, routes
from ranvier.media.administration import MediaAdministration
from ranvier.proto.errors import invalid_param
from ranvier.proto.mxc import Mxc
from ranvier.store.media import Medium

API = "/_synapse/admin/v1"
EARLIEST_TS = 30 * 365 * 24 * 3_600_000
"""Of the end of 1999: what is smaller is seconds, taken for milliseconds."""


class OldQuery(msgspec.Struct):
    """Which are old, and large."""

    before_ts: Time
    size_gt: Annotated[int, Meta(ge=0, le=GREATEST)] = 0
    keep_profiles: bool = True


class BeforeQuery(msgspec.Struct):
    """Which are old."""

    before_ts: Time


class FromQuery(msgspec.Struct):
    """After which change."""

    since: Time = msgspec.field(default=0, name="from")


class DeletedMedia(msgspec.Struct):
    """What is gone."""

    deleted_media: list[str]
    total: int


class DeletedCount(msgspec.Struct):
    """How many are gone."""

    deleted: int


class MediaInfo(msgspec.Struct):
    """What is known of a medium."""

    media_origin: str
    media_id: str
    user_id: str | None
    media_type: str
    media_length: int | None
    upload_name: str | None
    created_ts: int
    last_access_ts: int
    quarantined_by: str | None
    safe_from_quarantine: bool
    authenticated: bool


class FoundMedia(msgspec.Struct):
    """One of them."""

    media_info: MediaInfo


class Change(msgspec.Struct):
    """What became of one of them."""

    origin: str
    media_id: str
    quarantined: bool


class Changes(msgspec.Struct):
    """What was quarantined and released, and from where to go on."""

    next_batch: int
    changes: list[Change]


class AdminMediaApi:
    """Looks at media, and changes them."""

    def __init__(self, *, media: MediaAdministration) -> None:
        self._media = media

    def routes(self) -> list[Route]:
        """The module's routes."""
        one = "{server_name}/{media_id}"
        return [
            *routes("GET", f"{API}/media/quarantine_changes", self.changes, auth=Auth.ADMIN, query=FromQuery,
                answer=Changes, summary="What was quarantined and released"),
            *routes("GET", f"{API}/media/{one}", self.info, auth=Auth.ADMIN, answer=FoundMedia,
                summary="What is known of a medium"),
            *routes("DELETE", f"{API}/media/{one}", self.delete, auth=Auth.ADMIN, answer=DeletedMedia,
                summary="Delete a medium of this server"),
            *routes("POST", f"{API}/media/quarantine/{one}", self.quarantine, auth=Auth.ADMIN, answer=Nothing,
                summary="Show a medium to nobody"),
            *routes("POST", f"{API}/media/unquarantine/{one}", self.release, auth=Auth.ADMIN, answer=Nothing,
                summary="Show a medium again"),
            *routes("POST", f"{API}/media/protect/{{media_id}}", self.protect, auth=Auth.ADMIN, answer=Nothing,
                summary="Keep a medium from being quarantined"),
            *routes("POST", f"{API}/media/unprotect/{{media_id}}", self.unprotect, auth=Auth.ADMIN, answer=Nothing,
                summary="Let a medium be quarantined"),
            *routes("POST", (f"{API}/media/delete", f"{API}/media/{{server_name}}/delete"), self.delete_old,
                auth=Auth.ADMIN, query=OldQuery, answer=DeletedMedia,
                summary="Delete media of this server that nobody has asked for since a moment"),
            *routes("POST", f"{API}/purge_media_cache", self.purge, auth=Auth.ADMIN, query=BeforeQuery,
                answer=DeletedCount, summary="Delete copies that nobody has asked for since a moment"),
        ]  # fmt: skip

    async def changes(self, request: Request) -> Response:
        """At most 100 at once."""
        since = request.query(FromQuery).since
        found = await self._media.changes(since)
        last = found[-1][0] if found else since
        return json_response(Changes(last, [Change(server, media_id, on) for _, server, media_id, on in found]))

    async def info(self, request: Request) -> Response:
        """404 if it is not here."""
        return json_response(FoundMedia(_info(await self._media.get(_name(request)))))

    async def delete(self, request: Request) -> Response:
        """Only ours."""
        name = _name(request)
        if name.server_name != self._media.server_name:
            raise invalid_param("Only media of this server can be deleted")
        gone = await self._media.delete([await self._media.get(name)])
        return json_response(DeletedMedia(gone, len(gone)))

    async def quarantine(self, request: Request) -> Response:
        """Nothing happens to what is protected. 404 for one of ours that is not there."""
        name = _name(request)
        if name.server_name == self._media.server_name:
            await self._media.get(name)
        await self._media.quarantine([name], request.requester.user_id)
        return EMPTY_OBJECT

    async def release(self, request: Request) -> Response:
        """404 if it is not here."""
        await self._media.release(_name(request))
        return EMPTY_OBJECT

    async def protect(self, request: Request) -> Response:
        """404 if it is not here."""
        await self._media.protect(request.params["media_id"], protected=True)
        return EMPTY_OBJECT

    async def unprotect(self, request: Request) -> Response:
        """404 if it is not here."""
        await self._media.protect(request.params["media_id"], protected=False)
        return EMPTY_OBJECT

    async def delete_old(self, request: Request) -> Response:
        """The older path names this server, and no other."""
        query = request.query(OldQuery)
        if request.params.get("server_name", self._media.server_name) != self._media.server_name:
            raise invalid_param("Only media of this server can be deleted")
        _check_moment(query.before_ts)
        gone = await self._media.delete_old_local(
            before_ts=query.before_ts, larger_than=query.size_gt, keeps_avatars=query.keep_profiles
        )
        return json_response(DeletedMedia(gone, len(gone)))

    async def purge(self, request: Request) -> Response:
        """They can be fetched again."""
        before_ts = request.query(BeforeQuery).before_ts
        _check_moment(before_ts)
        return json_response(DeletedCount(await self._media.delete_old_remote(before_ts=before_ts)))


def _check_moment(before_ts: int) -> None:
    if before_ts < EARLIEST_TS:
        raise invalid_param("before_ts must be in milliseconds")


def _name(request: Request) -> Mxc:
    return Mxc(request.params["server_name"], request.params["media_id"])


def _info(medium: Medium) -> MediaInfo:
    return MediaInfo(
        media_origin=medium.server_name,
        media_id=medium.media_id,
        user_id=medium.user_id,
        media_type=medium.content_type,
        media_length=medium.size_bytes,
        upload_name=medium.upload_name,
        created_ts=medium.created_ts,
        last_access_ts=medium.last_access_ts,
        quarantined_by=medium.quarantined_by,
        safe_from_quarantine=medium.is_protected,
        authenticated=medium.needs_token,
    )
