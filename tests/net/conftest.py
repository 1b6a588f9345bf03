"""What tests of the network share."""

import pytest

from tests.net.authority import Authority


@pytest.fixture(scope="session")
def authority() -> Authority:
    """The certificate authority that the transports of the tests trust."""
    return Authority()
