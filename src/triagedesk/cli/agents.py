"""`triagedesk agents list | availability` and `triagedesk next`."""

from __future__ import annotations

import getpass
import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from triagedesk.cli import options
from triagedesk.cli.corrections import By

if TYPE_CHECKING:
    from triagedesk.agents import Agent
    from triagedesk.desk_work import HandedOn

cli = typer.Typer(help="The agents of the desk: list, send away, take back.", no_args_is_help=True)

AgentId = Annotated[str, typer.Argument(metavar="AGENT", help="The agent's id.")]


@cli.command("list")
def list_agents(*, as_json: options.AsJson = False) -> None:
    """Every agent with the load of now, and until when they are there."""
    from datetime import UTC, datetime

    from triagedesk.app import assign_policy, open_store
    from triagedesk.assign.score import closed_reason

    settings, now = options.settings(), datetime.now(UTC)
    store = open_store(settings)
    try:
        with store.read() as transaction:
            roster = transaction.roster(now)
    finally:
        store.close()
    policy = assign_policy(settings)
    rows = [_row(agent, closed_reason(agent, now, policy)) for agent in roster]
    if as_json:
        typer.echo(json.dumps(rows, ensure_ascii=False, indent=2))
        return
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table("agent", "name", "open", "at most", "takes new work", "skills")
    for row in rows:
        table.add_row(*(escape(str(value)) for value in row.values()))
    Console(highlight=False).print(table)


@cli.command()
def availability(
    agent: AgentId,
    state: Annotated[
        str, typer.Argument(metavar="STATE", help="available, away or offline, or the usual words.")
    ],
    *,
    by: By = "",
    as_json: options.AsJson = False,
) -> None:
    """Say whether an agent takes work; who goes hands back what they have not begun, at once."""
    from triagedesk.agents import Availability
    from triagedesk.commands import set_availability
    from triagedesk.errors import InputError

    try:
        wanted = Availability.of(state)
    except ValueError as error:
        raise InputError(f"{state!r} is {error}") from None
    found, handed = set_availability(options.settings(), agent, wanted, by or getpass.getuser())
    if as_json:
        rows = [_handed(item) for item in handed]
        typer.echo(json.dumps({"agent_id": found.id, "handed_back": rows}, indent=2))
        return
    typer.echo(f"{found.name} is {found.availability}, with {found.load} open.")
    for item in handed:
        typer.echo(f"{item.ticket.ticket.id} goes to {item.to_agent or 'the queue'}.")


def next_ticket(agent: AgentId, *, by: By = "", as_json: options.AsJson = False) -> None:
    """Give an agent the ticket to begin now, and say why it is this one."""
    from triagedesk.commands import next_ticket as pull

    pulled = pull(options.settings(), agent, by or getpass.getuser())
    ticket = pulled.ticket.ticket if pulled.ticket else None
    if as_json:
        found = {"ticket_id": ticket.id if ticket else None, "why": pulled.why}
        typer.echo(json.dumps(found, ensure_ascii=False, indent=2))
        return
    if ticket:
        typer.echo(f"{ticket.id}: {ticket.short_description}")
    typer.echo(pulled.why)


def _row(agent: Agent, closed: str) -> dict[str, Any]:
    return {
        "agent_id": agent.id,
        "name": agent.name,
        "load": agent.load,
        "capacity": agent.capacity,
        "takes_work": closed or "yes",
        "skills": ", ".join(f"{skill} {level}" for skill, level in agent.skills.items()),
    }


def _handed(item: HandedOn) -> dict[str, Any]:
    return {"ticket_id": item.ticket.ticket.id, "to_agent_id": item.to_agent}
