"""`/pushrules`: when a user wants to be notified. Spec: client-server API, "Push Rules: API"."""

from typing import Any

import msgspec

from ranvier.http.request import Request
from ranvier.http.response import EMPTY_OBJECT, Nothing, Response, json_response
from ranvier.http.route import Auth, Route, paths, routes
from ranvier.proto.errors import invalid_param, not_found
from ranvier.proto.push_edit import delete_rule, put_rule, set_actions, set_enabled
from ranvier.proto.push_rules import KINDS, Kind, Rule, Ruleset
from ranvier.users.push_rules import PushRules, Rulesets


class NewRule(msgspec.Struct):
    """The body that adds or replaces a rule."""

    actions: list[Any]
    conditions: list[Any] | None = None
    pattern: str | None = None


class Neighbours(msgspec.Struct):
    """Where a rule is to stand among those of its kind."""

    before: str | None = None
    after: str | None = None


class Enabled(msgspec.Struct):
    """Whether a rule is in force."""

    enabled: bool


class ActionList(msgspec.Struct):
    """What a rule does."""

    actions: list[Any]


class PushRulesApi:
    """Reading and changing one's rules."""

    def __init__(self, *, push_rules: PushRules) -> None:
        self._push_rules = push_rules

    def routes(self) -> list[Route]:
        """The module's routes."""
        one = paths("/pushrules/global/{kind}/{rule_id}")
        enabled = paths("/pushrules/global/{kind}/{rule_id}/enabled")
        actions = paths("/pushrules/global/{kind}/{rule_id}/actions")
        user = Auth.USER
        return [
            *routes(
                "GET", paths("/pushrules/"), self.all, auth=user, answer=Rulesets,
                spec="getPushRules", summary="All push rules",
            ),
            *routes(
                "GET", paths("/pushrules/global/"), self.all_global, auth=user, answer=Ruleset,
                spec="getPushRulesGlobal", summary="All global push rules",
            ),
            *routes("GET", one, self.get, auth=user, answer=Rule, spec="getPushRule", summary="One push rule"),
            *routes(
                "PUT", one, self.put, auth=user, body=NewRule, query=Neighbours, answer=Nothing,
                spec="setPushRule", summary="Add or replace a push rule",
            ),
            *routes("DELETE", one, self.delete, auth=user, answer=Nothing, spec="deletePushRule", summary="Remove a push rule"),
            *routes(
                "GET", enabled, self.get_enabled, auth=user, answer=Enabled,
                spec="isPushRuleEnabled", summary="Whether a push rule is in force",
            ),
            *routes(
                "PUT", enabled, self.put_enabled, auth=user, body=Enabled, answer=Nothing,
                spec="setPushRuleEnabled", summary="Enable or disable a push rule",
            ),
            *routes(
                "GET", actions, self.get_actions, auth=user, answer=ActionList,
                spec="getPushRuleActions", summary="What a push rule does",
            ),
            *routes(
                "PUT", actions, self.put_actions, auth=user, body=ActionList, answer=Nothing,
                spec="setPushRuleActions", summary="Change what a push rule does",
            ),
        ]  # fmt: skip

    async def all(self, request: Request) -> Response:
        """Every ruleset."""
        return json_response(Rulesets(await self._push_rules.of(request.requester.user_id)))

    async def all_global(self, request: Request) -> Response:
        """The global ruleset."""
        return json_response(await self._push_rules.of(request.requester.user_id))

    async def get(self, request: Request) -> Response:
        """One rule."""
        return json_response(await self._rule(request))

    async def get_enabled(self, request: Request) -> Response:
        """Whether a rule is in force."""
        return json_response(Enabled((await self._rule(request)).enabled))

    async def get_actions(self, request: Request) -> Response:
        """What a rule does."""
        return json_response(ActionList(list((await self._rule(request)).actions)))

    async def put(self, request: Request) -> Response:
        """Add a rule, or replace the one that has this id."""
        kind, rule_id = _names(request)
        body, place = request.json(NewRule), request.query(Neighbours)
        await self._push_rules.change(
            request.requester.user_id,
            lambda rules: put_rule(
                rules,
                kind,
                rule_id,
                actions=body.actions,
                conditions=body.conditions,
                pattern=body.pattern,
                before=place.before,
                after=place.after,
            ),
        )
        return EMPTY_OBJECT

    async def delete(self, request: Request) -> Response:
        """Remove a rule of the user's own."""
        kind, rule_id = _names(request)
        await self._push_rules.change(request.requester.user_id, lambda rules: delete_rule(rules, kind, rule_id))
        return EMPTY_OBJECT

    async def put_enabled(self, request: Request) -> Response:
        """Enable or disable a rule."""
        kind, rule_id = _names(request)
        enabled = request.json(Enabled).enabled
        await self._push_rules.change(
            request.requester.user_id, lambda rules: set_enabled(rules, kind, rule_id, enabled=enabled)
        )
        return EMPTY_OBJECT

    async def put_actions(self, request: Request) -> Response:
        """Change what a rule does."""
        kind, rule_id = _names(request)
        actions = request.json(ActionList).actions
        await self._push_rules.change(
            request.requester.user_id, lambda rules: set_actions(rules, kind, rule_id, actions)
        )
        return EMPTY_OBJECT

    async def _rule(self, request: Request) -> Rule:
        kind, rule_id = _names(request)
        rule = (await self._push_rules.of(request.requester.user_id)).find(kind, rule_id)
        if rule is None:
            raise not_found("The push rule was not found")
        return rule


def _names(request: Request) -> tuple[Kind, str]:
    """The kind and the id of a rule. Raises 400 `M_INVALID_PARAM` for a kind that does not exist."""
    wanted = request.params["kind"]
    for kind in KINDS:
        if wanted == kind:
            return kind, request.params["rule_id"]
    raise invalid_param("The kind of a push rule is override, content, room, sender or underride")
