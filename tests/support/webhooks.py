"""Senders of webhook tickets."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2 as httpx
from standardwebhooks import Webhook

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def signed(
    delivery: str, body: str, *, secret: str = SECRET, age: timedelta = timedelta()
) -> dict[str, str]:
    """The headers of a delivery signed `age` ago."""
    at = datetime.now(UTC) - age
    return {
        "webhook-id": delivery,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": Webhook(secret).sign(delivery, at, body),
        "content-type": "application/json",
    }


def send(
    client: httpx.Client,
    delivery: str,
    given: Any,
    *,
    secret: str = SECRET,
    age: timedelta = timedelta(),
    **headers: str,
) -> httpx.Response:
    """Send tickets as a helpdesk does."""
    body = given if isinstance(given, str) else json.dumps(given)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return client.post(
        "/v1/webhooks/tickets",
        content=body,
        headers={**signed(delivery, body, secret=secret, age=age), **named},
    )


def deliver(client: httpx.Client, delivery: str, given: Any) -> httpx.Response:
    """The same, under the same id as often as the desk asks to come again: it may be busy."""
    give_up = time.monotonic() + 60
    while (answer := send(client, delivery, given)).status_code == 503:
        assert time.monotonic() < give_up, answer.text
        time.sleep(0.1)
    return answer


def webhook_tickets(count: int, start: int = 0) -> list[dict[str, Any]]:
    """Tickets as a helpdesk sends them."""
    return [
        {"id": f"H-{number}", "short_description": f"{('Printer', 'VPN')[number % 2]} {number}"}
        for number in range(start, start + count)
    ]
