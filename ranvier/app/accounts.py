"""Builds the users' side: accounts, logins, devices, profiles, what clients keep."""

from dataclasses import dataclass

from ranvier.app.mail import MailServices, build_mail
from ranvier.config.model import Config
from ranvier.db.engine import Database
from ranvier.ports import Clock, FederationTransport, Random
from ranvier.proto.signing import SigningKey
from ranvier.ratelimit import OwnLimits, RateLimiter
from ranvier.users.account import AccountChanges
from ranvier.users.account_data import AccountData
from ranvier.users.administration import Administration
from ranvier.users.application_services import ApplicationServices
from ranvier.users.blocking import Blocking
from ranvier.users.consent import Consent
from ranvier.users.create_account import Accounts
from ranvier.users.device_removal import DeviceRemoval
from ranvier.users.devices import Devices
from ranvier.users.email_stage import EmailStage
from ranvier.users.filters import Filters
from ranvier.users.identity_servers import IdentityServers
from ranvier.users.interactive_auth import InteractiveAuth
from ranvier.users.issue_login import LoginIssuer, TokenLifetimes
from ranvier.users.last_seen import LastSeen
from ranvier.users.login import Login
from ranvier.users.login_tokens import LoginTokens
from ranvier.users.logout import Logout
from ranvier.users.moderation import Moderation
from ranvier.users.monthly_users import MonthlyUsers
from ranvier.users.password_login import PasswordCheck
from ranvier.users.passwords import Passwords
from ranvier.users.profiles import Profiles
from ranvier.users.push_rules import PushRules
from ranvier.users.pushers import Pushers
from ranvier.users.rate_overrides import RateOverrides
from ranvier.users.reauthentication import Reauthentication
from ranvier.users.refresh import Refreshing
from ranvier.users.registration import Registration
from ranvier.users.registration_tokens import RegistrationTokens
from ranvier.users.service_registration import ServiceRegistration
from ranvier.users.service_sessions import ServiceSessions
from ranvier.users.sessions import Sessions
from ranvier.users.shared_secret import SharedSecretRegistration
from ranvier.users.stages import (
    DUMMY,
    EMAIL_IDENTITY,
    PASSWORD,
    REGISTRATION_TOKEN,
    SSO,
    TERMS,
    DummyStage,
    PasswordStage,
    RegistrationTokenStage,
    SsoStage,
    TermsStage,
)
from ranvier.users.stale_devices import StaleDevices
from ranvier.users.tags import RoomTags
from ranvier.users.threepid_bindings import ThreepidBindings
from ranvier.users.threepids import Threepids


@dataclass(frozen=True, slots=True, kw_only=True)
class UserServices:
    """What the API modules about users call."""

    accounts: Accounts
    account_changes: AccountChanges
    account_data: AccountData
    application_services: ApplicationServices
    administration: Administration
    consent: Consent | None
    devices: Devices
    filters: Filters
    last_seen: LastSeen
    interactive_auth: InteractiveAuth
    login: Login
    login_tokens: LoginTokens
    logout: Logout
    mail: MailServices | None
    moderation: Moderation
    monthly: MonthlyUsers | None
    """`None` where nobody counts."""
    passwords: Passwords
    profiles: Profiles
    push_rules: PushRules
    pushers: Pushers
    rate_overrides: RateOverrides
    reauthentication: Reauthentication
    refreshing: Refreshing
    registration: Registration
    registration_tokens: RegistrationTokens
    removal: DeviceRemoval
    service_registration: ServiceRegistration
    sessions: Sessions
    shared_secret: SharedSecretRegistration
    stale_devices: StaleDevices | None
    tags: RoomTags
    identity_servers: IdentityServers
    threepid_bindings: ThreepidBindings
    threepids: Threepids


