"""Checked values become one `Config`; what must hold between options is checked here."""

from typing import Literal, cast

from ranvier.config.build_accounts import build_consent, build_login_tokens, build_user_types
from ranvier.config.build_keys import build_key_servers, build_old_keys
from ranvier.config.build_listeners import build_listeners
from ranvier.config.build_outbound import build_federation, build_outbound
from ranvier.config.build_rates import (
    admin_redaction_rate,
    federation_rates,
    invite_rates,
    join_rates,
    login_rates,
    presence_rates,
)
from ranvier.config.build_retention import build_retention
from ranvier.config.build_rooms import (
    build_auto_join,
    build_prejoin_state,
    build_turn,
    default_power_levels,
    directory_rules,
)
from ranvier.config.build_sections import build_database, build_passwords, build_presence, build_user_directory
from ranvier.config.build_sso import build_sso
from ranvier.config.cache_sections import build_cache_sizes
from ranvier.config.email_sections import build_email
from ranvier.config.limit_sections import build_monthly_users, build_remote_room_limit
from ranvier.config.media_sections import build_media
from ranvier.config.model import Config
from ranvier.config.notice_sections import build_server_notices, build_template_folder
from ranvier.config.operating_sections import (
    build_background_updates,
    build_experiments,
    build_manhole,
    build_sentry,
)
from ranvier.config.proof_sections import build_captcha, build_jwt
from ranvier.config.registration_files import build_application_services
from ranvier.config.secret_files import SecretFiles
from ranvier.config.signing_keys import derived_secret
from ranvier.config.threepid_sections import build_threepid_rules
from ranvier.config.tracing_sections import build_tracing
from ranvier.config.validity_sections import build_account_validity
from ranvier.config.values import Values
from ranvier.proto.room_versions import ROOM_VERSIONS


