"""Who may name rooms and publish them: the rules of the configuration, the first that matches decides.

Configuration: `alias_creation_rules`, `room_list_publication_rules`.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from ranvier.config.room_sections import DirectoryRule
from ranvier.proto.globs import Matcher, compile_glob


@dataclass(frozen=True, slots=True)
class _Compiled:
    user_id: Matcher
    room_id: Matcher
    alias: Matcher
    any_alias: bool
    allows: bool


class DirectoryRules:
    """One list of rules; `None` allows everything, an empty list nothing."""

    def __init__(self, rules: Sequence[DirectoryRule] | None) -> None:
        self._rules: list[_Compiled] | None = None
        if rules is not None:
            self._rules = [
                _Compiled(
                    user_id=compile_glob(rule.user_id),
                    room_id=compile_glob(rule.room_id),
                    alias=compile_glob(rule.alias),
                    any_alias=rule.alias == "*",
                    allows=rule.action == "allow",
                )
                for rule in rules
            ]

    def allow(self, *, user_id: str, room_id: str, aliases: Collection[str]) -> bool:
        """Whether the user may. A rule about aliases matches if any of them does; `*` matches also if there is none."""
        if self._rules is None:
            return True
        for rule in self._rules:
            matches_alias = rule.any_alias or any(rule.alias(alias) for alias in aliases)
            if matches_alias and rule.user_id(user_id) and rule.room_id(room_id):
                return rule.allows
        return False
