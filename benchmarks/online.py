"""Online assignment: how long a tentative assignee takes, and what late commitment is worth.

    python benchmarks/online.py                       both parts
    python benchmarks/online.py --only speed
    python benchmarks/online.py --only sla --seeds 8 --weeks 5

Speed: tickets placed one by one on a board of 1,000 agents, in process, with everything that is
said about them. SLA: a desk of 45 agents in three shifts, 16 skills, arrivals that swing by hour
and day, log-normal handling times by skill and proficiency, 2/4/12/36 hours to resolve P1/P2/P3/P4,
simulated for some weeks (the first is not counted). Every rule sees the same desks, the same
tickets and the same handling times; intervals are 95 % over desks.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import numpy as np

from assign import crowd  # type: ignore[import-not-found]  # a script beside this one
from triagedesk.agents import Agent, Shift, SkillNeed
from triagedesk.assign import AssignPolicy, WorkItem
from triagedesk.assign.commitment import CommitmentPolicy
from triagedesk.assign.index import HOUR, handling_factor
from triagedesk.assign.tentative import TentativeBoard
from triagedesk.priority import Priority
from triagedesk.simulate import Replication, Rule, Scenario, simulate
from triagedesk.simulate.figures import estimate, fewer_breaches
from triagedesk.sla import Window

#: A Monday.
START = datetime(2026, 1, 5, tzinfo=UTC)
SLA_HOURS = {1: 2, 2: 4, 3: 12, 4: 36}
SHARES = (0.08, 0.22, 0.40, 0.30)
BY_HOUR = np.array(
    [.35, .3, .28, .27, .3, .4, .6, .9, 1.3, 1.7, 1.8, 1.7,
     1.5, 1.6, 1.8, 1.75, 1.6, 1.35, 1.1, .95, .8, .7, .55, .45]
)  # fmt: skip
BY_DAY = np.array([1.1, 1.1, 1.05, 1.05, 1.0, 0.6, 0.5])
#: Share of agents by night, day and late shift.
BANDS = (0.17, 0.50, 0.33)


@dataclass(frozen=True, kw_only=True)
class Staff:
    """Agents with what the generator of their work must know about them."""

    #: Proficiency by agent and skill; 0 for none.
    levels: np.ndarray
    #: Shift band (0 night, 1 day, 2 late) and working days of each agent.
    band: np.ndarray
    days: np.ndarray


def staff(agents: int, skills: int, random: np.random.Generator) -> Staff:
    popular = np.arange(1, skills + 1) ** -0.6
    popular = random.permutation(popular / popular.sum()) ** 0.8
    levels = np.zeros((agents, skills), int)
    for agent in range(agents):
        many = int(np.clip(2 + random.poisson(2.5), 2, 8))
        known = random.choice(skills, many, replace=False, p=popular / popular.sum())
        levels[agent, known] = np.clip(np.rint(random.normal(6.5, 2.2, many)), 1, 10)
    counts = [max(1, round(BANDS[0] * agents)), max(1, round(BANDS[1] * agents))]
    band = random.permutation(np.repeat([0, 1, 2], [*counts, agents - sum(counts)]))
    days = np.ones((agents, 7), bool)
    days_off = [0.06, 0.06, 0.06, 0.06, 0.08, 0.33, 0.35]
    for agent in range(agents):
        days[agent, random.choice(7, 2, replace=False, p=days_off)] = False
    for one in range(3):
        mine = np.flatnonzero(band == one)
        for day in range(7):
            if not days[mine, day].any():
                days[random.choice(mine), day] = True
        for skill in range(skills):
            if not levels[mine, skill].any():
                levels[random.choice(mine), skill] = 5
    return Staff(levels=levels, band=band, days=days)


def desk(seed: int, *, agents: int, weeks: int, load: float, skills: int = 16) -> Scenario:
    """A desk whose agents are busy `load` of their time, with its tickets of some weeks."""
    random = np.random.default_rng(10_000 + seed)
    people = staff(agents, skills, random)
    mean = 0.75 * random.uniform(0.6, 1.4, skills)
    factor = np.array(
        [np.mean([handling_factor(p) for p in people.levels[:, s] if p > 0]) for s in range(skills)]
    )
    hours = people.days.sum(axis=1) * 8.0
    knows = people.levels > 0
    supply = (knows / knows.sum(axis=1, keepdims=True) * hours[:, None]).sum(axis=0)
    demand = supply / (mean * factor) * random.uniform(0.85, 1.15, skills)
    demand /= demand.sum()
    per_week = load * hours.sum() / float((demand * mean * factor).sum())
    profile = (BY_DAY[:, None] * BY_HOUR).ravel()
    counts = random.poisson(np.tile(per_week * profile / profile.sum(), weeks))
    at = np.repeat(np.arange(len(counts)), counts) + random.random(counts.sum())
    names = [f"Skill {skill:02}" for skill in range(skills)]
    items = _tickets(np.sort(at), names, demand, random)
    return Scenario(
        roster=_roster(people, names),
        items=items,
        commitment=CommitmentPolicy(
            handling=timedelta(hours=0.75),
            handling_by_skill={
                n: timedelta(hours=float(m)) for n, m in zip(names, mean, strict=True)
            },
        ),
        warm_up=timedelta(weeks=1),
    )


def _roster(people: Staff, names: Sequence[str]) -> tuple[Agent, ...]:
    roster = []
    for number, levels in enumerate(people.levels):
        opens = int(people.band[number]) * 8 * 3600
        window = Window(opens=opens, closes=opens + 8 * 3600)
        week = tuple((window,) if works else () for works in people.days[number])
        roster.append(
            Agent(
                id=f"agent-{number:03}",
                name=f"Agent {number:03}",
                skills={n: int(p) for n, p in zip(names, levels, strict=True) if p},
                capacity=20,
                shift=Shift(time_zone="UTC", week=week),
            )
        )
    return tuple(roster)


def _tickets(
    at: np.ndarray, names: Sequence[str], demand: np.ndarray, random: np.random.Generator
) -> tuple[WorkItem, ...]:
    primary = random.choice(len(names), len(at), p=demand)
    second = np.where(
        random.random(len(at)) < 0.4, random.choice(len(names), len(at), p=demand), -1
    )
    priority = random.choice([1, 2, 3, 4], len(at), p=SHARES)
    known: dict[tuple[int, int], tuple[SkillNeed, ...]] = {}
    items = []
    for number, hours in enumerate(at.tolist()):
        pair = int(primary[number]), int(second[number])
        if pair not in known:
            needs = [SkillNeed(skill=names[pair[0]], weight=1.0)]
            if pair[1] not in (-1, pair[0]):
                needs.append(SkillNeed(skill=names[pair[1]], weight=0.5))
            known[pair] = tuple(needs)
        created = START + timedelta(hours=hours)
        items.append(
            WorkItem(
                ticket_id=f"T{number:06}",
                title="",
                priority=Priority(int(priority[number])),
                needs=known[pair],
                created_at=created,
                due_at=created + timedelta(hours=SLA_HOURS[int(priority[number])]),
            )
        )
    return tuple(items)


def speed(agents: int, tickets: int) -> None:
    items, people = crowd(tickets * 2, agents, 120)
    board = TentativeBoard(people, AssignPolicy())
    now = START + timedelta(hours=9)
    board.place(items[0], now)
    seconds, given = [], []
    for number, item in enumerate(items[1 : tickets + 1]):
        start = time.perf_counter()
        placed = board.place(item, now)
        seconds.append(time.perf_counter() - start)
        given.append(placed.agent_id)
        if number % 3 == 2 and given[number - 2]:
            board.release(str(given[number - 2]))
    milliseconds = np.array(seconds) * 1000
    print(f"\n{tickets:,} tickets one by one, {agents:,} agents, 120 skills, with explanation:")
    for share in (50, 90, 99, 99.9):
        print(f"  p{share:<5} {np.percentile(milliseconds, share):.3f} ms")


CASES = (
    ("round robin, skilled", Rule.ROUND_ROBIN),
    ("least loaded, skilled", Rule.LEAST_LOADED),
    ("our score on arrival", Rule.SCORE),
    ("our score, rebalanced every 5 min", Rule.REBALANCE),
    ("pull by priority", Rule.PRIORITY),
    ("pull by deadline", Rule.DEADLINE),
    ("pull by index", Rule.INDEX),
    ("pull by index, P1 interrupts", Rule.INTERRUPT),
)


def sla(seeds: int, agents: int, weeks: int, load: float, *, blind: bool) -> None:
    """One pass of every rule over each desk; desks are the replications."""
    found: dict[str, list[Replication]] = {name: [] for name, _ in CASES}
    for seed in range(seeds):
        scenario = desk(seed, agents=agents, weeks=weeks, load=load)
        if blind:
            means = scenario.commitment.handling_by_skill
            hours = {i.ticket_id: means[i.needs[0].skill] / HOUR for i in scenario.items}
            policy = replace(scenario.commitment, handling_by_skill={})
            scenario = replace(scenario, hours=hours, commitment=policy)
        cases = [(name, rule, scenario) for name, rule in CASES]
        for outcome in simulate(cases, replications=1, seed=seed):
            found[outcome.name] += outcome.replications
        print(f"desk {seed + 1} of {seeds}", flush=True)
    print(f"\n{agents} agents, {weeks} weeks, offered load {load:.0%}, {seeds} desks"
          f"{', mean handling times not known by skill' if blind else ''}:\n")  # fmt: skip
    print("| rule | SLA breached | P1 | P4 | mean wait | worked | fewer than least loaded "
          "| fewer than round robin |")  # fmt: skip
    print("|---" * 8 + "|")
    for name, runs in found.items():
        shares = [run.breached or 0.0 for run in runs]
        by = [[run.breached_by_priority.get(p, 0.0) for run in runs] for p in (1, 4)]
        cells = [name, _percent(estimate(shares)), *(f"{np.mean(one):.2%}" for one in by)]
        cells.append(f"{np.mean([run.wait_hours for run in runs]):.2f} h")
        cells.append(f"{np.mean([run.utilisation for run in runs]):.0%}")
        for base in ("least loaded, skilled", "round robin, skilled"):
            fewer = fewer_breaches(found[base], runs, 1)
            cells.append("-" if fewer is None or base == name else _percent(fewer, digits=0))
        print("| " + " | ".join(cells) + " |")


def _percent(value: object, digits: int = 2) -> str:
    mean, low, high = (getattr(value, name) for name in ("mean", "low", "high"))
    return f"{mean:.{digits}%} ({low:.{digits}%} to {high:.{digits}%})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--only", choices=["speed", "sla"])
    parser.add_argument("--agents", type=int, default=45)
    parser.add_argument("--weeks", type=int, default=5)
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--load", type=float, default=0.85)
    parser.add_argument("--tickets", type=int, default=5000)
    parser.add_argument("--blind", action="store_true", help="rules do not know means by skill")
    options = parser.parse_args()
    if options.only != "sla":
        speed(1000, options.tickets)
    if options.only != "speed":
        sla(options.seeds, options.agents, options.weeks, options.load, blind=options.blind)


if __name__ == "__main__":
    main()
