"""`account_validity`: accounts that end unless they are renewed."""

from dataclasses import dataclass

from ranvier.config.values import Values


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidityConfig:
    """How long an account is good for, and how it is renewed."""

    period_ms: int
    renew_at_ms: int | None
    """How long before its end its user is written to; `None`: nobody is."""
    renew_email_subject: str
    template_dir: str | None
    account_renewed_page: str
    invalid_token_page: str


def build_account_validity(values: Values) -> ValidityConfig | None:
    """`None`: accounts do not end."""
    if not values.boolean("account_validity.enabled"):
        return None
    period = values.integer_or_none("account_validity.period")
    renew_at = values.integer_or_none("account_validity.renew_at")
    if period is None:
        values.error("account_validity", "needs period: how long an account is good for")
        return None
    if renew_at is not None and not values.boolean("account_validity.renew_by_email_enabled"):
        renew_at = None
    if renew_at is not None and not values.is_set("email"):
        values.error("account_validity.renew_at", "needs an email section: users are written to")
    subject = values.text("account_validity.renew_email_subject")
    try:
        subject % {"app": "x"}
    except (KeyError, TypeError, ValueError):
        values.error("account_validity.renew_email_subject", "only this placeholder can be filled in: %(app)s")
    return ValidityConfig(
        period_ms=period,
        renew_at_ms=renew_at,
        renew_email_subject=subject,
        template_dir=values.text_or_none("account_validity.template_dir"),
        account_renewed_page=values.text("account_validity.account_renewed_html_path"),
        invalid_token_page=values.text("account_validity.invalid_token_html_path"),
    )
