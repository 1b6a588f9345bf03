"""When each user wants to be notified: their push rules, stored, changed, and compiled for evaluation.

Spec: client-server API, "Push Rules". Every change is also a change of `m.push_rules` in the user's account data, whose
content is not stored there: it is made of the rules when it is read.
"""

from collections import OrderedDict
from collections.abc import Callable
from typing import Final

import msgspec

from ranvier.db.engine import Database
from ranvier.proto.errors import MatrixError, bad_json
from ranvier.proto.push_evaluate import DEFAULT_COMPILED, CompiledRules, compile_rules
from ranvier.proto.push_rules import NO_USER_RULES, Ruleset, UserRules, ruleset_of
from ranvier.store import push_rules as store
from ranvier.users.account_data import AccountData, AccountDataChange

PUSH_RULES: Final = "m.push_rules"
USERS: Final = 20_000
MAX_BYTES: Final = 512 * 1024
"""The most that the rules of one user may take."""


class Rulesets(msgspec.Struct):
    """All rules of a user, as clients see them: there is only the global set."""

    global_: Ruleset = msgspec.field(name="global")


class PushRules:
    """The rules of everyone; those of users who were active lately are in memory."""

    def __init__(self, *, db: Database, account_data: AccountData) -> None:
        self._db = db
        self._account_data = account_data
        self._rules: OrderedDict[str, tuple[UserRules, CompiledRules]] = OrderedDict()
        self._changes = 0
        account_data.derived[PUSH_RULES] = self.content

    async def of(self, user_id: str) -> Ruleset:
        """All rules of a user. One statement the first time, then none."""
        return ruleset_of((await self._find(user_id))[0], user_id)

    async def content(self, user_id: str) -> bytes:
        """The content of `m.push_rules`."""
        return msgspec.json.encode(Rulesets(await self.of(user_id)))

    async def compiled(self, user_id: str) -> CompiledRules:
        """The rules, to be evaluated. One statement the first time, then none."""
        return (await self._find(user_id))[1]

    async def change(self, user_id: str, edit: Callable[[UserRules], UserRules]) -> None:
        """Replace the rules by what `edit`, a function of `proto.push_edit`, makes of them. One transaction.

        Raises what `edit` raises, and 413 `M_TOO_LARGE`.
        """
        position = self._account_data.positions.take()
        change = AccountDataChange(user_id, None, PUSH_RULES, b"{}", position)
        try:
            async with self._db.write() as tx:
                before = await store.claim(tx, user_id)
                after = edit(before)
                if after == before:
                    return
                await store.save(tx, user_id, _encoded(after))
                await self._account_data.save(tx, change)
        finally:
            self._account_data.positions.close(position)
        self.forget(user_id)
        self._account_data.announce(change)

    def forget(self, user_id: str) -> None:
        """The rules were changed: read them again."""
        self._changes += 1
        self._rules.pop(user_id, None)

    async def _find(self, user_id: str) -> tuple[UserRules, CompiledRules]:
        known = self._rules.get(user_id)
        if known is not None:
            self._rules.move_to_end(user_id)
            return known
        changes = self._changes
        rules = await store.of_user(self._db, user_id) or NO_USER_RULES
        found = (rules, DEFAULT_COMPILED if rules == NO_USER_RULES else compile_rules(rules))
        if changes == self._changes:
            self._rules[user_id] = found
            while len(self._rules) > USERS:
                self._rules.popitem(last=False)
        return found


def _encoded(rules: UserRules) -> bytes:
    try:
        encoded = msgspec.json.encode(rules)
    except (OverflowError, UnicodeError, RecursionError) as error:
        raise bad_json("The rule cannot be stored") from error
    if len(encoded) > MAX_BYTES:
        raise MatrixError(413, "M_TOO_LARGE", "The push rules would take more than 512 KiB")
    return encoded
