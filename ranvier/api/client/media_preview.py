"""`/media/preview_url`. Spec: client-server API, "Content repository"."""

from typing import Any

import msgspec

from ranvier.api.client.media_download import LEGACY
from ranvier.http.request import Request
from ranvier.http.response import Response, json_bytes
from ranvier.http.route import Route, paths, routes
from ranvier.media.previews import Previews


class PreviewQuery(msgspec.Struct):
    """Which page. The newest of an hour is shown, whatever moment `ts` names."""

    url: str
    ts: int | None = None


class MediaPreviewApi:
    """Shows previews of pages."""

    def __init__(self, *, previews: Previews) -> None:
        self._previews = previews

    def routes(self) -> list[Route]:
        """The module's routes."""
        at = ("/_matrix/client/v1/media/preview_url", *paths("/preview_url", versions=LEGACY, api="media"))
        return routes(
            "GET",
            at,
            self.preview,
            resource="media",
            query=PreviewQuery,
            answer=dict[str, Any],
            spec="getUrlPreviewAuthed",
            summary="What a web page says about itself",
        )

    async def preview(self, request: Request) -> Response:
        """As it was made."""
        return json_bytes(await self._previews.of(request.query(PreviewQuery).url))
