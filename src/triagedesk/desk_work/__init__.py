"""What people do with tickets: pull the next one, accept, decline, hand back, reassign, resolve.

Every deed is one transaction that no other writer of loads runs beside, is written to the audit
log with who did it (`by`), and done twice changes nothing the second time. Refused with
NotFoundError (no such ticket or agent), ConflictError (it does not fit what is there) or
InputError; `problems` name the argument at fault. `working` is what agents do with tickets,
`steering` what a lead does, `statuses` what becomes of a ticket, `story` what became of it.
"""

from __future__ import annotations

from triagedesk.desk_work.finding import HandedOn, find_agent, find_ticket, holder_of
from triagedesk.desk_work.statuses import hold, reopen, resolve, unhold
from triagedesk.desk_work.steering import (
    Choice,
    candidates,
    reassign,
    rebalance,
    set_availability,
    take_up,
)
from triagedesk.desk_work.story import TicketEvent, story
from triagedesk.desk_work.working import Pulled, accept, decline, hand_back, next_ticket

__all__ = [
    "Choice",
    "HandedOn",
    "Pulled",
    "TicketEvent",
    "accept",
    "candidates",
    "decline",
    "find_agent",
    "find_ticket",
    "hand_back",
    "hold",
    "holder_of",
    "next_ticket",
    "reassign",
    "rebalance",
    "reopen",
    "resolve",
    "set_availability",
    "story",
    "take_up",
    "unhold",
]
