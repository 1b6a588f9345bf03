"""Searching the user directory. Spec: client-server API, "User Directory"."""

from dataclasses import dataclass
from typing import Final

from ranvier.config.sections import UserDirectoryConfig
from ranvier.ports import Clock
from ranvier.proto.ids import domain_of, localpart_of
from ranvier.proto.name_search import Term, after_all, driver, finds, fold, wanted, whole_words
from ranvier.rooms.directory_index import DirectoryIndex
from ranvier.rooms.rooms import Rooms
from ranvier.store import user_directory as store
from ranvier.store.user_directory import Listed

PORTION: Final = 500
PORTIONS: Final = 20
"""So many portions of people are looked at: of a letter that half of the world begins with not everybody is."""
MOST: Final = 50
"""Results of a search."""


@dataclass(frozen=True, slots=True)
class Query:
    """What is looked for."""

    terms: list[Term]
    server: str
    """The beginning of the server's name, if the query is (the beginning of) a user id; else empty."""
    folded: str

    def fits(self, listed: Listed) -> bool:
        """Whether somebody is what is looked for."""
        return finds(self.terms, listed.words) and domain_of(listed.user_id).lower().startswith(self.server)


class UserSearch:
    """Finds those whom the asker may see."""

    def __init__(self, *, rooms: Rooms, index: DirectoryIndex, clock: Clock, config: UserDirectoryConfig) -> None:
        self._rooms = rooms
        self._index = index
        self._clock = clock
        self._config = config

    async def search(self, user_id: str, term: str, limit: int) -> tuple[list[Listed], bool]:
        """The best results, and whether there are more."""
        query = _query(term)
        limit = min(limit, MOST)
        if not self._config.enabled or not query.terms or limit <= 0:
            return [], False
        await self._index.write()
        asker_nid = await self._rooms.keys.find_user(self._rooms.db, user_id)
        found = await self._found(query, user_id, asker_nid or 0, limit, is_local=True)
        if not self._config.exclude_remote_users and not (self._config.prefer_local_users and len(found) > limit):
            found += await self._found(query, user_id, asker_nid or 0, limit, is_local=False)
        found.sort(key=lambda listed: self._rank(query, listed))
        return found[:limit], len(found) > limit

    async def _found(self, query: Query, user_id: str, asker_nid: int, limit: int, *, is_local: bool) -> list[Listed]:
        """People of this server, or of others: more than `limit` if there are more. Whole words come first."""
        first = driver(query.terms[0])
        after = (b"", "")
        found: dict[str, Listed] = {}
        for _ in range(PORTIONS):
            portion = await store.candidates(
                self._rooms.db, is_local=is_local, first=first, end=after_all(first), after=after, limit=PORTION
            )
            user_ids = {one for _, one in portion} - found.keys() - {user_id}
            if user_ids:
                for listed in await store.visible(
                    self._rooms.db,
                    user_ids,
                    asker_nid=asker_nid,
                    everybody=self._config.search_all_users,
                    show_locked=self._config.show_locked_users,
                ):
                    if query.fits(listed):
                        found[listed.user_id] = listed
            if len(portion) < PORTION or len(found) > limit:
                break
            after = portion[-1]
            await self._clock.sleep(0)  # Reading may not have let others go on.
        return list(found.values())

    def _rank(self, query: Query, listed: Listed) -> tuple[object, ...]:
        """Small for good results."""
        is_second = self._config.prefer_local_users and not listed.is_local
        is_other = fold(listed.display_name or "") != query.folded and localpart_of(listed.user_id) != query.folded
        has_profile = (listed.display_name is not None) + (listed.avatar_url is not None)
        return is_second, is_other, -whole_words(query.terms, listed.words), -has_profile, listed.user_id


def _query(term: str) -> Query:
    term = term.strip()
    server = ""
    if term.startswith("@"):
        term, _, server = term[1:].partition(":")
    return Query(wanted(term), server.lower(), fold(term))
