"""`triagedesk evaluate`: how good the classifying is, on tickets whose true label is known."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from triagedesk.cli import options

if TYPE_CHECKING:
    from rich.console import Console

    from triagedesk.classify.evaluate.compare import Comparison
    from triagedesk.evaluating import EvaluatedFile, Measured
    from triagedesk.labelled import Labelled

#: Lines shown on the terminal; the JSON and the page have all.
_MOST_CLASSES, _MOST_CONFUSED, _MOST_ROWS = 15, 8, 10


def evaluate(
    labelled: Annotated[
        str,
        typer.Argument(
            metavar="LABELLED",
            help="Tickets with their true request_category and request_type, or label "
            "(.csv .json .jsonl .yaml, or `-`).",
        ),
    ],
    *,
    catalog: Annotated[
        str,
        typer.Option(
            metavar="URL|FILE",
            help="Service Catalog instead of SERVICE_CATALOG_URL; else the labels found.",
        ),
    ] = "",
    text: Annotated[str, typer.Option(metavar="COLUMN", help="The column of the text.")] = "",
    label: Annotated[str, typer.Option(metavar="COLUMN", help="The column of the label.")] = "",
    skip_unknown: Annotated[
        bool, typer.Option("--skip-unknown", help="Leave out labels the catalog does not have.")
    ] = False,
    folds: Annotated[
        int,
        typer.Option(metavar="K", help="Learn from K-1 parts, ask about the K-th; 0: zero-shot."),
    ] = 0,
    no_curve: Annotated[
        bool, typer.Option("--no-curve", help="With --folds: measure no learning curve.")
    ] = False,
    limit: Annotated[
        int, typer.Option(metavar="N", help="Only N tickets, drawn with the seed; 0: all.")
    ] = 0,
    seed: Annotated[int, typer.Option(metavar="N", help="For folds, limit and intervals.")] = 0,
    llm: Annotated[
        bool,
        typer.Option("--llm", help="Ask the configured LLM what the local model is unsure of."),
    ] = False,
    compare: Annotated[
        tuple[str, str] | None,
        typer.Option(
            metavar="A B",
            help="Two of: local, llm, llm-cascade, precision=0.99, a file of an earlier --json.",
        ),
    ] = None,
    price_in: Annotated[
        float | None, typer.Option(metavar="PRICE", help="Per million input tokens.")
    ] = None,
    price_out: Annotated[
        float | None, typer.Option(metavar="PRICE", help="Per million output tokens.")
    ] = None,
    html: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the whole report to one HTML file.")
    ] = None,
    as_json: options.AsJson = False,
) -> None:
    """Measure how well tickets are classified, on tickets whose true label is known.

    The truth is never shown to a classifier. Nothing is kept, and no desk's store is touched.
    """
    settings = options.settings()
    # Everything below is slow to import: a wrong setting is said before that.
    from triagedesk.cli.show import Bars
    from triagedesk.commands import evaluate_labelled
    from triagedesk.evaluating import EvaluateOptions

    wanted = EvaluateOptions(
        file=labelled,
        catalog=catalog,
        text_column=text,
        label_column=label,
        skip_unknown=skip_unknown,
        folds=folds,
        curve=not no_curve,
        limit=limit,
        seed=seed,
        with_llm=llm,
        compare=compare or (),
        price_in=price_in,
        price_out=price_out,
    )
    with Bars() as bars:
        found = evaluate_labelled(settings, wanted, bars)
    _say_set_aside(found.labelled)
    if html is not None:
        _write_page(found, html)
    if as_json:
        typer.echo(json.dumps(_document(found), ensure_ascii=False, indent=2))
    else:
        _show(found)


def _say_set_aside(labelled: Labelled) -> None:
    for problem in labelled.broken[:_MOST_ROWS]:
        typer.echo(f"set aside: {problem}", err=True)
    if len(labelled.broken) > _MOST_ROWS:
        typer.echo(f"set aside: {len(labelled.broken) - _MOST_ROWS} more rows", err=True)
    for unknown in labelled.unknown[:_MOST_ROWS]:
        said = f"{unknown.name}: {unknown.why} ({unknown.count} times, first {unknown.where})"
        typer.echo(f"left out: {said}", err=True)
    if len(labelled.unknown) > _MOST_ROWS:
        typer.echo(f"left out: {len(labelled.unknown) - _MOST_ROWS} more labels", err=True)


def _write_page(found: EvaluatedFile, path: Path) -> None:
    from datetime import UTC, datetime

    from triagedesk.classify.evaluate.page import Subject, page
    from triagedesk.files import write_file

    labelled = found.labelled
    content = page(
        Subject(
            origin=labelled.origin,
            catalog=_catalog_words(labelled),
            set_aside=len(labelled.broken),
            left_out=sum(unknown.count for unknown in labelled.unknown),
            made_at=datetime.now(UTC),
        ),
        [(m.evaluation, m.figures, m.cost) for m in found.measured],
        found.comparison,
    )
    write_file(path, content.encode())
    typer.echo(f"The report is {path}.", err=True)


def _document(found: EvaluatedFile) -> dict[str, object]:
    """What `--json` prints: one evaluation, or both with their comparison."""
    from triagedesk.classify.evaluate.document import (
        as_document,
        comparison_as_json,
    )

    labelled = found.labelled
    about: dict[str, object] = {
        "file": labelled.origin,
        "catalog": labelled.catalog.origin,
        "flat_catalog": labelled.flat,
        "set_aside": [{"where": p.where, "what": p.what} for p in labelled.broken],
        "left_out": [
            {"label": u.name, "why": u.why, "count": u.count, "where": u.where}
            for u in labelled.unknown
        ],
    }
    documents = [as_document(m.evaluation, m.figures, m.cost) for m in found.measured]
    if found.comparison is None:
        return documents[0] | about
    return {
        "kind": "triagedesk comparison",
        **about,
        "comparison": comparison_as_json(found.comparison),
        "evaluations": documents,
    }


def _catalog_words(labelled: Labelled) -> str:
    entries = len(labelled.catalog.entries)
    if labelled.flat:
        return f"none given: the {entries} labels found in the file serve as a flat catalog"
    return f"{labelled.catalog.origin} ({entries} request types)"


def _show(found: EvaluatedFile) -> None:
    """Print the figures as tables."""
    from rich.console import Console
    from rich.markup import escape

    console = Console(highlight=False)
    console.print(f"[bold]{escape(found.labelled.origin)}[/]", soft_wrap=True)
    console.print(f"Catalog: {escape(_catalog_words(found.labelled))}", soft_wrap=True)
    _show_figures(console, found)
    if found.comparison:
        _show_comparison(console, found.comparison)
    else:
        _show_details(console, found.measured[0])
    for measured in found.measured:
        for note in measured.evaluation.notes:
            console.print(f"[yellow]![/] {escape(note)}", soft_wrap=True)


def _show_figures(console: Console, found: EvaluatedFile) -> None:
    from rich.markup import escape
    from rich.table import Table

    from triagedesk.classify.evaluate.wording import headline

    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("", style="bold")
    columns = [dict(headline(m.evaluation, m.figures, m.cost)) for m in found.measured]
    for measured in found.measured:
        table.add_column(escape(measured.evaluation.policy), overflow="fold")
    for name in dict.fromkeys(name for column in columns for name in column):
        table.add_row(name, *(escape(column.get(name, "")) for column in columns))
    console.print(table)


def _show_comparison(console: Console, comparison: Comparison) -> None:
    from rich.markup import escape
    from rich.table import Table

    from triagedesk.classify.evaluate.wording import p_words, percent, points, verdict

    table = Table("share of tickets", "first", "second", "difference", "95%", "p")
    for paired in comparison.paired:
        table.add_row(
            paired.what,
            percent(paired.first),
            percent(paired.second),
            points(paired.difference),
            f"{points(paired.low)} to {points(paired.high)}",
            p_words(paired.p_value),
        )
    console.print(table)
    console.print(escape(verdict(comparison)), soft_wrap=True)


def _show_details(console: Console, measured: Measured) -> None:
    from rich.markup import escape
    from rich.table import Table

    from triagedesk.classify.evaluate.wording import label_name, percent

    classes = sorted(measured.figures.classes, key=lambda c: (c.f1, c.label))
    table = Table("label", "tickets", "precision", "recall", "F1")
    for figures in classes[:_MOST_CLASSES]:
        rates = (figures.precision, figures.recall, figures.f1)
        table.add_row(
            escape(label_name(figures.label)), str(figures.support), *(percent(r) for r in rates)
        )
    console.print(table)
    if len(classes) > _MOST_CLASSES:
        console.print(f"The {_MOST_CLASSES} weakest of {len(classes)} labels; --html shows all.")
    if measured.figures.confused:
        confused = Table("truly", "answered", "times", "of its tickets")
        for pair in measured.figures.confused[:_MOST_CONFUSED]:
            names = (label_name(pair.truth), label_name(pair.answer))
            confused.add_row(
                *(escape(name) for name in names), str(pair.count), percent(pair.share)
            )
        console.print(confused)
