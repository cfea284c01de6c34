"""Impact x urgency -> priority P1-P4 (ITIL), with the phrases that made it."""

from __future__ import annotations

from triagedesk.priority.order import order_key
from triagedesk.priority.records import Level, Priority, PriorityDecision

__all__ = ["Level", "Priority", "PriorityDecision", "order_key"]
