"""`Config`: everything the server was told, checked and typed.

Attributes carry the names of the file. Durations are whole milliseconds and end in `_ms`, sizes are bytes, `None` means
what the documentation of the option says (mostly: no limit, or not set). Only options that the server honours are here;
the others are known to `schema/` and reported at the start when somebody sets them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from ranvier.config.account_sections import ConsentConfig, LoginTokenConfig, UserTypes
from ranvier.config.application_services import ApplicationService
from ranvier.config.cache_sections import CacheSizes
from ranvier.config.email_sections import EmailConfig
from ranvier.config.key_sections import KeyServersConfig
from ranvier.config.limit_sections import MonthlyUsersConfig, RemoteRoomLimit
from ranvier.config.media_sections import MediaConfig
from ranvier.config.notice_sections import ServerNoticesConfig
from ranvier.config.operating_sections import BackgroundUpdatesConfig, ManholeSettings, SentryConfig
from ranvier.config.outbound_sections import FederationConfig, OutboundConfig
from ranvier.config.proof_sections import CaptchaConfig, JwtConfig
from ranvier.config.rates import FederationRates, InviteRates, JoinRates, LoginRates, PresenceRates, RateLimit
from ranvier.config.retention_sections import RetentionConfig
from ranvier.config.room_sections import AutoJoinConfig, DirectoryRule, PrejoinState, TurnConfig
from ranvier.config.sections import (
    DatabaseConfig,
    Listener,
    OldSigningKey,
    PasswordConfig,
    PresenceConfig,
    SigningKey,
    UserDirectoryConfig,
)
from ranvier.config.sso_sections import SsoConfig
from ranvier.config.threepid_sections import ThreepidRules
from ranvier.config.tracing_sections import TracingConfig
from ranvier.config.validity_sections import ValidityConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """The configuration of one homeserver. Build one with `parse`, `from_yaml_text` or `load`."""

    # Server
    server_name: str
    pid_file: str | None
    daemonize: bool
    print_pidfile: bool
    public_baseurl: str
    """With a slash at the end; `https://<server_name>/` when the file has none."""
    public_baseurl_is_set: bool
    """Whether the file names it; `/.well-known/matrix/client` is served only then."""
    web_client_location: str | None
    serve_server_wellknown: bool
    extra_well_known_client_content: Mapping[str, object]
    soft_file_limit: int
    """0: as many as the system allows."""
    default_room_version: str
    gc_thresholds: tuple[int, int, int] | None
    filter_timeline_limit: int | None
    """`None`: no limit."""
    block_non_admin_invites: bool
    require_auth_for_profile_requests: bool
    limit_profile_requests_to_users_who_share_rooms: bool
    listeners: tuple[Listener, ...]
    tls_certificate_path: str | None
    tls_private_key_path: str | None
    manhole_settings: ManholeSettings

    # Other machines
    outbound: OutboundConfig
    federation: FederationConfig

    # Storage and log
    database: DatabaseConfig
    log_config: str | None
    cache_sizes: CacheSizes
    faster_joins: bool
    """`experimental_features.faster_joins`, also spelt `experimental.faster_joins`."""
    faster_joins_give_up_ms: int
    """`faster_joins.give_up_after`."""

    email: EmailConfig | None
    """`None`: this server sends no mail."""

    # Rate limits
    rc_message: RateLimit
    rc_registration: RateLimit
    rc_registration_token_validity: RateLimit
    rc_login: LoginRates
    rc_admin_redaction: RateLimit | None
    """`None`: redactions by admins count as messages, in the same bucket."""
    rc_joins: JoinRates
    rc_joins_per_room: RateLimit
    rc_3pid_validation: RateLimit
    rc_invites: InviteRates
    rc_third_party_invite: RateLimit
    rc_media_create: RateLimit
    rc_presence: PresenceRates
    rc_delayed_event_mgmt: RateLimit
    rc_reports: RateLimit
    rc_room_creation: RateLimit
    rc_user_directory: RateLimit
    rc_key_requests: RateLimit
    rc_federation: FederationRates

    # Registration and sessions
    enable_registration: bool
    enable_registration_without_verification: bool
    registrations_require_3pid: tuple[str, ...]
    """Media, of which `email` alone can be proved."""
    request_token_inhibit_3pid_errors: bool
    threepid_rules: ThreepidRules
    account_validity: ValidityConfig | None
    """`None`: accounts do not end."""
    registration_requires_token: bool
    registration_shared_secret: str | None = field(repr=False)
    allow_underscore_prefixed_registration: bool
    inhibit_user_in_use_error: bool
    bcrypt_rounds: int
    allow_guest_access: bool
    user_types: UserTypes
    enable_set_displayname: bool
    enable_set_avatar_url: bool
    delete_stale_devices_after_ms: int | None
    session_lifetime_ms: int | None
    """Total life of a login; `None`: for ever."""
    refreshable_access_token_lifetime_ms: int
    refresh_token_lifetime_ms: int | None
    nonrefreshable_access_token_lifetime_ms: int | None
    password_config: PasswordConfig
    ui_auth_session_timeout_ms: int
    """How long a proof of who one is holds for further operations; 0: for one alone."""
    login_via_existing_session: LoginTokenConfig
    captcha: CaptchaConfig | None
    """What who registers has to solve."""
    jwt_login: JwtConfig | None
    """`jwt_config`."""
    sso: SsoConfig | None
    """Single sign-on; `None`: nobody but this server tells who somebody is."""
    user_consent: ConsentConfig | None
    server_notices: ServerNoticesConfig | None
    custom_template_directory: str | None
    """`templates.custom_template_directory`."""

    # Presence
    presence: PresenceConfig

    # Rooms
    encryption_enabled_by_default_for_room_type: Literal["all", "invite", "off"]
    max_event_delay_duration_ms: int | None
    """`None`: delayed events (MSC4140) are off."""
    allow_public_rooms_without_auth: bool
    enable_room_list_search: bool
    require_membership_for_aliases: bool
    alias_creation_rules: tuple[DirectoryRule, ...] | None
    """`None`: everybody may."""
    room_list_publication_rules: tuple[DirectoryRule, ...] | None
    """`None`: everybody may."""
    default_power_level_content_override: Mapping[str, Mapping[str, object]]
    """By preset."""
    dummy_events_threshold: int
    include_profile_data_on_invite: bool
    allow_per_room_profiles: bool
    exclude_rooms_from_sync: tuple[str, ...]
    prejoin_state: PrejoinState
    auto_join: AutoJoinConfig
    forget_rooms_on_leave: bool
    retention: RetentionConfig | None
    """`None`: messages are kept for ever."""
    redaction_retention_period_ms: int | None
    forgotten_room_retention_period_ms: int | None
    user_ips_max_age_ms: int | None
    background_updates: BackgroundUpdatesConfig
    sentry: SentryConfig | None
    tracing: TracingConfig | None
    """`opentracing`; `None`: nothing is traced."""
    enable_metrics: bool
    metrics_known_servers: bool
    """`metrics_flags.known_servers`."""
    monthly_users: MonthlyUsersConfig | None
    """`limit_usage_by_mau`, `mau_stats_only`; `None`: nobody counts."""
    track_appservice_user_ips: bool
    limit_remote_rooms: RemoteRoomLimit | None
    """`None`: every room may be joined."""
    admin_contact: str | None
    hs_disabled: bool
    hs_disabled_message: str
    default_identity_server: str | None
    enable_3pid_changes: bool
    enable_3pid_lookup: bool
    invite_client_location: str | None
    """`email.invite_client_location`."""
    turn: TurnConfig
    application_services: tuple[ApplicationService, ...]
    """What the files of `app_service_config_files` say."""
    user_directory: UserDirectoryConfig

    media: MediaConfig | None
    """`None`: this process serves no media."""

    # Keys and secrets
    signing_keys: tuple[SigningKey, ...]
    """The first signs. Empty only where no key was asked for (`parse` without `signing_key`)."""
    old_signing_keys: tuple[OldSigningKey, ...]
    key_refresh_interval_ms: int
    key_servers: KeyServersConfig
    macaroon_secret_key: str = field(repr=False)
    """Set in the file, else `registration_shared_secret`, else derived from the signing key."""
    form_secret: str | None = field(repr=False)

    # Where it came from
    paths: tuple[str, ...] = ()
    """The files and folders as they were given."""
    warnings: tuple[str, ...] = ()
    """Sentences for the log at start: unknown options, and known ones that are not honoured yet."""
    options: Mapping[str, object] = field(default_factory=dict, repr=False, compare=False)
    """What the files say, checked, in the form of the file; to find out what has changed."""
    places: Mapping[str, str] = field(default_factory=dict, repr=False, compare=False)
    """Where each top-level option stands: `homeserver.yaml:12`."""

    @property
    def notices_user_id(self) -> str | None:
        """Who sends server notices; `None`: nobody does."""
        notices = self.server_notices
        return None if notices is None else f"@{notices.localpart}:{self.server_name}"

    def place_of(self, option: str) -> str:
        """What a sentence about a top-level option begins with: `homeserver.yaml:12: option log_config: `."""
        place = self.places.get(option)
        return f"{place}: option {option}: " if place else f"option {option}: "
