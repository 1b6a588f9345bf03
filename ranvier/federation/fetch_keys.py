"""Asking for keys: the server itself, or notaries that the operator trusts.

Spec: server-server API, "Retrieving server keys"; "Querying Keys Through Another Server".
"""

import asyncio
import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ranvier.federation.client import FederationClient, RemoteError, Unreachable
from ranvier.federation.known_keys import Found
from ranvier.federation.paths import key_path
from ranvier.proto.key_documents import InvalidKeyDocument, read_key_document
from ranvier.proto.signing import SignatureError, check_json

logger = logging.getLogger(__name__)

DIRECT_TIMEOUT_S: Final = 10.0
NOTARY_TIMEOUT_S: Final = 15.0
DIRECT_BYTES: Final = 64 << 10
NOTARY_BYTES: Final = 4 << 20
AT_ONCE: Final = 50
"""Servers that are asked at the same time for their own keys, of those that are known and of those that are not."""
BATCH: Final = 200
"""Servers that a notary is asked for at once."""


@dataclass(frozen=True, slots=True)
class Notary:
    """A server that is believed about the keys of others (one of `trusted_key_servers`)."""

    server_name: str
    verify_keys: Mapping[str, bytes]
    """Its keys, one of which must have signed what it says; empty: TLS is proof enough."""


class KeyFetch:
    """Asks, once each time; who is asked how often is decided elsewhere."""

    def __init__(self, *, client: FederationClient, notaries: Sequence[Notary]) -> None:
        self._client = client
        self._notaries = notaries
        self._slots = {True: asyncio.Semaphore(AT_ONCE), False: asyncio.Semaphore(AT_ONCE)}

    @property
    def has_notaries(self) -> bool:
        """Whether anybody may be asked about others."""
        return bool(self._notaries)

    async def direct(self, server_name: str, *, patient: bool, is_known: bool) -> Found | None:
        """The server's own answer; `None` if there is none that is any good.

        `is_known`: it has had keys before. Others may be inventions of anybody who can send a request, so these do not
        get in the way of those that exist, and leave no traces.
        """
        async with self._slots[is_known]:
            try:
                # Signatures are of no use where keys are not known yet.
                answer = await self._client.get(
                    server_name,
                    key_path("v2", "server"),
                    timeout_s=DIRECT_TIMEOUT_S,
                    limit_bytes=DIRECT_BYTES,
                    patient=patient,
                    signed=False,
                    records_failure=is_known,
                )
                return Found(read_key_document(answer, server_name), direct=True)
            except (RemoteError, Unreachable, InvalidKeyDocument) as error:
                logger.info("%s does not tell its keys: %s", server_name, error)
                return None

    async def from_notaries(self, wanted: Mapping[str, Mapping[str, int]]) -> list[Found]:
        """What the notaries, all at the same time, say of the servers.

        `wanted` are key ids by server, each with the time until which it should be valid; no key ids: all keys.
        """
        names = sorted(wanted)
        asked = [
            self.ask(
                notary, {name: wanted[name] for name in names[start : start + BATCH] if name != notary.server_name}
            )
            for notary in self._notaries
            for start in range(0, len(names), BATCH)
        ]
        return [found for answer in await asyncio.gather(*asked) for found in answer]

    async def ask(self, notary: Notary, wanted: Mapping[str, Mapping[str, int]]) -> list[Found]:
        """What one notary says, as `from_notaries`; nothing if it does not answer."""
        if not wanted:
            return []
        criteria = {
            name: {key_id: {"minimum_valid_until_ts": until_ts} for key_id, until_ts in key_ids.items()}
            for name, key_ids in wanted.items()
        }
        try:
            answer = await self._client.post(
                notary.server_name,
                key_path("v2", "query"),
                content={"server_keys": criteria},
                timeout_s=NOTARY_TIMEOUT_S,
                limit_bytes=NOTARY_BYTES,
            )
        except (RemoteError, Unreachable) as error:
            logger.info("The notary %s does not answer: %s", notary.server_name, error)
            return []
        listed = answer.get("server_keys") if isinstance(answer, dict) else None
        return [
            found
            for item in (listed if isinstance(listed, list) else ())
            if (found := _checked(item, notary, wanted)) is not None
        ]


def _checked(item: Any, notary: Notary, wanted: Collection[str]) -> Found | None:
    """One of a notary's answers, if it is about a server that it was asked about, and signed by both."""
    server_name = item.get("server_name") if isinstance(item, dict) else None
    if not isinstance(server_name, str) or server_name not in wanted:
        return None
    try:
        if notary.verify_keys:
            check_json(item, notary.server_name, notary.verify_keys)
        return Found(read_key_document(item, server_name), direct=False)
    except (SignatureError, InvalidKeyDocument) as error:
        logger.warning("The notary %s answers wrongly about %s: %s", notary.server_name, server_name, error)
        return None
