"""`/user/{userId}/filter`. Spec: client-server API, "Filtering"."""

from typing import Any

import msgspec

from ranvier.http.request import Request
from ranvier.http.response import Response, json_bytes, json_response
from ranvier.http.route import Auth, Route, paths, routes
from ranvier.proto.filters import Filter, parse_filter
from ranvier.users.filters import Filters


class FilterId(msgspec.Struct):
    """The name of a stored filter."""

    filter_id: str


class FiltersApi:
    """Storing filters and reading them back."""

    def __init__(self, *, filters: Filters) -> None:
        self._filters = filters

    def routes(self) -> list[Route]:
        """The module's routes."""
        return [
            *routes(
                "POST",
                paths("/user/{user_id}/filter"),
                self.add,
                auth=Auth.USER,
                body=Filter,
                answer=FilterId,
                spec="defineFilter",
                summary="Store a filter",
            ),
            *routes(
                "GET",
                paths("/user/{user_id}/filter/{filter_id}"),
                self.get,
                auth=Auth.USER,
                answer=dict[str, Any],
                spec="getFilter",
                summary="A stored filter",
            ),
        ]

    async def add(self, request: Request) -> Response:
        """Store a filter that is well formed; keys that nobody knows are kept."""
        definition = request.json_object()
        parse_filter(definition)
        filter_id = await self._filters.add(request.requester, request.params["user_id"], definition)
        return json_response(FilterId(filter_id))

    async def get(self, request: Request) -> Response:
        """The filter as it was stored."""
        params = request.params
        return json_bytes(await self._filters.get(request.requester, params["user_id"], params["filter_id"]))
