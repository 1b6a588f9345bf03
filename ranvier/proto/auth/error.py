"""The verdict "no" of the authorisation rules."""


class AuthError(Exception):
    """An event is not authorised; `reason` says by which rule, for people (it holds no secrets)."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
