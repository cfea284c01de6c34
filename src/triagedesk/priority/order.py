"""The order of work."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from triagedesk.priority.records import Priority

#: Compares as priority, SLA slack, oldest first, id.
OrderKey = tuple[int, bool, timedelta, datetime, str]


def order_key(
    priority: Priority,
    slack: timedelta | None,
    created_at: datetime,
    id: str,  # noqa: A002 - a ticket's field
) -> OrderKey:
    """What to sort tickets by; one without a deadline (slack None) comes after those with one.

    Raises ValueError for a time without a zone.
    """
    if created_at.utcoffset() is None:
        raise ValueError(f"created_at of ticket {id} has no time zone: {created_at.isoformat()}")
    # In UTC: two times of one zone are compared by the clock on the wall alone.
    created_at = created_at.astimezone(UTC)
    return int(priority), slack is None, slack or timedelta(0), created_at, id