def build_config(values: Values, *, files: SecretFiles, key_path: str | None, database_path: str) -> Config:
    """The configuration; it is only to be used if `values.findings` has no errors afterwards.

    `key_path` and `database_path` hold where the file names no place; a `key_path` of None: no key is asked for.
    """
    _check_registration(values)
    shared_secret = files.secret(values, "registration_shared_secret", creatable=True)
    signing_keys = files.signing_keys(values, key_path)
    macaroon_secret = files.secret(values, "macaroon_secret_key") or shared_secret
    gc_thresholds = values.get("gc_thresholds")
    return Config(
        server_name=values.text_or_none("server_name") or "",
        pid_file=values.text_or_none("pid_file"),
        daemonize=values.boolean("daemonize"),
        print_pidfile=values.boolean("print_pidfile"),
        public_baseurl=_public_baseurl(values),
        public_baseurl_is_set=values.is_set("public_baseurl"),
        web_client_location=values.text_or_none("web_client_location"),
        serve_server_wellknown=values.boolean("serve_server_wellknown"),
        extra_well_known_client_content=values.mapping("extra_well_known_client_content"),
        soft_file_limit=values.integer("soft_file_limit"),
        default_room_version=_room_version(values),
        gc_thresholds=(gc_thresholds[0], gc_thresholds[1], gc_thresholds[2]) if gc_thresholds else None,
        filter_timeline_limit=_timeline_limit(values),
        block_non_admin_invites=values.boolean("block_non_admin_invites"),
        require_auth_for_profile_requests=values.boolean("require_auth_for_profile_requests"),
        limit_profile_requests_to_users_who_share_rooms=values.boolean(
            "limit_profile_requests_to_users_who_share_rooms"
        ),
        listeners=build_listeners(values),
        tls_certificate_path=values.text_or_none("tls_certificate_path"),
        tls_private_key_path=values.text_or_none("tls_private_key_path"),
        manhole_settings=build_manhole(values),
        outbound=build_outbound(values),
        federation=build_federation(values),
        database=build_database(values, default_path=database_path),
        log_config=values.text_or_none("log_config"),
        cache_sizes=build_cache_sizes(values),
        faster_joins_give_up_ms=values.integer("faster_joins.give_up_after"),
        faster_joins=build_experiments(values),
        email=build_email(values),
        rc_message=values.rate("rc_message"),
        rc_registration=values.rate("rc_registration"),
        rc_registration_token_validity=values.rate("rc_registration_token_validity"),
        rc_login=login_rates(values),
        rc_admin_redaction=admin_redaction_rate(values),
        rc_joins=join_rates(values),
        rc_joins_per_room=values.rate("rc_joins_per_room"),
        rc_3pid_validation=values.rate("rc_3pid_validation"),
        rc_invites=invite_rates(values),
        rc_third_party_invite=values.rate("rc_third_party_invite"),
        rc_media_create=values.rate("rc_media_create"),
        rc_presence=presence_rates(values),
        rc_delayed_event_mgmt=values.rate("rc_delayed_event_mgmt"),
        rc_reports=values.rate("rc_reports"),
        rc_room_creation=values.rate("rc_room_creation"),
        rc_user_directory=values.rate("rc_user_directory"),
        rc_key_requests=values.rate("rc_key_requests"),
        rc_federation=federation_rates(values),
        enable_registration=values.boolean("enable_registration"),
        enable_registration_without_verification=values.boolean("enable_registration_without_verification"),
        registrations_require_3pid=values.texts("registrations_require_3pid"),
        request_token_inhibit_3pid_errors=values.boolean("request_token_inhibit_3pid_errors"),
        threepid_rules=build_threepid_rules(values),
        account_validity=build_account_validity(values),
        registration_requires_token=values.boolean("registration_requires_token"),
        registration_shared_secret=shared_secret,
        allow_underscore_prefixed_registration=values.boolean("allow_underscore_prefixed_registration"),
        inhibit_user_in_use_error=values.boolean("inhibit_user_in_use_error"),
        bcrypt_rounds=values.integer("bcrypt_rounds"),
        allow_guest_access=values.boolean("allow_guest_access"),
        user_types=build_user_types(values),
        enable_set_displayname=values.boolean("enable_set_displayname"),
        enable_set_avatar_url=values.boolean("enable_set_avatar_url"),
        delete_stale_devices_after_ms=values.integer_or_none("delete_stale_devices_after"),
        session_lifetime_ms=values.integer_or_none("session_lifetime"),
        refreshable_access_token_lifetime_ms=values.integer("refreshable_access_token_lifetime"),
        refresh_token_lifetime_ms=values.integer_or_none("refresh_token_lifetime"),
        nonrefreshable_access_token_lifetime_ms=values.integer_or_none("nonrefreshable_access_token_lifetime"),
        password_config=build_passwords(values),
        ui_auth_session_timeout_ms=values.integer("ui_auth.session_timeout"),
        login_via_existing_session=build_login_tokens(values),
        captcha=build_captcha(values, files),
        jwt_login=build_jwt(values),
        sso=build_sso(values, files, public_baseurl=_public_baseurl(values)),
        user_consent=build_consent(values),
        server_notices=build_server_notices(values),
        custom_template_directory=build_template_folder(values),
        presence=build_presence(values),
        encryption_enabled_by_default_for_room_type=cast(
            Literal["all", "invite", "off"], values.text("encryption_enabled_by_default_for_room_type")
        ),
        max_event_delay_duration_ms=values.integer_or_none("max_event_delay_duration"),
        allow_public_rooms_without_auth=values.boolean("allow_public_rooms_without_auth"),
        enable_room_list_search=values.boolean("enable_room_list_search"),
        require_membership_for_aliases=values.boolean("require_membership_for_aliases"),
        alias_creation_rules=directory_rules(values, "alias_creation_rules"),
        room_list_publication_rules=directory_rules(values, "room_list_publication_rules"),
        default_power_level_content_override=default_power_levels(values),
        dummy_events_threshold=values.integer("dummy_events_threshold"),
        include_profile_data_on_invite=values.boolean("include_profile_data_on_invite"),
        allow_per_room_profiles=values.boolean("allow_per_room_profiles"),
        exclude_rooms_from_sync=values.texts("exclude_rooms_from_sync"),
        prejoin_state=build_prejoin_state(values),
        auto_join=build_auto_join(values),
        forget_rooms_on_leave=values.boolean("forget_rooms_on_leave"),
        retention=build_retention(values),
        redaction_retention_period_ms=values.integer_or_none("redaction_retention_period"),
        forgotten_room_retention_period_ms=values.integer_or_none("forgotten_room_retention_period"),
        user_ips_max_age_ms=values.integer_or_none("user_ips_max_age"),
        enable_metrics=values.boolean("enable_metrics"),
        background_updates=build_background_updates(values),
        sentry=build_sentry(values),
        tracing=build_tracing(values),
        metrics_known_servers=values.boolean("metrics_flags.known_servers"),
        monthly_users=build_monthly_users(values),
        track_appservice_user_ips=values.boolean("track_appservice_user_ips"),
        limit_remote_rooms=build_remote_room_limit(values),
        admin_contact=values.text_or_none("admin_contact"),
        hs_disabled=values.boolean("hs_disabled"),
        hs_disabled_message=values.text_or_none("hs_disabled_message") or "Homeserver is currently blocked",
        default_identity_server=values.text_or_none("default_identity_server"),
        enable_3pid_changes=values.boolean("enable_3pid_changes"),
        enable_3pid_lookup=values.boolean("enable_3pid_lookup"),
        invite_client_location=values.text_or_none("email.invite_client_location"),
        turn=build_turn(values, files),
        application_services=build_application_services(values),
        user_directory=build_user_directory(values),
        media=build_media(values),
        signing_keys=signing_keys,
        old_signing_keys=build_old_keys(values),
        key_refresh_interval_ms=values.integer("key_refresh_interval"),
        key_servers=build_key_servers(values, files),
        macaroon_secret_key=macaroon_secret or (derived_secret(signing_keys[0]) if signing_keys else ""),
        form_secret=files.secret(values, "form_secret"),
        warnings=tuple(values.findings.warnings),
    )


def _check_registration(values: Values) -> None:
    """Registration for everybody, without any check, must be said twice."""
    required = values.texts("registrations_require_3pid")
    if "msisdn" in required:
        values.error(
            "registrations_require_3pid", "this server cannot validate telephone numbers: only email can be required"
        )
    if "email" in required and not values.is_set("email"):
        values.error("registrations_require_3pid", "needs an email section: the address is validated by mail")
    if not values.boolean("enable_registration") or "email" in required:
        return
    guards = ("enable_registration_without_verification", "registration_requires_token", "enable_registration_captcha")
    if any(values.boolean(guard) for guard in guards):
        return
    values.error(
        "enable_registration",
        "needs registration_requires_token: true, registrations_require_3pid: [email] or "
        "enable_registration_captcha: true, or, to let anybody in, "
        "enable_registration_without_verification: true",
    )


def _public_baseurl(values: Values) -> str:
    base = values.text_or_none("public_baseurl") or f"https://{values.text_or_none('server_name')}/"
    return base if base.endswith("/") else base + "/"


def _room_version(values: Values) -> str:
    version = values.text("default_room_version")
    if version not in ROOM_VERSIONS:
        values.error("default_room_version", f"expected one of {', '.join(ROOM_VERSIONS)}, got {version}")
    return version


def _timeline_limit(values: Values) -> int | None:
    limit = values.integer("filter_timeline_limit")
    return limit if limit >= 0 else None
