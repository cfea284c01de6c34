"""Open work given to agents, in a transaction somebody else began: placing, and interrupting.

A ticket's needs are those that were read when it was assigned first: nothing here calls a model.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import lru_cache

from triagedesk.agents import Agent, Availability, SkillNeed
from triagedesk.assign import BatchAssignment, WorkItem, assign_batch
from triagedesk.catalog import Label, ServiceCatalog
from triagedesk.desk import Desk
from triagedesk.store import Transaction
from triagedesk.store.assignments import Matter, OpenWork, WaitingTicket
from triagedesk.tickets import Assignment, AssignmentState, ReleasedFor, TriagedTicket

#: How long somebody counts as knowing a requester after having had a ticket of theirs.
MEMORY = timedelta(days=30)
NOBODY: Mapping[int, frozenset[str]] = {}
NO_LEANING: Mapping[str, float] = {}
#: Tickets of a batch read at once.
PART = 500


def read_work(
    desk: Desk, keys: Sequence[int], skills: Sequence[str], catalog: ServiceCatalog
) -> tuple[dict[int, WorkItem], list[Matter]]:
    """What there is to do, by ticket key, and what it is about where somebody may know of it.

    Of a large batch nothing stays in memory that the solver does not need.
    """

    def unread(label: Label) -> bool:
        """Whether the catalog says which skills it takes, and nobody looks at links."""
        entry = catalog.match(*label)
        return bool(entry and entry.skills) and desk.online.affinity != "linked"

    items: dict[int, WorkItem] = {}
    matters: list[Matter] = []
    for begin in range(0, len(keys), PART):
        with desk.store.read() as transaction:
            waiting = transaction.waiting(keys[begin : begin + PART], unread=unread)
        work = work_of(desk, waiting, skills, catalog)
        items |= {item.key: one for item, one in zip(waiting, work, strict=True)}
        if desk.online.affinity != "off":
            matters += (
                Matter(key=m.key, source=m.source, requester=m.requester, linked=m.linked)
                for m in waiting
            )
    return items, matters


def work_of(
    desk: Desk, waiting: Iterable[WaitingTicket], skills: Sequence[str], catalog: ServiceCatalog
) -> list[WorkItem]:
    """What there is to do: skills from the catalog entry, or else from the ticket's text."""
    entries = [(item, catalog.match(*item.label)) for item in waiting]
    unsaid = [item.text for item, entry in entries if not (entry and entry.skills)]
    read = iter(desk.skill_reader().needs(unsaid, skills) if unsaid else ())
    return [
        WorkItem(
            # Ids are unique per source only; the store's own number is unique for all.
            ticket_id=str(item.key),
            title="",
            priority=item.priority,
            needs=_needs_of(entry.skills) if entry and entry.skills else next(read),
            created_at=item.created_at,
            due_at=item.due_at,
            group=entry.assignment_group if entry else "",
            affinity=NO_LEANING,
        )
        for item, entry in entries
    ]


def waiting_of(triaged: TriagedTicket) -> WaitingTicket:
    """A ticket that is not in the store, as what waits to be assigned."""
    ticket = triaged.ticket
    return WaitingTicket(
        key=triaged.key,
        source=ticket.source,
        requester=ticket.requester_email.lower(),
        linked=ticket.linked,
        label=triaged.classification.label or Label("", ""),
        text=ticket.text,
        priority=triaged.priority.priority,
        created_at=ticket.created_at or triaged.received_at,
        due_at=triaged.resolution_due_at,
    )


@lru_cache(maxsize=1024)
def _needs_of(skills: tuple[str, ...]) -> tuple[SkillNeed, ...]:
    """A catalog entry's skills: the first is the primary one. Tickets alike share them."""
    return tuple(
        SkillNeed(skill=skill, weight=0.5 if position else 1.0)
        for position, skill in enumerate(skills)
    )


def items_of(
    desk: Desk,
    transaction: Transaction,
    work: Sequence[OpenWork],
    now: datetime,
    *,
    kept_from: Mapping[int, frozenset[str]] = NOBODY,
) -> dict[int, WorkItem]:
    """Open work as items to assign, by ticket key; nobody gets what they declined.

    `kept_from` says by ticket key who shall not have it this time.
    """
    items = {
        item.key: WorkItem(
            ticket_id=str(item.key),
            title=item.title,
            priority=item.priority,
            needs=item.needs,
            created_at=item.created_at,
            due_at=item.due_at,
            group=item.group,
            requester=item.requester,
            declined_by=kept_from.get(item.key, frozenset()),
        )
        for item in work
    }
    return with_past(desk, transaction, items, work, now)


