"""Assigning a batch against a plain sequential scorer, side by side in one run.

    python benchmarks/assign.py                  all three sizes, median of 5
    python benchmarks/assign.py --runs 1 --sizes 1k,10k
    python benchmarks/assign.py --plain-large    the plain scorer on 100k x 1,000 too (minutes)

The plain scorer does what the published description says, in plain Python: for each ticket in
order of urgency it scores every agent, takes the best, adds one to their load and writes a line.
Both are given the skills each ticket needs, and both are timed from records to sentences. Every
size runs in a process of its own, so that peak memory is its own.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import numpy as np

from triagedesk.agents import Agent, SkillNeed
from triagedesk.assign import AssignPolicy, BatchAssignment, WorkItem, assign_batch
from triagedesk.assign.classes import read_classes
from triagedesk.assign.roster import read_roster
from triagedesk.assign.solver import solve
from triagedesk.assign.worth import Worth
from triagedesk.priority import Priority

NOW = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
POLICY = AssignPolicy()
Result = TypeVar("Result")
#: Tickets, agents, skills.
SIZES = {"1k": (1_000, 50, 40), "10k": (10_000, 200, 60), "100k": (100_000, 1_000, 120)}


@dataclass(frozen=True, kw_only=True)
class Figures:
    """One size, measured; times are seconds of CPU, medians."""

    size: str
    plain: float | None
    ours: float
    solver: float
    megabytes: float
    gap: float
    left_out: int
    #: What the plain scorer's answer lacks to the bound, relative.
    plain_gap: float | None
    plain_left_out: int | None


def crowd(
    tickets: int, agents: int, skills: int, seed: int = 1
) -> tuple[list[WorkItem], list[Agent]]:
    """Tickets and agents as at a desk at 80-90 % load; most tickets unlike any other.

    Skills are needed by a power law and known by a flatter one, five to an agent; confidences
    of needs vary as those of a text model do.
    """
    random = np.random.default_rng(seed)
    names = [f"Skill {number:03}" for number in range(skills)]
    wanted = random.permutation(np.arange(1, skills + 1) ** -0.7)
    wanted /= wanted.sum()
    return (
        _tickets(tickets, names, wanted, random),
        _agents(agents, tickets, names, wanted**0.7, random),
    )


def _agents(
    number: int, tickets: int, names: Sequence[str], known: np.ndarray, random: np.random.Generator
) -> list[Agent]:
    many = np.minimum(len(names), 3 + random.poisson(2, number))
    skills: list[dict[str, int]] = []
    for count in many:
        chosen = random.choice(len(names), count, replace=False, p=known / known.sum())
        levels = np.clip(np.rint(random.normal(7, 2, count)), 1, 10)
        skills.append({names[s]: int(p) for s, p in zip(chosen, levels, strict=True)})
    for name in sorted(set(names).difference(*skills)):
        skills[random.integers(number)][name] = 8
    capacity = np.maximum(2, np.rint(random.uniform(0.8, 1.2, number) * 1.44 * tickets / number))
    load = np.minimum(capacity - 1, np.rint(capacity * random.uniform(0, 0.3, number)))
    return [
        Agent(
            id=f"agent-{place:04}",
            name=f"Agent {place:04}",
            skills=skills[place],
            load=int(load[place]),
            capacity=int(capacity[place]),
            experience=float(random.integers(0, 25)),
        )
        for place in range(number)
    ]


def _tickets(
    number: int, names: Sequence[str], wanted: np.ndarray, random: np.random.Generator
) -> list[WorkItem]:
    many = random.choice([1, 2, 3], number, p=[0.5, 0.35, 0.15])
    skills = random.choice(len(names), (number, 3), p=wanted)
    confidence = np.round(random.uniform(0.85, 1, (number, 3)), 2)
    priority = random.choice([1, 2, 3, 4], number, p=[0.08, 0.22, 0.4, 0.3])
    hours = random.uniform(0, 24, number)
    items = []
    for place in range(number):
        needs: dict[str, SkillNeed] = {}
        for rank in range(many[place]):
            name = names[skills[place, rank]]
            weight = 0.5 if rank else 1.0
            sure = float(confidence[place, rank])
            needs.setdefault(name, SkillNeed(skill=name, weight=weight, confidence=sure))
        items.append(
            WorkItem(
                ticket_id=f"T{place:06}",
                title=f"Ticket {place}",
                priority=Priority(int(priority[place])),
                needs=tuple(needs.values()),
                created_at=NOW - timedelta(hours=float(hours[place])),
            )
        )
    return items


def plain_scorer(
    items: Sequence[WorkItem], agents: Sequence[Agent]
) -> list[tuple[str | None, str]]:
    """The published way: each ticket in order of urgency to the agent who scores best."""
    load = {agent.id: agent.load for agent in agents}
    answer: dict[str, tuple[str | None, str]] = {}
    for item in sorted(items, key=lambda item: (item.priority, item.created_at)):
        urgency = POLICY.urgency[item.priority - 1]
        chosen, highest = None, float("-inf")
        for agent in agents:
            if load[agent.id] >= agent.capacity:
                continue
            best = total = strengths = 0.0
            for need in item.needs:
                strength = need.weight * need.confidence
                term = strength * agent.skills.get(need.skill, 0)
                best = max(best, term)
                total += term
                strengths += strength
            score = urgency * (0.075 * best + 0.025 * total / strengths)
            score -= (load[agent.id] + 0.5) / agent.capacity + (0 if best else 2 * urgency)
            if score > highest:
                chosen, highest = agent, score
        if chosen is None:
            answer[item.ticket_id] = None, "Everyone is at capacity."
            continue
        why = f"{chosen.name} scores best ({highest:.2f}), load {load[chosen.id]}/{chosen.capacity}"
        answer[item.ticket_id] = chosen.id, why
        load[chosen.id] += 1
    return [answer[item.ticket_id] for item in items]


def objective(
    items: Sequence[WorkItem], agents: Sequence[Agent], chosen: Sequence[str | None]
) -> float:
    """What an answer scores by our own yardstick."""
    by_id = {agent.id: agent for agent in agents}
    load = {agent.id: agent.load for agent in agents}
    total = 0.0
    for item, agent_id in zip(items, chosen, strict=True):
        urgency = POLICY.urgency[item.priority - 1]
        if agent_id is None:
            total -= POLICY.deferral * urgency
            continue
        agent = by_id[agent_id]
        terms = [(n.weight * n.confidence, agent.skills.get(n.skill, 0)) for n in item.needs]
        best = max(strength * level for strength, level in terms)
        mean = sum(s * level for s, level in terms) / sum(s for s, _ in terms)
        total += urgency * (0.075 * best + 0.025 * mean) - (0 if best else 2 * urgency)
        total -= (load[agent_id] + 0.5) / agent.capacity
        load[agent_id] += 1
    return total


def timed(work: Callable[[], Result], runs: int) -> tuple[float, Result]:
    """Median seconds of CPU, and the last result."""
    seconds = []
    for _ in range(runs):
        start = time.process_time()
        result = work()
        seconds.append(time.process_time() - start)
    return statistics.median(seconds), result


def solver_only(items: Sequence[WorkItem], agents: Sequence[Agent]) -> float:
    """From records to who gets what, without the sentences."""
    roster = read_roster(agents, NOW, POLICY)
    classes = read_classes(items, roster, POLICY)
    return solve(Worth(roster=roster, classes=classes, policy=POLICY)).objective


def measure(size: str, runs: int, *, plain: bool) -> Figures:
    items, agents = crowd(*SIZES[size])
    warm_items, warm_agents = crowd(20, 5, 4)
    assign_batch(warm_items, warm_agents, now=NOW)  # loads numpy and the solver

    def ours() -> BatchAssignment:
        return assign_batch(items, agents, now=NOW)

    seconds, batch = timed(ours, runs)
    solver, _ = timed(lambda: solver_only(items, agents), runs)
    megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    plain_seconds = plain_gap = plain_left = None
    if plain:
        plain_seconds, answer = timed(lambda: plain_scorer(items, agents), runs)
        chosen = [agent_id for agent_id, _ in answer]
        plain_gap = (batch.bound - objective(items, agents, chosen)) / batch.bound
        plain_left = chosen.count(None)
    return Figures(
        size=f"{len(items):,} x {len(agents):,}",
        plain=plain_seconds,
        ours=seconds,
        solver=solver,
        megabytes=megabytes,
        gap=batch.gap,
        left_out=sum(one.agent_id is None for one in batch.assignments),
        plain_gap=plain_gap,
        plain_left_out=plain_left,
    )


HEAD = (
    "| tickets x agents | plain scorer | ours | times faster | tickets/s | solver alone "
    "| peak memory | gap | left out | plain: short of the bound | plain: left out |"
)


def row(figures: Figures) -> str:
    tickets = int(figures.size.split(" x ")[0].replace(",", ""))
    plain = "-" if figures.plain is None else f"{figures.plain:.3f} s"
    faster = "-" if figures.plain is None else f"{figures.plain / figures.ours:.1f}"
    short = "-" if figures.plain_gap is None else f"{figures.plain_gap:.2%}"
    left = "-" if figures.plain_left_out is None else f"{figures.plain_left_out}"
    return (
        f"| {figures.size} | {plain} | {figures.ours:.3f} s | {faster} "
        f"| {tickets / figures.ours:,.0f} | {figures.solver:.3f} s | {figures.megabytes:.0f} MB "
        f"| {figures.gap:.5%} | {figures.left_out} | {short} | {left} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--sizes", default=",".join(SIZES))
    parser.add_argument("--plain-large", action="store_true")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        plain = options.one != "100k" or options.plain_large
        print(json.dumps(asdict(measure(options.one, options.runs, plain=plain))))
        return
    print(HEAD)
    print("|---" * (HEAD.count("|") - 1) + "|")
    for size in options.sizes.split(","):
        command = [sys.executable, __file__, "--one", size, "--runs", str(options.runs)]
        command += ["--plain-large"] if options.plain_large else []
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        print(row(Figures(**json.loads(done.stdout))), flush=True)


if __name__ == "__main__":
    main()
