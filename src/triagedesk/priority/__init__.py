"""Impact x urgency -> priority P1-P4 (ITIL), with the phrases that made it.

`policy` holds a desk's matrix and phrases (`phrases.yaml`, which a desk extends), `phrases` finds
them in text, `decide` weighs them, `order` says whose turn it is.
"""

from __future__ import annotations

from triagedesk.priority.decide import prioritise
from triagedesk.priority.order import order_key
from triagedesk.priority.policy import PriorityPolicy
from triagedesk.priority.records import Level, Priority, PriorityDecision

__all__ = [
    "Level",
    "Priority",
    "PriorityDecision",
    "PriorityPolicy",
    "order_key",
    "prioritise",
]