def with_past(
    desk: Desk,
    transaction: Transaction,
    items: Mapping[int, WorkItem],
    matters: Sequence[Matter],
    now: datetime,
) -> dict[int, WorkItem]:
    """Items by ticket key, with what is known of earlier: who declined, who knows the matter.

    Where nobody is to lean to anybody, no `matters` are needed.
    """
    declined = transaction.declined_by(list(items))
    knows: Mapping[int, Mapping[str, float]] = {}
    if desk.online.affinity != "off":
        linked = desk.online.affinity == "linked"
        knows = transaction.who_knows(matters, now - MEMORY, linked=linked)
    found = dict(items)
    for key in sorted(declined.keys() | knows.keys()):
        item = found[key]
        found[key] = replace(
            item,
            affinity=knows.get(key, {}),
            declined_by=item.declined_by | declined.get(key, frozenset()),
        )
    return found


def matters_of(tickets: Sequence[TriagedTicket]) -> list[Matter]:
    """What somebody may know these tickets by."""
    return [
        Matter(
            key=triaged.key,
            source=triaged.ticket.source,
            requester=triaged.ticket.requester_email.lower(),
            linked=triaged.ticket.linked,
        )
        for triaged in tickets
    ]


def place(
    desk: Desk,
    transaction: Transaction,
    work: Sequence[OpenWork],
    now: datetime,
    *,
    kept_from: Mapping[int, frozenset[str]] = NOBODY,
) -> dict[int, Assignment]:
    """Give open work that nobody has to the agents, all at once; by ticket key who got it."""
    items = items_of(desk, transaction, work, now, kept_from=kept_from)
    given = batch(desk, transaction, items, now)
    record(desk, transaction, given, now)
    interrupt(desk, transaction, list(given), now)
    return given


def batch(
    desk: Desk, transaction: Transaction, items: Mapping[int, WorkItem], now: datetime
) -> dict[int, Assignment]:
    """Who should get these, by ticket key, as the roster is now."""
    if not items:
        return {}
    found = assign_now(desk, list(items.values()), transaction.roster(now), now)
    return grouped(dict(zip(items, found.assignments, strict=True)), items)


def assign_now(
    desk: Desk, items: Sequence[WorkItem], roster: Sequence[Agent], now: datetime
) -> BatchAssignment:
    """Who of the desk's whole roster should get these, in their order; one alone in no time."""
    if len(items) == 1:
        return desk.board.place(items[0], roster, policy=desk.assign_policy, now=now)
    return assign_batch(
        items,
        roster,
        policy=desk.assign_policy,
        now=now,
        time_limit=desk.assign_time_limit,
    )


def grouped(
    given: Mapping[int, Assignment], items: Mapping[int, WorkItem]
) -> dict[int, Assignment]:
    """Assignments with the group that had to take each, for when they are made anew."""
    groups = {key: item.group for key, item in items.items() if item.group}
    return {
        **given,
        **{key: replace(given[key], group=group) for key, group in groups.items() if key in given},
    }


def record(
    desk: Desk,
    transaction: Transaction,
    given: Mapping[int, Assignment],
    now: datetime,
    *,
    run_id: str = "",
    committed: bool | None = None,
    by: str = "",
) -> None:
    """Record who gets tickets, by key; committed as the desk's rules say, unless said otherwise."""
    transaction.assign(
        run_id,
        list(given.items()),
        now,
        starts_clocks=bool(desk.sla_policy.group_targets),
        committed=desk.online.commits_early if committed is None else committed,
        given_by=by,
    )


def record_batch(
    desk: Desk,
    transaction: Transaction,
    items: Mapping[int, WorkItem],
    given: Iterable[tuple[int, Assignment]],
    *,
    run_id: str,
    now: datetime,
) -> int:
    """Record who gets a run's tickets, one by one as they are told; returns how many somebody got.

    `given` says it for each of `items`, by ticket key.
    """
    with_groups = (
        (key, replace(assignment, group=items[key].group) if items[key].group else assignment)
        for key, assignment in given
    )
    return transaction.assign(
        run_id,
        with_groups,
        now,
        keys=list(items),
        starts_clocks=bool(desk.sla_policy.group_targets),
        committed=desk.online.commits_early,
    )


