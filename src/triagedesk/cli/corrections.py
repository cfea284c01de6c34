"""`triagedesk correct`, `learn` and `corrections list | undo`."""

from __future__ import annotations

import getpass
from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from triagedesk.cli import options

cli = typer.Typer(help="What people corrected: list, take back.", no_args_is_help=True)

By = Annotated[str, typer.Option("--by", metavar="NAME", help="Who says so; default: you.")]


def correct(
    ticket: Annotated[str, typer.Argument(metavar="TICKET", help="The ticket's id.")],
    *,
    category: Annotated[str, typer.Option("--category", help="The right request_category.")],
    kind: Annotated[str, typer.Option("--type", help="The right request_type.")],
    by: By = "",
) -> None:
    """Say what a ticket really is; the local model learns it at once."""
    from triagedesk.cli.show import show_learned
    from triagedesk.commands import correct_ticket

    learned, decided = correct_ticket(
        options.settings(), ticket, category, kind, by or getpass.getuser()
    )
    due = (
        f", due {decided.resolution_due_at:%Y-%m-%d %H:%M} UTC" if decided.resolution_due_at else ""
    )
    typer.echo(f"Ticket {ticket} is {decided.classification.label}{due}.")
    show_learned(learned)


def learn(
    history: Annotated[
        Path, typer.Argument(metavar="HISTORY", help="Closed tickets with category and type.")
    ],
    *,
    by: By = "",
) -> None:
    """Learn from a desk's own closed tickets (.csv .json .jsonl .yaml)."""
    from triagedesk.cli.show import show_learned
    from triagedesk.commands import learn_history

    show_learned(learn_history(options.settings(), history, by or getpass.getuser()))


@cli.command("list")
def list_lessons() -> None:
    """What has been learned, lesson by lesson."""
    from triagedesk.app import open_store
    from triagedesk.cli.show import show_lessons

    with closing(open_store(options.settings())) as store, store.read() as transaction:
        lessons = transaction.lessons()
    show_lessons(lessons)


@cli.command()
def undo(
    lesson: Annotated[
        str, typer.Argument(metavar="LESSON", help="As `corrections list` shows it.")
    ],
    *,
    by: By = "",
) -> None:
    """Take back what was learned together."""
    from triagedesk.commands import undo_lesson

    undone = undo_lesson(options.settings(), lesson, by or getpass.getuser())
    typer.echo(f"{undone} corrections of lesson {lesson} no longer count.")
