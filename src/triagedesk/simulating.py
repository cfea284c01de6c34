"""What `triagedesk simulate` does: history and roster as the settings say, changed and replayed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import timedelta

from triagedesk import app
from triagedesk.agents import Agent, Shift
from triagedesk.agents_parser import shift_of
from triagedesk.assign.index import CommitmentPolicy
from triagedesk.catalog_parser import parse_catalog
from triagedesk.cleaning import excerpt
from triagedesk.errors import AgentsError, InputError, Problem, TicketsError
from triagedesk.settings import Settings
from triagedesk.simulate import OFFICE_HOURS, Outcome, Rule, Scenario, simulate
from triagedesk.simulate.history import History, history_of, read_history
from triagedesk.simulate.whatif import add_agents, with_shift, with_skill, without
from triagedesk.sources.catalogs import catalog_source
from triagedesk.sources.files import read_text, shown_path
from triagedesk.store.lists import TicketFilter
from triagedesk.tickets import TriagedTicket

#: Tickets read from the store at a time.
PAGE = 500
_SKILL = re.compile(r"(?P<agent>[^:]{1,200}):(?P<skill>[^=]{1,200})=(?P<level>\d{1,2})")


@dataclass(frozen=True, kw_only=True)
class SimulateOptions:
    """What is to be simulated."""

    #: File of tickets, or `-`; "" for the desk's own.
    history: str = ""
    #: Names of rules; the first is what the others are compared with.
    policies: tuple[str, ...] = ()
    #: Service Catalog that types in the file are looked up in.
    catalog: str = ""
    add_agents: int = 0
    like: str = ""
    without: tuple[str, ...] = ()
    #: `AGENT:SKILL=LEVEL`.
    skills: tuple[str, ...] = ()
    #: `AGENT=SHIFT`.
    shifts: tuple[str, ...] = ()
    #: When agents work who have no shift.
    hours: str = ""
    handling_minutes: float = 45.0
    replications: int = 10
    seed: int = 0

    @property
    def changed(self) -> bool:
        """Whether another roster is asked about."""
        return bool(self.add_agents or self.without or self.skills or self.shifts)


@dataclass(frozen=True, kw_only=True)
class Simulated:
    """What was simulated and what it came to."""

    history: History
    #: Those whose shift was not known.
    without_shift: int
    outcomes: tuple[Outcome, ...]


def simulate_desk(settings: Settings, options: SimulateOptions) -> Simulated:
    """Replay a history under each rule, and on the changed roster where a change is asked for.

    Raises InputError naming every option that is not valid.
    """
    rules = _rules(options)
    default = _shift(options.hours, "--hours") if options.hours else _office(settings)
    app.configure_logging(settings)
    roster = _roster(settings)
    history = _history(settings, options)
    scenario = Scenario(
        roster=roster,
        items=history.items,
        hours=history.hours,
        assign_policy=replace(
            app.assign_policy(settings.model_copy(update={"commitment": "late"})),
            handling=timedelta(minutes=options.handling_minutes),
        ),
        commitment=CommitmentPolicy(handling=timedelta(minutes=options.handling_minutes)),
        default_shift=default,
    )
    cases = [(rule.value, rule, scenario) for rule in rules]
    if options.changed:
        other = replace(scenario, roster=_changed(roster, history, options))
        cases = [
            case
            for rule in rules
            for case in ((rule.value, rule, scenario), (f"{rule.value}, what if", rule, other))
        ]
    return Simulated(
        history=history,
        without_shift=sum(agent.shift is None for agent in roster),
        outcomes=tuple(simulate(cases, replications=options.replications, seed=options.seed)),
    )


def _rules(options: SimulateOptions) -> list[Rule]:
    names = options.policies or (("index",) if options.changed else ("score", "index"))
    known = [rule.value for rule in Rule]
    problems = [
        Problem(where="--policy", what=f"{excerpt(name)} is not one of {', '.join(known)}")
        for name in names
        if name not in known
    ]
    if problems:
        raise InputError("There is no such rule.", problems=problems)
    return [Rule(name) for name in dict.fromkeys(names)]


def _office(settings: Settings) -> Shift:
    return replace(OFFICE_HOURS, time_zone=settings.time_zone)


def _shift(text: str, where: str) -> Shift:
    """A shift such as `Europe/Berlin mon-fri 09:00-17:00`."""
    shift, problems = shift_of(text)
    if shift is None:
        named = [replace(problem, where=f"{where}: {problem.where}") for problem in problems]
        raise AgentsError("The shift is not valid.", problems=named)
    return shift


def _roster(settings: Settings) -> tuple[Agent, ...]:
    read = app.roster_reader(settings)
    if read is not None:
        return tuple(read())
    with closing(app.open_store(settings)) as store, store.read() as transaction:
        return transaction.roster()


def _history(settings: Settings, options: SimulateOptions) -> History:
    if options.history:
        catalog = None
        if options.catalog:
            document = catalog_source(options.catalog).load()
            catalog = parse_catalog(document.text if document else "", origin=options.catalog)
        return read_history(
            read_text(options.history, error=TicketsError),
            origin=shown_path(options.history),
            catalog=catalog,
            sla_policy=app.sla_policy(settings),
        )
    history = history_of(list(_decided(settings)))
    if not history.items:
        hint = "run `triagedesk run` first, or name a file of tickets"
        raise TicketsError("This desk has not decided any ticket yet.", hint=hint)
    return history


def _decided(settings: Settings) -> Iterator[TriagedTicket]:
    """Every ticket this desk has decided, newest first."""
    with closing(app.open_store(settings)) as store, store.read() as transaction:
        before: int | None = None
        while page := transaction.desk_tickets(TicketFilter(), before=before, most=PAGE):
            before = page[-1].key
            yield from (ticket.triaged for ticket in page if ticket.triaged)


def _changed(
    roster: tuple[Agent, ...], history: History, options: SimulateOptions
) -> tuple[Agent, ...]:
    """The roster as the options want it, in the order: skills, shifts, without, added."""
    for text in options.skills:
        parts = _SKILL.fullmatch(text)
        if parts is None:
            what = f"{excerpt(text)} is not AGENT:SKILL=LEVEL"
            raise AgentsError(
                "The skill is not valid.", problems=[Problem(where="--skill", what=what)]
            )
        roster = with_skill(roster, parts["agent"], parts["skill"], int(parts["level"]))
    for text in options.shifts:
        agent, _, hours = text.partition("=")
        roster = with_shift(roster, agent.strip(), _shift(hours, "--shift"))
    for agent_id in options.without:
        roster = without(roster, agent_id)
    return add_agents(roster, options.add_agents, history.items, like=options.like)
