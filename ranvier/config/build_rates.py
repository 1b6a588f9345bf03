"""The rate limits as typed objects."""

from ranvier.config.rates import FederationRates, InviteRates, JoinRates, LoginRates, PresenceRates, RateLimit
from ranvier.config.values import Values


def login_rates(values: Values) -> LoginRates:
    """`rc_login`."""
    return LoginRates(
        address=values.rate("rc_login.address"),
        account=values.rate("rc_login.account"),
        failed_attempts=values.rate("rc_login.failed_attempts"),
    )


def admin_redaction_rate(values: Values) -> RateLimit | None:
    """`rc_admin_redaction`; what it leaves out is as in `rc_message`, and so is all of it where it says nothing."""
    per_second, burst_count = values.get("rc_admin_redaction.per_second"), values.get("rc_admin_redaction.burst_count")
    if per_second is None and burst_count is None:
        return None
    messages = values.rate("rc_message")
    return RateLimit(
        messages.per_second if per_second is None else float(per_second),
        messages.burst_count if burst_count is None else int(burst_count),
    )


def join_rates(values: Values) -> JoinRates:
    """`rc_joins`."""
    return JoinRates(local=values.rate("rc_joins.local"), remote=values.rate("rc_joins.remote"))


def invite_rates(values: Values) -> InviteRates:
    """`rc_invites`."""
    return InviteRates(
        per_room=values.rate("rc_invites.per_room"),
        per_user=values.rate("rc_invites.per_user"),
        per_issuer=values.rate("rc_invites.per_issuer"),
    )


def presence_rates(values: Values) -> PresenceRates:
    """`rc_presence`."""
    return PresenceRates(per_user=values.rate("rc_presence.per_user"))


def federation_rates(values: Values) -> FederationRates:
    """`rc_federation`."""
    return FederationRates(
        window_size_ms=values.integer("rc_federation.window_size"),
        sleep_limit=values.integer("rc_federation.sleep_limit"),
        sleep_delay_ms=values.integer("rc_federation.sleep_delay"),
        reject_limit=values.integer("rc_federation.reject_limit"),
        concurrent=values.integer("rc_federation.concurrent"),
    )
