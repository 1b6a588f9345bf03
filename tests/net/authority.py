"""A certificate authority of the test, and the TLS contexts of servers that it vouches for."""

import ssl

import trustme


class Authority:
    """Issues certificates that nobody else trusts."""

    def __init__(self) -> None:
        self._ca = trustme.CA()

    @property
    def pem(self) -> str:
        """What a client has to trust."""
        return self._ca.cert_pem.bytes().decode("ascii")

    def server_context(self, *names: str) -> ssl.SSLContext:
        """For a server whose certificate names these hosts and addresses."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._ca.issue_cert(*names).configure_cert(context)
        return context
