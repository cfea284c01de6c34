"""`triagedesk simulate`: replay an arrival history under other rules, or with another roster."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from triagedesk.cli import options

if TYPE_CHECKING:
    from triagedesk.simulate import Estimate, Outcome
    from triagedesk.simulating import Simulated

#: Problems shown; the others are counted.
_MOST_ROWS = 10
_RULES = (
    "round-robin, least-loaded, score, score+rebalance, priority-pull, deadline-pull, index, "
    "index+interrupt"
)
_NO_DEADLINE = "-"


def simulate(
    history: Annotated[
        str,
        typer.Argument(
            metavar="HISTORY",
            help="Tickets with created_at, skills or request_type, and SLA (.csv .json .jsonl "
            ".yaml, or `-`); without it, this desk's own tickets.",
        ),
    ] = "",
    *,
    policy: Annotated[
        list[str] | None,
        typer.Option(
            "--policy",
            metavar="RULE",
            help=f"Rule to simulate, more than once to compare with the first: {_RULES}.",
        ),
    ] = None,
    agents: options.Agents = None,
    catalog: options.Catalog = "",
    add_agents: Annotated[
        int, typer.Option("--add-agents", metavar="N", help="What if there were N agents more?")
    ] = 0,
    like: Annotated[
        str, typer.Option(metavar="AGENT", help="Whom the added agents are like (id or name).")
    ] = "",
    without: Annotated[
        list[str] | None, typer.Option(metavar="AGENT", help="What if they were not there?")
    ] = None,
    skill: Annotated[
        list[str] | None,
        typer.Option(metavar="AGENT:SKILL=LEVEL", help="What if they knew this at 1-10?"),
    ] = None,
    shift: Annotated[
        list[str] | None,
        typer.Option(
            metavar="AGENT=SHIFT",
            help="What if they worked then? E.g. 'A01=Europe/Berlin mon-fri 12:00-20:00'.",
        ),
    ] = None,
    hours: Annotated[
        str,
        typer.Option(
            metavar="SHIFT", help="When agents work who have no shift; else mon-fri 09:00-17:00."
        ),
    ] = "",
    handling: Annotated[
        float, typer.Option(metavar="MIN", help="Mean minutes a ticket takes.", min=1, max=10_000)
    ] = 45.0,
    replications: Annotated[
        int, typer.Option(metavar="N", help="Passes with other handling times.", min=1, max=200)
    ] = 10,
    seed: Annotated[int, typer.Option(metavar="N", help="For the handling times.", min=0)] = 0,
    as_json: options.AsJson = False,
) -> None:
    """Replay tickets as they arrived, under other rules or with another roster.

    Only handling times are random, and they are the same in every variant. Nothing is kept.
    """
    settings = options.settings(catalog=catalog, agents=agents)
    # Everything below is slow to import: a wrong setting is said before that.
    from triagedesk.simulating import SimulateOptions, simulate_desk

    wanted = SimulateOptions(
        history=history,
        policies=tuple(policy or ()),
        catalog=settings.service_catalog_url,
        add_agents=add_agents,
        like=like,
        without=tuple(without or ()),
        skills=tuple(skill or ()),
        shifts=tuple(shift or ()),
        hours=hours,
        handling_minutes=handling,
        replications=replications,
        seed=seed,
    )
    found = simulate_desk(settings, wanted)
    broken = found.history.broken
    for problem in broken[:_MOST_ROWS]:
        typer.echo(f"set aside: {problem}", err=True)
    if len(broken) > _MOST_ROWS:
        typer.echo(f"set aside: {len(broken) - _MOST_ROWS} more rows", err=True)
    if as_json:
        typer.echo(json.dumps(_document(found, wanted.seed), ensure_ascii=False, indent=2))
    else:
        _show(found)


def _document(found: Simulated, seed: int) -> dict[str, Any]:
    """What `--json` prints; shares are 0-1."""
    return {
        "kind": "triagedesk simulation",
        "history": found.history.origin,
        "tickets": len(found.history.items),
        "with_deadline": sum(item.due_at is not None for item in found.history.items),
        "set_aside": [{"where": p.where, "what": p.what} for p in found.history.broken],
        "agents_without_shift": found.without_shift,
        "seed": seed,
        "outcomes": [_outcome(outcome) for outcome in found.outcomes],
    }


def _outcome(outcome: Outcome) -> dict[str, Any]:
    fewer = outcome.fewer_breaches
    return {
        "name": outcome.name,
        "policy": outcome.rule.value,
        "agents": outcome.agents,
        "replications": len(outcome.replications),
        "figures": {name: _interval(value) for name, value in outcome.figures.items()},
        "fewer_breaches_than_first": None if fewer is None else _interval(fewer),
    }


def _interval(value: Estimate) -> dict[str, float]:
    return {name: round(getattr(value, name), 6) for name in ("mean", "low", "high")}


def _show(found: Simulated) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False)
    promised = sum(item.due_at is not None for item in found.history.items)
    passes = len(found.outcomes[0].replications)
    console.print(
        f"{len(found.history.items)} tickets from {found.history.origin}, {promised} with a "
        f"deadline; {passes} {'pass' if passes == 1 else 'passes'}, with 95 % intervals.",
        soft_wrap=True,
        markup=False,
    )
    table = Table(box=None, padding=(0, 2, 0, 0))
    for header in ("", "agents", "SLA met", "wait", "95 % done", "busy", "fewer breaches"):
        # A narrow terminal breaks what is long.
        table.add_column(header, no_wrap=header not in ("", "fewer breaches"), overflow="fold")
    for outcome in found.outcomes:
        table.add_row(*_cells(outcome))
    console.print(table)
    if not promised:
        console.print("No ticket has a deadline: give sla_hours, due_at, or a catalog.")
    if found.without_shift:
        console.print(
            f"{found.without_shift} agents have no shift: they were taken to work office hours "
            "(--hours says otherwise).",
            soft_wrap=True,
        )


def _cells(outcome: Outcome) -> tuple[str, ...]:
    figures, fewer = outcome.figures, outcome.fewer_breaches
    late = figures.get("breached")
    met = _NO_DEADLINE
    if late is not None:
        met = f"{1 - late.mean:.1%} ±{100 * (late.high - late.mean):.1f}"
    gain = _NO_DEADLINE
    if fewer is not None:
        gain = f"{fewer.mean:.0%} ({fewer.low:.0%} to {fewer.high:.0%})"
    wait, p95 = figures["wait_hours"].mean, figures["resolved_p95_hours"].mean
    return (
        outcome.name,
        str(outcome.agents),
        met,
        f"{wait:.1f} h",
        f"{p95:.1f} h",
        f"{figures['utilisation'].mean:.0%}",
        gain,
    )
