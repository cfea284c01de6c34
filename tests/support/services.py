"""Services that tests need and a machine may not have.

A test that cannot run here is skipped and says why; with TRIAGEDESK_REQUIRE_SERVICES=1, as in CI,
it fails instead, so that nothing is left out unseen.
"""

from __future__ import annotations

import os

import pytest

REQUIRE_SERVICES = "TRIAGEDESK_REQUIRE_SERVICES"
#: For tests that take long and show once more, in another way, what others show.
LONG = pytest.mark.skipif(
    not os.environ.get("TRIAGEDESK_LONG_TESTS"), reason="takes long: `make test-long` runs it"
)


def require(condition: object, reason: str) -> None:
    """Skip the test when `condition` is false, or fail it where every service is required."""
    if condition:
        return
    if os.environ.get(REQUIRE_SERVICES) == "1":
        pytest.fail(f"{reason} ({REQUIRE_SERVICES}=1)", pytrace=False)
    pytest.skip(reason)
