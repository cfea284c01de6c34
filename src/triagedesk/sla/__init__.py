"""The SLA clock over business calendars; the exact rules with examples are in docs/sla.md.

Calendars say when a desk works (`calendars`, read from YAML by `loading`), `working_time` counts
and adds working time, `clock` follows one ticket's target through holds, changes and re-opening.
Everything is a pure function of its arguments: nothing here reads the time of day.
"""

from __future__ import annotations

from triagedesk.sla.calendars import ALWAYS, Calendar, Holidays, OwnDate, Window
from triagedesk.sla.clock import SlaClock, SlaState, Stretch, follow_statuses
from triagedesk.sla.loading import parse_sla_policy
from triagedesk.sla.policy import SlaPolicy
from triagedesk.sla.working_time import (
    DueDates,
    Pause,
    at_risk,
    breached,
    counted,
    due_at,
    due_dates,
    elapsed,
    length,
    slack,
    warn_at,
)

__all__ = [
    "ALWAYS",
    "Calendar",
    "DueDates",
    "Holidays",
    "OwnDate",
    "Pause",
    "SlaClock",
    "SlaPolicy",
    "SlaState",
    "Stretch",
    "Window",
    "at_risk",
    "breached",
    "counted",
    "due_at",
    "due_dates",
    "elapsed",
    "follow_statuses",
    "length",
    "parse_sla_policy",
    "slack",
    "warn_at",
]
