"""`triagedesk person create | list | change | password | disable | enable`."""

from __future__ import annotations

import json
import sys
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from triagedesk.cli import options

if TYPE_CHECKING:
    from collections.abc import Iterator

    from triagedesk.store import Transaction
    from triagedesk.store.people import Person

cli = typer.Typer(
    help="People who sign in to the page: create, list, change, password, disable, enable.",
    no_args_is_help=True,
)

_LONGEST = 100
Name = Annotated[str, typer.Argument(metavar="NAME", help="What they sign in with.")]
Role = Annotated[
    str,
    typer.Option(
        metavar="ROLE",
        help="viewer reads, agent works on their own tickets, lead on all; admin: people too.",
    ),
]
AgentId = Annotated[
    str | None, typer.Option("--agent", metavar="AGENT_ID", help="The agent they are.")
]
FullName = Annotated[str | None, typer.Option("--full-name", help="As others see them.")]
FromStdin = Annotated[
    bool, typer.Option("--password-stdin", help="Read the password from standard input.")
]


@cli.command()
def create(
    name: Name,
    *,
    role: Role = "viewer",
    agent: AgentId = None,
    full_name: FullName = None,
    password_stdin: FromStdin = False,
    no_password: Annotated[
        bool, typer.Option("--no-password", help="They sign in by the identity provider alone.")
    ] = False,
) -> None:
    """Let somebody sign in; the first one should be an admin."""
    from triagedesk.cleaning import clean_name
    from triagedesk.errors import InputError

    if name != clean_name(name) or not 0 < len(name) <= _LONGEST or name.casefold() == "local":
        raise InputError(f"a person's name has 1 to {_LONGEST} visible characters on one line")
    kept = "" if no_password else _new_password(from_stdin=password_stdin)
    with _people() as (transaction, now):
        person = transaction.create_person(
            name,
            now,
            display_name=clean_name(full_name or ""),
            role=role,
            agent_id=_agent(transaction, agent or ""),
            password_hash=kept,
        )
        _audit(transaction, "person created", person, now)
    typer.echo(f"{person.name} may sign in as {person.role}.")


@cli.command("list")
def list_people(*, as_json: options.AsJson = False) -> None:
    """Everybody who may sign in, or might."""
    from triagedesk.app import open_store

    with closing(open_store(options.settings())) as store, store.read() as transaction:
        people = transaction.people()
    rows: list[dict[str, Any]] = [
        {
            "name": person.name,
            "full_name": person.display_name,
            "role": person.role,
            "agent_id": person.agent_id,
            "has_password": bool(person.password_hash),
            "identity": person.identity,
            "created_at": person.created_at.isoformat(),
            "signed_in_at": person.signed_in_at.isoformat() if person.signed_in_at else None,
            "disabled_at": person.disabled_at.isoformat() if person.disabled_at else None,
        }
        for person in people
    ]
    if as_json:
        typer.echo(json.dumps(rows, ensure_ascii=False, indent=2))
        return
    for person in people:
        seen = f"{person.signed_in_at:%Y-%m-%d}" if person.signed_in_at else "never"
        agent = f"  agent {person.agent_id}" if person.agent_id else ""
        state = "  disabled" if person.disabled_at else ""
        typer.echo(f"{person.name}  {person.role}{agent}  last signed in {seen}{state}")
    if not people:
        typer.echo("There is nobody: the page is open on this machine alone.")


@cli.command()
def change(
    name: Name,
    *,
    role: Annotated[str | None, typer.Option(metavar="ROLE", help="Another role.")] = None,
    agent: AgentId = None,
    full_name: FullName = None,
) -> None:
    """Give somebody another role, agent or name; what they have open shows it at once."""
    from triagedesk.cleaning import clean_name

    with _people() as (transaction, now):
        values: dict[str, str] = {}
        if role is not None:
            values["role"] = role
        if agent is not None:
            values["agent_id"] = _agent(transaction, agent)
        if full_name is not None:
            values["display_name"] = clean_name(full_name)
        person = transaction.change_person(name, **values)
        _audit(transaction, "person changed", person, now)
    typer.echo(f"{person.name} is {person.role}.")


@cli.command()
def password(name: Name, *, password_stdin: FromStdin = False) -> None:
    """Give somebody a new password; they are signed out everywhere."""
    kept = _new_password(from_stdin=password_stdin)
    with _people() as (transaction, now):
        person = transaction.change_person(name, password_hash=kept)
        transaction.close_sessions_of(person.id)
        transaction.forgive(f"account {person.name}")
        _audit(transaction, "password set", person, now)
    typer.echo(f"{person.name} has a new password.")


@cli.command()
def disable(name: Name) -> None:
    """Let somebody in no more, at once; what they did stays theirs."""
    with _people() as (transaction, now):
        person = transaction.change_person(name, disabled_at=now)
        transaction.close_sessions_of(person.id)
        _audit(transaction, "person disabled", person, now)
    typer.echo(f"{person.name} may sign in no more.")


@cli.command()
def enable(name: Name) -> None:
    """Let somebody in again."""
    with _people() as (transaction, now):
        person = transaction.change_person(name, disabled_at=None)
        _audit(transaction, "person enabled", person, now)
    typer.echo(f"{person.name} may sign in again.")


@contextmanager
def _people() -> Iterator[tuple[Transaction, datetime]]:
    from triagedesk.app import open_store

    with closing(open_store(options.settings())) as store, store.begin_alone() as transaction:
        yield transaction, datetime.now(UTC)


def _audit(transaction: Transaction, what: str, person: Person, now: datetime) -> None:
    details = {"role": person.role, "agent": person.agent_id}
    transaction.audit(what, person.name, actor="cli", at=now, details=details)


def _agent(transaction: Transaction, agent_id: str) -> str:
    """The id of an agent there is, or "". Raises NotFoundError."""
    from triagedesk.errors import NotFoundError

    known = transaction.known_agents()
    if agent_id and agent_id not in known:
        raise NotFoundError(
            f"there is no agent {agent_id!r}",
            hint="agents are known once the desk has read them: run it, or serve, first",
        )
    return agent_id


def _new_password(*, from_stdin: bool) -> str:
    """What is kept of a password that is typed twice, or read. Raises InputError."""
    from triagedesk.passwords import hash_password

    if from_stdin:
        return hash_password(sys.stdin.readline().rstrip("\r\n"))
    return hash_password(typer.prompt("Password", hide_input=True, confirmation_prompt=True))
