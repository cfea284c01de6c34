"""What the log says of an unexpected error."""

from __future__ import annotations

import pytest
import structlog

from triagedesk.app import configure_logging
from triagedesk.settings import Settings


def fail(password: str) -> None:
    """As a bug would, with a secret at hand."""
    raise ZeroDivisionError(f"{len(password)} letters")


def test_an_unexpected_error_is_logged_without_what_variables_held(
    capsys: pytest.CaptureFixture[str],
) -> None:
    configure_logging(Settings())
    secret = "x" * 17
    try:
        fail(secret)
    except ZeroDivisionError:
        structlog.get_logger().exception("it failed")
    said = capsys.readouterr().err
    assert "ZeroDivisionError: 17 letters" in said
    assert "in fail" in said
    assert secret not in said
