"""A CAS server. CAS Protocol 3.0 Specification, sections 2.1 and 2.5."""

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlencode
from xml.etree import ElementTree as ET

from ranvier.config.sso_sections import CasConfig
from ranvier.ports import FederationUnreachable, ServiceTransport
from ranvier.sso.provider import CAS_TICKET, Departure, Identity, ProviderCard, SignOnFailed, check_requirements

_NAMESPACE: Final = "{http://www.yale.edu/tp/cas}"


class CasProvider:
    """Implements `Provider`."""

    def __init__(self, *, config: CasConfig, transport: ServiceTransport, public_baseurl: str) -> None:
        self._config = config
        self._transport = transport
        self._service = f"{public_baseurl.rstrip('/')}/{CAS_TICKET}"
        self._validate = f"{config.server_url}/{'p3/' if config.protocol_version == 3 else ''}proxyValidate"
        self.card = ProviderCard(
            idp_id="cas",
            idp_name=config.idp_name,
            idp_icon=config.idp_icon,
            idp_brand=config.idp_brand,
            enable_registration=config.enable_registration,
            # Names are the CAS server's: whoever has one there has it here.
            allow_existing_users=True,
        )

    async def depart(self, state: str, passed: Mapping[str, str]) -> Departure:
        """To the server's form."""
        query = urlencode({"service": self._service_of(state)})
        return Departure(location=f"{self._config.server_url}/login?{query}", kept={})

    async def arrive(self, query: Mapping[str, str], kept: Mapping[str, str], state: str) -> Identity:
        """Ask the server whose the ticket is. Raises `SignOnFailed`."""
        if (ticket := query.get("ticket")) is None:
            raise SignOnFailed("invalid_request", "The CAS server has sent no ticket.")
        asked = urlencode({"ticket": ticket, "service": self._service_of(state)})
        try:
            answer = await self._transport.request("GET", f"{self._validate}?{asked}", headers={})
        except FederationUnreachable as error:
            raise SignOnFailed("server_error", "The CAS server cannot be reached.") from error
        if answer.status != 200:
            raise SignOnFailed("server_error", f"The CAS server has answered {answer.status}.")
        user, attributes = _read(answer.body)
        check_requirements(attributes, self._config.required_attributes)
        localpart = user
        if user.isdigit():
            if not self._config.allow_numeric_ids:
                raise SignOnFailed("mapping_error", "User names of digits alone are not possible here.")
            localpart = self._config.numeric_ids_prefix + user
        names: list[str | None] = [*attributes.get(self._config.displayname_attribute or "", ()), None]
        return Identity(external_id=user, localpart=localpart, display_name=names[0])

    def _service_of(self, state: str) -> str:
        return f"{self._service}?{urlencode({'state': state})}"


def _read(body: bytes) -> tuple[str, dict[str, list[str]]]:
    """The user and the attributes. Raises `SignOnFailed`."""
    # Of an answer that declares entities nothing is read: they could be made to grow.
    if b"<!" in body.replace(b"<!--", b"").replace(b"<![CDATA[", b""):
        raise SignOnFailed("server_error", "The CAS server has answered something that is not understood.")
    try:
        root = ET.fromstring(body)  # noqa: S314 - without a document type there is nothing to expand
    except ET.ParseError as error:
        raise SignOnFailed("server_error", "The CAS server has answered something that is not understood.") from error
    success = root.find(f"{_NAMESPACE}authenticationSuccess")
    if root.tag != f"{_NAMESPACE}serviceResponse" or success is None:
        raise SignOnFailed("unauthorised", "The CAS server does not know this ticket.")
    user = (success.findtext(f"{_NAMESPACE}user") or "").strip()
    if not user:
        raise SignOnFailed("server_error", "The CAS server does not say who you are.")
    attributes: dict[str, list[Any]] = {}
    for found in success.iterfind(f"{_NAMESPACE}attributes/*"):
        attributes.setdefault(found.tag.rpartition("}")[2], []).append((found.text or "").strip())
    return user, attributes
