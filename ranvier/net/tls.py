"""The client's side of TLS: whom to trust, and from which version on.

Spec: server-server API, "TLS".
"""

import ssl
from collections.abc import Callable
from dataclasses import replace

from ranvier.config.build_outbound import read_certificates
from ranvier.config.outbound_sections import FederationConfig
from ranvier.proto.globs import compile_glob


class TrustRules:
    """Which context a connection to a name uses. The two contexts are made at the first use: the system's list is long.

    Raises `ssl.SSLError` and `OSError` then, if certificates cannot be loaded.
    """

    def __init__(self, federation: FederationConfig) -> None:
        self._config = federation
        self._not_verified = [
            compile_glob(pattern.lower()) for pattern in federation.certificate_verification_whitelist
        ]
        self._verifying: ssl.SSLContext | None = None
        self._trusting: ssl.SSLContext | None = None

    def prepare(self, federation: FederationConfig) -> Callable[[], None]:
        """What makes new connections trust what `federation` does, whose certificate files are read here.

        Raises `OSError` (as which `ssl.SSLError` counts) or `ValueError`. Of the configuration only the certificates
        are taken.
        """
        texts = None
        if federation.custom_ca_list is not None:
            texts = tuple(read_certificates(path) for path in federation.custom_ca_paths)
        config = replace(self._config, custom_ca_list=texts, custom_ca_paths=federation.custom_ca_paths)
        verifying = verifying_context(config)

        def put() -> None:
            self._config = config
            if self._verifying is not None:
                self._verifying = verifying

        return put

    def context_for(self, tls_name: str) -> ssl.SSLContext:
        """The context for a server that must be `tls_name`."""
        if self._must_verify(tls_name.lower().rstrip(".")):
            if self._verifying is None:
                self._verifying = verifying_context(self._config)
            return self._verifying
        if self._trusting is None:
            self._trusting = _as_configured(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), self._config)
            self._trusting.check_hostname = False
            self._trusting.verify_mode = ssl.CERT_NONE
        return self._trusting

    def _must_verify(self, name: str) -> bool:
        return self._config.verify_certificates and not any(matches(name) for matches in self._not_verified)


def verifying_context(federation: FederationConfig) -> ssl.SSLContext:
    """Trusts `federation_custom_ca_list` if it is set, else what the system trusts."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if federation.custom_ca_list is None:
        context.load_default_certs(ssl.Purpose.SERVER_AUTH)
    else:
        context.load_verify_locations(cadata="\n".join(federation.custom_ca_list))
    return _as_configured(context, federation)


def _as_configured(context: ssl.SSLContext, federation: FederationConfig) -> ssl.SSLContext:
    newest = federation.client_minimum_tls_version == "1.3"
    context.minimum_version = ssl.TLSVersion.TLSv1_3 if newest else ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    return context