async def build_users(
    *,
    db: Database,
    clock: Clock,
    random: Random,
    config: Config,
    limiters: dict[str, RateLimiter],
    own_limits: OwnLimits,
    transport: FederationTransport,
) -> UserServices:
    """Every object about users."""
    passwords = Passwords(config=config.password_config, bcrypt_rounds=config.bcrypt_rounds)
    last_seen = LastSeen(db=db, clock=clock)
    services = ApplicationServices(config.application_services, server_name=config.server_name)
    blocking = Blocking.of(config)
    monthly = await _monthly(db, clock, config)
    sessions = Sessions(
        db=db,
        clock=clock,
        last_seen=last_seen,
        services=ServiceSessions(db=db, services=services, own_limits=own_limits) if services.services else None,
        blocking=blocking,
        size=config.cache_sizes.sessions,
        notes_services=config.track_appservice_user_ips,
    )
    issuer = LoginIssuer(clock=clock, random=random, lifetimes=TokenLifetimes.of(config), blocking=blocking)
    accounts = Accounts(
        db=db,
        clock=clock,
        server_name=config.server_name,
        issuer=issuer,
        is_exclusive=services.is_reserved_user,
        user_types=config.user_types,
    )
    service_registration = ServiceRegistration(
        services=services, accounts=accounts, issuer=issuer, server_name=config.server_name
    )
    await service_registration.make_senders()
    tokens = RegistrationTokens(db=db, clock=clock, random=random)
    password_check = PasswordCheck(
        db=db,
        passwords=passwords,
        server_name=config.server_name,
        config=config.password_config,
        failures=limiters["rc_login.failed_attempts"],
    )
    mail = build_mail(db=db, clock=clock, random=random, config=config, limiters=limiters)
    interactive_auth = InteractiveAuth(
        clock=clock,
        random=random,
        stages={
            DUMMY: DummyStage(),
            PASSWORD: PasswordStage(passwords=password_check),
            REGISTRATION_TOKEN: RegistrationTokenStage(tokens=tokens),
            SSO: SsoStage(),
            TERMS: TermsStage(version="" if config.user_consent is None else config.user_consent.version),
            **({} if mail is None else {EMAIL_IDENTITY: EmailStage(db=db, validation=mail.validation)}),
        },
    )
    reauthentication = Reauthentication(
        interactive_auth=interactive_auth,
        config=config.password_config,
        clock=clock,
        session_timeout_ms=config.ui_auth_session_timeout_ms,
        sends_mail=mail is not None,
    )
    login_tokens = LoginTokens(
        db=db,
        clock=clock,
        random=random,
        config=config.login_via_existing_session,
        reauthentication=reauthentication,
    )
    removal = DeviceRemoval(db=db, sessions=sessions, last_seen=last_seen)
    profiles = Profiles(db=db, config=config)
    account_data = await AccountData.load(db)
    rate_overrides = RateOverrides(db=db, server_name=config.server_name, limits=own_limits)
    await rate_overrides.load()
    account_changes = AccountChanges(
        db=db,
        config=config.password_config,
        passwords=passwords,
        profiles=profiles,
        removal=removal,
        sessions=sessions,
        reauthentication=reauthentication,
    )
    own_key = config.signing_keys[0]
    identity_servers = IdentityServers(
        transport=transport,
        server_name=config.server_name,
        signing_key=SigningKey(own_key.key_id, own_key.seed),
    )
    email = config.email
    pushers = Pushers(
        db=db,
        clock=clock,
        secret=config.macaroon_secret_key,
        public_baseurl=config.public_baseurl,
        sends_mail=email is not None and email.enable_notifs,
    )
    return UserServices(
        accounts=accounts,
        account_changes=account_changes,
        account_data=account_data,
        application_services=services,
        administration=Administration(
            db=db,
            clock=clock,
            server_name=config.server_name,
            accounts=accounts,
            changes=account_changes,
            issuer=issuer,
            last_seen=last_seen,
            passwords=passwords,
            profiles=profiles,
        ),
        consent=_consent(db, clock, config),
        devices=Devices(db=db, last_seen=last_seen, removal=removal, reauthentication=reauthentication),
        filters=Filters(db=db),
        last_seen=last_seen,
        login=Login(
            db=db,
            config=config.password_config,
            passwords=password_check,
            issuer=issuer,
            sessions=sessions,
            tokens=login_tokens,
            attempts=limiters["rc_login.account"],
            services=services,
            monthly=monthly,
        ),
        login_tokens=login_tokens,
        logout=Logout(removal=removal),
        mail=mail,
        moderation=Moderation(db=db, server_name=config.server_name, account=account_changes, last_seen=last_seen),
        monthly=monthly,
        interactive_auth=interactive_auth,
        passwords=passwords,
        profiles=profiles,
        push_rules=PushRules(db=db, account_data=account_data),
        pushers=pushers,
        rate_overrides=rate_overrides,
        reauthentication=reauthentication,
        refreshing=Refreshing(db=db, clock=clock, issuer=issuer, sessions=sessions),
        registration=Registration(
            db=db,
            random=random,
            config=config,
            accounts=accounts,
            issuer=issuer,
            interactive_auth=interactive_auth,
            passwords=passwords,
            tokens=tokens,
            sessions=sessions,
            clock=clock,
            mails_to=pushers if email is not None and email.enable_notifs and email.notif_for_new_users else None,
            monthly=monthly,
        ),
        registration_tokens=tokens,
        removal=removal,
        stale_devices=None
        if config.delete_stale_devices_after_ms is None
        else StaleDevices(
            db=db,
            clock=clock,
            last_seen=last_seen,
            removal=removal,
            after_ms=config.delete_stale_devices_after_ms,
        ),
        service_registration=service_registration,
        sessions=sessions,
        shared_secret=SharedSecretRegistration(
            clock=clock, random=random, config=config, accounts=accounts, passwords=passwords
        ),
        tags=RoomTags(account_data=account_data),
        identity_servers=identity_servers,
        threepid_bindings=ThreepidBindings(db=db, identity=identity_servers),
        threepids=Threepids(
            db=db,
            clock=clock,
            validation=None if mail is None else mail.validation,
            reauthentication=reauthentication,
            may_change=config.enable_3pid_changes,
        ),
    )


async def _monthly(db: Database, clock: Clock, config: Config) -> MonthlyUsers | None:
    if config.monthly_users is None:
        return None
    monthly = MonthlyUsers(db=db, clock=clock, config=config.monthly_users, admin_contact=config.admin_contact)
    await monthly.load()
    return monthly


def _consent(db: Database, clock: Clock, config: Config) -> Consent | None:
    """`None` where there is no policy to agree to."""
    if config.user_consent is None:
        return None
    return Consent(
        db=db,
        clock=clock,
        server_name=config.server_name,
        config=config.user_consent,
        secret=config.form_secret or config.macaroon_secret_key,
        public_baseurl=config.public_baseurl,
    )
