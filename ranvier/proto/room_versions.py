"""What differs between room versions, as one table of facts.

Spec: "Room Versions". Code asks a fact (`version.strict_integers`), never a number (`if version >= 6`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Literal


@dataclass(frozen=True, slots=True)
class RoomVersion:
    """The facts of one room version."""

    identifier: str
    # Event format.
    event_ids: Literal["opaque", "hash_base64", "hash_urlsafe"]
    """Who names an event: its server (v1, v2), or its reference hash in standard (v3) or URL-safe base64."""
    edge_hashes: bool
    """Whether `auth_events` and `prev_events` are lists of `[event_id, {"sha256": hash}]` pairs (v1, v2)."""
    strict_canonical_json: bool
    """Whether floats and integers outside 53 bits make an event invalid (v6)."""
    domainless_room_ids: bool
    """Whether the room id is the create event's id with the sigil `!`, and the create event has no `room_id` (v12)."""
    # State resolution.
    state_resolution: Literal["v1", "v2", "v2.1"]
    # Signatures.
    enforce_key_validity: bool
    """Whether a signing key must have been valid at `origin_server_ts` (v5)."""
    # Authorisation rules.
    alias_auth_rule: bool
    """Whether `m.room.aliases` has its own auth rule (until v5)."""
    redaction_auth_rule: bool
    """Whether `m.room.redaction` has its own auth rule (until v2); later the redaction is judged on receipt."""
    check_notification_levels: bool
    """Whether changes to `notifications` in power levels are authorised like those to `events` (v6)."""
    knock: bool
    """Membership `knock` and join rule `knock` (v7)."""
    restricted_joins: bool
    """Join rule `restricted` (v8)."""
    knock_restricted_joins: bool
    """Join rule `knock_restricted` (v10)."""
    integer_power_levels: bool
    """Whether power levels must be integers (v10)."""
    creator_in_content: bool
    """Whether `content.creator` of the create event is required (until v10)."""
    privileged_creators: bool
    """Whether room creators have infinite power and `additional_creators` exists (v12)."""
    # Redaction.
    redact_keeps_aliases: bool
    """`m.room.aliases` keeps `aliases` (until v5)."""
    redact_keeps_join_rules_allow: bool
    """`m.room.join_rules` keeps `allow` (v8)."""
    redact_keeps_join_authorised_via: bool
    """`m.room.member` keeps `join_authorised_via_users_server` (v9)."""
    modern_redaction: bool
    """v11: drops `origin`, `membership`, `prev_state`; keeps the whole create content, `redacts` in redactions, `invite`
    in power levels and `third_party_invite.signed` in members."""
    redacts_in_content: bool
    """Whether a redaction names its target in `content.redacts` instead of the top level (v11)."""


_V1 = RoomVersion(
    identifier="1",
    event_ids="opaque",
    edge_hashes=True,
    strict_canonical_json=False,
    domainless_room_ids=False,
    state_resolution="v1",
    enforce_key_validity=False,
    alias_auth_rule=True,
    redaction_auth_rule=True,
    check_notification_levels=False,
    knock=False,
    restricted_joins=False,
    knock_restricted_joins=False,
    integer_power_levels=False,
    creator_in_content=True,
    privileged_creators=False,
    redact_keeps_aliases=True,
    redact_keeps_join_rules_allow=False,
    redact_keeps_join_authorised_via=False,
    modern_redaction=False,
    redacts_in_content=False,
)
_V2 = replace(_V1, identifier="2", state_resolution="v2")
_V3 = replace(_V2, identifier="3", event_ids="hash_base64", edge_hashes=False, redaction_auth_rule=False)
_V4 = replace(_V3, identifier="4", event_ids="hash_urlsafe")
_V5 = replace(_V4, identifier="5", enforce_key_validity=True)
_V6 = replace(
    _V5,
    identifier="6",
    strict_canonical_json=True,
    alias_auth_rule=False,
    check_notification_levels=True,
    redact_keeps_aliases=False,
)
_V7 = replace(_V6, identifier="7", knock=True)
_V8 = replace(_V7, identifier="8", restricted_joins=True, redact_keeps_join_rules_allow=True)
_V9 = replace(_V8, identifier="9", redact_keeps_join_authorised_via=True)
_V10 = replace(_V9, identifier="10", knock_restricted_joins=True, integer_power_levels=True)
_V11 = replace(_V10, identifier="11", creator_in_content=False, modern_redaction=True, redacts_in_content=True)
_V12 = replace(_V11, identifier="12", state_resolution="v2.1", domainless_room_ids=True, privileged_creators=True)

ROOM_VERSIONS: Mapping[str, RoomVersion] = MappingProxyType(
    {v.identifier: v for v in (_V1, _V2, _V3, _V4, _V5, _V6, _V7, _V8, _V9, _V10, _V11, _V12)}
)
"""Every room version of the spec, all stable, in order."""
