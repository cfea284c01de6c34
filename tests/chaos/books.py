"""What must be true afterwards, counted."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from sqlalchemy import func, select

from support.desk import WholeDesk
from triagedesk.store.tables import agents, assignments, decisions, reports, tickets


@dataclass(kw_only=True)
class Tally:
    """What a scenario did, and what came of it."""

    #: What it is called, and on which database.
    name: str
    database: str
    kills: int = 0
    #: Faults that were no kills: a server stopped, a connection cut, an answer refused.
    faults: int = 0
    tickets: int = 0
    #: Tickets without a decision or an agent, or in no report that everyone got.
    lost: int = 0
    #: Tickets, decisions or assignments there more than once; loads that are not the open work.
    doubled: int = 0
    #: Mails that came twice under one Message-ID, as they may in the moment of a kill.
    mails_again: int = 0
    #: How many may have.
    mails_may: int = 0
    #: Model calls that were paid for although their answer had been kept.
    calls_again: int = 0
    #: What this machine does not allow, in words.
    left_out: str = ""
    #: Where processes died, by step.
    died: Counter[str] = field(default_factory=Counter)
    #: What is wrong, in words.
    wrong: list[str] = field(default_factory=list)

    @property
    def is_clean(self) -> bool:
        """Nothing is lost, doubled, or otherwise wrong."""
        return not (self.lost or self.doubled or self.calls_again or self.wrong)


def check(desk: WholeDesk, tally: Tally, expected: set[str]) -> None:
    """Count what is lost and doubled once everything has come to rest."""
    tally.tickets = len(expected)
    with desk.connection() as connection:
        rows = connection.execute(
            select(
                tickets.c.id,
                tickets.c.external_id,
                tickets.c.decision_id,
                tickets.c.reported_decision_id,
            )
        ).all()
        decided = connection.execute(
            select(decisions.c.ticket_id, func.count()).group_by(decisions.c.ticket_id)
        ).all()
        given = connection.execute(
            select(assignments.c.ticket_id, func.count())
            .where(assignments.c.agent_id.is_not(None))
            .group_by(assignments.c.ticket_id)
        ).all()
        found = connection.execute(select(agents.c.id, agents.c.seed_load))
        seeds = {row.id: row.seed_load for row in found}
        held = Counter(
            connection.scalars(
                select(assignments.c.agent_id).where(
                    assignments.c.released_at.is_(None), assignments.c.agent_id.is_not(None)
                )
            )
        )
        states = connection.execute(select(reports.c.message_id, reports.c.state)).all()
    there = Counter(row.external_id for row in rows)
    assigned = {ticket for ticket, _times in given}
    for row in rows:
        unfinished = row.decision_id is None or row.id not in assigned
        if unfinished or row.reported_decision_id != row.decision_id:
            tally.lost += 1
            tally.wrong.append(f"{row.external_id} is not decided, assigned and reported")
    for name in sorted(expected - set(there)):
        tally.lost += 1
        tally.wrong.append(f"{name} is not there")
    _none_twice(tally, "there", there.items())
    _none_twice(tally, "decided", ((str(key), times) for key, times in decided))
    _none_twice(tally, "assigned", ((str(key), times) for key, times in given))
    with desk.store() as store, store.read() as transaction:
        for agent in transaction.roster():
            if agent.load != seeds[agent.id] + held[agent.id]:
                tally.doubled += 1
                tally.wrong.append(f"{agent.id} has load {agent.load}, not {held[agent.id]}")
    _check_mail(desk, tally, {row.message_id: row.state for row in states})


def _none_twice(tally: Tally, what: str, found: object) -> None:
    for name, times in found:  # type: ignore[attr-defined] # pairs of a name and a number
        if times != 1:
            tally.doubled += 1
            tally.wrong.append(f"{name} is {what} {times} times")


def _check_mail(desk: WholeDesk, tally: Tally, states: dict[str, str]) -> None:
    """Every report came, none but in the documented window twice, and then recognisably."""
    came = Counter(str(received.message["Message-ID"]) for received in desk.smtp.messages)
    for message_id, state in states.items():
        if state != "sent" or not came[message_id]:
            tally.lost += 1
            tally.wrong.append(f"report {message_id} is {state} and came {came[message_id]} times")
    for message_id in came:
        if message_id not in states:
            tally.wrong.append(f"a mail without a report: {message_id}")
    tally.mails_again = sum(came.values()) - len(came)
    if tally.mails_again > tally.mails_may:
        tally.doubled += tally.mails_again - tally.mails_may
        tally.wrong.append(f"{tally.mails_again} mails came again, {tally.mails_may} may have")
