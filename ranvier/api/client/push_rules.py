"""`GET /pushrules/`: when a user wants to be notified. Spec: client-server API, "Push Rules"."""

import msgspec

from ranvier.http.request import Request
from ranvier.http.response import Response, json_response
from ranvier.http.route import Auth, Route, paths, routes
from ranvier.proto.push_rules import NO_USER_RULES, Ruleset, ruleset_of


class Rulesets(msgspec.Struct):
    """There is only the global one."""

    global_: Ruleset = msgspec.field(name="global")


class PushRulesApi:
    """The rules of the server, which are everybody's as long as nobody can change them."""

    def routes(self) -> list[Route]:
        """The module's routes."""
        return [
            *routes(
                "GET",
                paths("/pushrules/"),
                self.all,
                auth=Auth.USER,
                answer=Rulesets,
                spec="getPushRules",
                summary="All push rules",
            ),
            *routes(
                "GET",
                paths("/pushrules/global/"),
                self.all_global,
                auth=Auth.USER,
                answer=Ruleset,
                spec="getPushRulesGlobal",
                summary="All global push rules",
            ),
        ]

    async def all(self, request: Request) -> Response:
        """Every ruleset."""
        return json_response(Rulesets(ruleset_of(NO_USER_RULES, request.requester.user_id)))

    async def all_global(self, request: Request) -> Response:
        """The global ruleset."""
        return json_response(ruleset_of(NO_USER_RULES, request.requester.user_id))
