"""Accounts that application services make for the users of their namespaces.

Spec: application services, "Server admin style permissions".
"""

from ranvier.proto.errors import missing_param
from ranvier.proto.ids import localpart_of
from ranvier.users.application_services import ApplicationServices, exclusive
from ranvier.users.create_account import Accounts, NewAccount
from ranvier.users.issue_login import DeviceWish, LoginIssuer
from ranvier.users.registration import Registered, RegistrationRequest, registered


class ServiceRegistration:
    """Registers users for services: nothing has to be proved, and no password is kept."""

    def __init__(
        self, *, services: ApplicationServices, accounts: Accounts, issuer: LoginIssuer, server_name: str
    ) -> None:
        self._services = services
        self._accounts = accounts
        self._issuer = issuer
        self._server_name = server_name

    async def make_senders(self) -> None:
        """Every service's own user has an account. One transaction for each that has none yet."""
        for service in self._services.services:
            await self._accounts.create_if_missing(
                NewAccount(user_id=service.sender, displayname=localpart_of(service.sender), appservice_id=service.id)
            )

    async def register(self, token: str, wanted: RegistrationRequest) -> Registered:
        """Make an account for the service with this token, whether or not others can register.

        Raises 401 `M_MISSING_TOKEN`, `M_UNKNOWN_TOKEN`; 400 `M_EXCLUSIVE` for a name outside its namespaces or reserved
        by another service, `M_USER_IN_USE`, `M_INVALID_USERNAME`, `M_MISSING_PARAM`.
        """
        service = self._services.by_token(token)
        if wanted.username is None:
            raise missing_param("username is missing")
        wish = wanted.wish()
        self._issuer.check(wish or DeviceWish())
        user_id = self._accounts.user_id(wanted.username)
        if not self._services.may_be(service, user_id):
            raise exclusive("This user name is not in a namespace of this application service")
        if self._services.is_reserved_user(user_id, besides=service.id):
            raise exclusive("This user name is reserved for another application service")
        account = NewAccount(user_id=user_id, displayname=localpart_of(user_id), appservice_id=service.id)
        return registered(user_id, self._server_name, await self._accounts.create(account, wish))
