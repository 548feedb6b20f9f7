"""Servers in processes of their own, which endpoints are tested against."""

from __future__ import annotations

import pytest
from loopback import HERE, server


@pytest.fixture(scope="session", autouse=True)
def no_proxy():
    """Loopback is reached directly, whatever proxy the machine has."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NO_PROXY", "127.0.0.1,localhost")
        patch.setenv("no_proxy", "127.0.0.1,localhost")
        yield


@pytest.fixture(scope="session")
def faults():
    with server("/seen?prefix=nothing", str(HERE / "fault_server.py")) as address:
        yield address