def alone(
    desk: Desk, item: WorkItem, agent: Agent, now: datetime, *, why: str, change: str
) -> Assignment:
    """The assignment of a ticket to one agent, for a reason, and what would have changed it.

    Neither the agent's load nor their group stands in the way: that has been looked at.
    """
    willing = replace(
        agent,
        availability=Availability.AVAILABLE,
        capacity=max(agent.capacity, agent.load + 1),
        shift_ends_at=None,
    )
    free = replace(item, group="", declined_by=item.declined_by - {agent.id})
    (given,) = assign_batch([free], [willing], policy=desk.assign_policy, now=now).assignments
    return replace(
        given,
        agent_id=agent.id,
        agent_name=agent.name,
        rationale=why,
        would_change=change,
        group=item.group,
    )


def interrupt(desk: Desk, transaction: Transaction, keys: Collection[int], now: datetime) -> None:
    """Have those of these tickets that may interrupt begun at once, where nobody fit is free.

    The agent keeps what they worked on: it is theirs, and waits for them.
    """
    rules = desk.online.commitment
    if not rules.interrupt:
        return
    from triagedesk.assign.commitment import interruption  # noqa: PLC0415 (few desks interrupt)

    every = transaction.open_work()
    urgent = [
        item
        for item in every
        if item.key in keys and item.priority in rules.interrupt and not _is_begun(item)
    ]
    if not urgent:
        return
    roster = transaction.roster(now)
    agents = {agent.id: agent for agent in without_tentative(roster, every)}
    items = items_of(desk, transaction, every, now)
    working = working_on(every, items)
    for work in sorted(urgent, key=lambda item: (item.priority, item.created_at, item.key)):
        found = interruption(
            items[work.key],
            working,
            list(agents.values()),
            policy=rules,
            assign_policy=desk.assign_policy,
            now=now,
        )
        if found is None:
            continue
        agent_id, put_aside = found
        agent = agents[agent_id]
        why = (
            f"{agent.name} begins this at once: nobody else fit for it is free, and "
            f"{put_aside.title!r} (P{put_aside.priority:d}) can wait."
        )
        change = "Somebody fit for it who had nothing to do would have got it."
        given = alone(desk, items[work.key], agent, now, why=why, change=change)
        _set_aside(desk, transaction, int(put_aside.ticket_id), work, now)
        transaction.release([work.key], now, why=ReleasedFor.REASSIGNED)
        record(desk, transaction, {work.key: given}, now, committed=True)
        details = {"agent": agent_id, "waits": put_aside.ticket_id, "for": str(work.key)}
        transaction.audit(
            "work interrupted", work.external_id, actor="desk", at=now, details=details
        )
        working[agent_id] = items[work.key]
        agents[agent_id] = replace(agent, load=agent.load + 1)


def _set_aside(
    desk: Desk, transaction: Transaction, key: int, urgent: OpenWork, now: datetime
) -> None:
    """End the work on a ticket; its agent keeps it."""
    (triaged,) = transaction.triaged_of([key])
    transaction.release([key], now, why=ReleasedFor.INTERRUPTED, note=urgent.external_id)
    if triaged.assignment:
        why = f"{triaged.assignment.agent_name} goes on with this after {urgent.title!r}."
        kept = replace(triaged.assignment, rationale=why)
        record(desk, transaction, {key: kept}, now, committed=True)


def without_tentative(roster: Sequence[Agent], every: Sequence[OpenWork]) -> list[Agent]:
    """The roster with loads of what agents have for good: tentative work keeps nobody from any."""
    tentative = Counter(
        item.agent_id
        for item in every
        if item.holding and item.holding.state is AssignmentState.TENTATIVE
    )
    return [replace(agent, load=max(0, agent.load - tentative[agent.id])) for agent in roster]


def working_on(every: Sequence[OpenWork], items: Mapping[int, WorkItem]) -> dict[str, WorkItem]:
    """Agent id -> what they work on now: what they accepted last."""
    begun = sorted(
        (item.holding.accepted_at, item.key, item.agent_id)
        for item in every
        if item.agent_id and item.holding and item.holding.accepted_at
    )
    return {agent_id: items[key] for _, key, agent_id in begun}


def _is_begun(item: OpenWork) -> bool:
    return item.holding is not None and item.holding.accepted_at is not None
