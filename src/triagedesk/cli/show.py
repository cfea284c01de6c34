"""What a person reads on the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from pydantic import SecretStr
from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from triagedesk.catalog import ServiceCatalog
from triagedesk.desk import RunSummary, SentReport
from triagedesk.errors import DeliveryError, OutputError
from triagedesk.learning import Learned
from triagedesk.store.corrections import Lesson
from triagedesk.store.costs import ModelUse
from triagedesk.store.reports import StoredReport
from triagedesk.tickets import Classification, Ticket

if TYPE_CHECKING:
    from triagedesk.settings import Settings

_console = Console(highlight=False)
#: More notes than this are counted, not shown.
_MOST_NOTES = 10


class _Count(MofNCompleteColumn):
    """So many of so many; nothing for a step of unknown length."""

    def render(self, task: Task) -> Text:
        """The count of one step."""
        return super().render(task) if task.total is not None else Text("")


class Bars:
    """Progress bars on a terminal, with counts and time left; nothing anywhere else."""

    def __init__(self) -> None:
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            _Count(),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            transient=True,
            disable=not Console(stderr=True).is_terminal,
        )
        self._task = self._progress.add_task("Starting", total=None)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._progress.stop()

    def start(self, what: str, total: int | None) -> None:
        """Show the next step in place of the one before."""
        self._progress.remove_task(self._task)
        self._task = self._progress.add_task(what, total=total)

    def advance(self, count: int) -> None:
        """Move the bar on."""
        self._progress.advance(self._task, count)


def exit_code(summary: RunSummary) -> int:
    """What `triagedesk run` ends with."""
    return exit_code_of(summary.reports)


def exit_code_of(sent: Sequence[SentReport]) -> int:
    """4 when a report is unsent, 5 when only its file could not be written, else 0."""
    if any(report.state in ("unsent", "parked") for report in sent):
        return DeliveryError.exit_code
    return OutputError.exit_code if any(report.file_error for report in sent) else 0


def show_summary(summary: RunSummary, *, dry_run: bool) -> None:
    """Print the closing summary of a run."""
    if summary.only_resent:
        _console.print(
            f"[bold]{_count(len(summary.reports), 'report')} had not been sent.[/] "
            "Nothing was fetched and no model was called."
        )
    else:
        _console.print(_figures(summary))
    _show_notes(summary)
    show_sent(summary.reports)
    if dry_run:
        _console.print("[bold]Dry run:[/] nothing was kept, written or sent.")
    elif summary.only_resent and not exit_code(summary):
        _console.print("The next run fetches again.")


def _figures(summary: RunSummary) -> Table:
    """The figures of a run, a line each."""
    figures = summary.figures
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(style="bold")
    table.add_column()
    arrived = [("new", summary.new), ("changed", summary.changed), ("known", summary.unchanged)]
    if summary.broken:
        arrived.append(("set aside", len(summary.broken)))
    table.add_row("Fetched", f"{summary.fetched}  ({_listed(arrived)})")
    table.add_row("Classified", f"{figures.total}  ({_listed(figures.by_decided_by.items())})")
    table.add_row("To review", str(figures.needs_review))
    by_priority = [(p.name, figures.by_priority[p]) for p in sorted(figures.by_priority)]
    table.add_row("Priority", _listed(by_priority, separator="  "))
    assigned = f"{figures.assigned}  ({summary.assigned_now} in this run)"
    table.add_row("Assigned", assigned)
    table.add_row("Deferred", str(figures.deferred))
    table.add_row("SLA", f"{figures.breached} breached, {figures.at_risk} at risk")
    if summary.sla_events or summary.escalated or summary.notified:
        since = f"{_count(summary.sla_events, 'SLA event')}, {_count(summary.notified, 'notice')}"
        table.add_row("Escalated", f"{summary.escalated}  ({since})")
    if summary.usage.calls:
        usage = summary.usage
        tokens = f"{usage.input_tokens} tokens in, {usage.output_tokens} out"
        table.add_row("LLM", f"{_count(usage.calls, 'call')}, {tokens}")
    if summary.written_back:
        table.add_row("Written back", str(summary.written_back))
    return table


def _show_notes(summary: RunSummary) -> None:
    notes = [
        f"Set aside: {f'ticket {item.id}' if item.id else f'number {item.position + 1}'}: "
        f"{item.reason}"
        for item in summary.broken
    ]
    notes += summary.notes
    if summary.skill_gaps:
        notes.append(f"Nobody on the roster knows: {', '.join(summary.skill_gaps)}")
    for note in notes[:_MOST_NOTES]:
        _console.print(f"[yellow]![/] {escape(note)}")
    if len(notes) > _MOST_NOTES:
        _console.print(f"[yellow]![/] and {len(notes) - _MOST_NOTES} more, all in the report")


def show_sent(reports: Sequence[SentReport]) -> None:
    """Print what became of reports."""
    for report in reports:
        if not report.file_error:
            _console.print(f"Report: {escape(str(report.path))}", soft_wrap=True)
        else:
            _console.print(f"[red]{escape(report.file_error)}[/] (the store keeps the report)")
        to = escape(", ".join(report.recipients))
        if report.state == "sent" and report.channel == "maildir":
            folder = escape(report.destination)
            _console.print(f"Mail:   {folder} (as .eml: no mail server is configured)")
        elif report.state == "sent":
            _console.print(f"Sent to {to}.", soft_wrap=True)
        for recipient, error in report.errors.items():
            why = f"{recipient}: {error}"
            _console.print(f"[red]Not sent[/] to {escape(why)}", soft_wrap=True)
        if report.state == "unsent":
            _console.print(f"Report {report.id} is unsent: the next run will resend it.")
        if report.state == "parked":
            _console.print(
                f"Report {report.id} was refused for good and blocks further runs. Two ways out: "
                f"`triagedesk report resend {report.id} --to ADDRESS` or "
                f"`triagedesk report discard {report.id}`.",
                soft_wrap=True,
            )


def reports_as_json(reports: Sequence[StoredReport]) -> list[dict[str, Any]]:
    """Reports as `triagedesk report list --json` prints them."""
    return [
        {
            "id": report.id,
            "created_at": report.created_at.isoformat(),
            "state": report.state,
            "subject": report.subject,
            "path": report.path,
            "deliveries": [
                {
                    "recipient": copy.recipient,
                    "state": copy.state,
                    "channel": copy.channel,
                    "attempts": copy.attempts,
                    "error": copy.error,
                }
                for copy in report.deliveries
            ],
        }
        for report in reports
    ]


def show_reports(reports: Sequence[StoredReport]) -> None:
    """Print every report with its copies; no table, which would cut addresses and reasons."""
    if not reports:
        _console.print("No report yet: `triagedesk run` makes one.")
    for report in reports:
        built = f"built {report.created_at:%Y-%m-%d %H:%M} UTC"
        _console.print(f"[bold]{report.id}[/]  {report.state:9}  {built}", soft_wrap=True)
        for copy in report.deliveries:
            tried = f"{copy.state}, {_count(copy.attempts, 'attempt')}"
            why = f": {copy.error}" if copy.error else ""
            line = f"  {copy.recipient}  {tried}{why}"
            _console.print(escape(line), soft_wrap=True)


def show_catalog(catalog: ServiceCatalog) -> None:
    """Print a catalog that is in order."""
    table = Table("request_category", "request_type", "SLA")
    for entry in catalog.entries:
        sla = f"{entry.sla.value} {entry.sla.unit}" if entry.sla.value else "no deadline"
        table.add_row(*(escape(name) for name in entry.label), sla)
    _console.print(table)
    _console.print(
        f"{_count(len(catalog.entries), 'request type')} in order, version {catalog.version[:12]}."
    )


def show_settings(settings: Settings) -> None:
    """Print every setting in force; secrets only as set or not."""
    table = Table("setting", "value", "")
    for name in type(settings).model_fields:
        value = getattr(settings, name)
        if isinstance(value, SecretStr):
            shown = "(set)" if value.get_secret_value() else ""
        elif isinstance(value, tuple):
            shown = ", ".join(value)
        else:
            shown = "" if value is None else str(value)
        default = "" if name in settings.model_fields_set else "default"
        table.add_row(name.upper(), escape(shown), default)
    _console.print(table)
    _console.print("The settings and the files they name are in order.")


def classifications_as_json(
    classified: Sequence[tuple[Ticket, Classification]],
) -> list[dict[str, Any]]:
    """Answers as `triagedesk classify --json` prints them."""
    return [
        {
            "id": ticket.id,
            "request_category": answer.label.request_category if answer.label else "",
            "request_type": answer.label.request_type if answer.label else "",
            "confidence": round(answer.confidence, 4),
            "decided_by": answer.decided_by.value,
            "needs_review": answer.needs_review,
            "evidence": list(answer.evidence),
            "notes": list(answer.notes),
            "alternatives": [
                {
                    "request_category": alternative.label.request_category,
                    "request_type": alternative.label.request_type,
                    "confidence": round(alternative.probability, 4),
                }
                for alternative in answer.alternatives
            ],
        }
        for ticket, answer in classified
    ]


def show_classifications(classified: Sequence[tuple[Ticket, Classification]]) -> None:
    """Print a table of answers."""
    table = Table("id", "subject", "request_category", "request_type", "sure", "by", "")
    for ticket, answer in classified:
        names = answer.label or ("", "")
        table.add_row(
            *(escape(cell) for cell in (ticket.id, ticket.short_description[:60], *names)),
            f"{answer.confidence:.0%}",
            answer.decided_by,
            "review" if answer.needs_review else "",
        )
    _console.print(table)


def show_learned(learned: Learned) -> None:
    """Print what a lesson brought."""
    _console.print(
        f"Learned from {_count(learned.corrections, 'correction')}; "
        f"`triagedesk corrections undo {learned.lesson}` takes it back.",
        soft_wrap=True,
    )
    for earlier in learned.contradicted[:_MOST_NOTES]:
        text = escape(earlier.text.splitlines()[0][:60])
        _console.print(
            f"[yellow]![/] {earlier.made_by} said {escape(str(earlier.label))} of the same text "
            f"on {earlier.made_at:%Y-%m-%d} ({text}); the newer answer stands.",
            soft_wrap=True,
        )
    for problem in learned.set_aside[:_MOST_NOTES]:
        _console.print(f"[yellow]![/] Set aside: {escape(str(problem))}", soft_wrap=True)
    hidden = sum(max(0, len(n) - _MOST_NOTES) for n in (learned.contradicted, learned.set_aside))
    hidden += learned.more
    if hidden:
        _console.print(f"[yellow]![/] and {hidden} more")


def show_lessons(lessons: Sequence[Lesson]) -> None:
    """Print a table of lessons."""
    table = Table("lesson", "made (UTC)", "by", "corrections", "")
    table.columns[0].no_wrap = True
    for lesson in lessons:
        made, undone = f"{lesson.made_at:%Y-%m-%d %H:%M}", "undone" if lesson.undone else ""
        table.add_row(lesson.id, made, escape(lesson.made_by), str(lesson.corrections), undone)
    _console.print(table if lessons else "Nothing has been corrected yet.")


def costs_as_json(use: Sequence[ModelUse], settings: Settings) -> list[dict[str, Any]]:
    """What models were used for, a line a day and model; `cost` is None without prices."""
    prices = settings.llm_price_input, settings.llm_price_output
    return [
        {
            "day": line.day.isoformat(),
            "model": line.model,
            "calls": line.calls,
            "tickets": line.tickets,
            "input_tokens": line.input_tokens,
            "output_tokens": line.output_tokens,
            "cost": round(
                (line.input_tokens * prices[0] + line.output_tokens * prices[1]) / 1_000_000, 6
            )
            if any(prices)
            else None,
        }
        for line in use
    ]


def show_costs(lines: Sequence[Mapping[str, Any]], days: int) -> None:
    """Print what models were used for."""
    if not lines:
        _console.print(f"No language model was called in the last {_count(days, 'day')}.")
        return
    table = Table("day", "model", "calls", "tickets", "tokens in", "tokens out", "cost")
    for line in lines:
        cells = [line["day"], escape(line["model"])]
        cells += [str(line[k]) for k in ("calls", "tickets", "input_tokens", "output_tokens")]
        table.add_row(*cells, "no price set" if line["cost"] is None else f"{line['cost']:.4f}")
    _console.print(table)
    tickets = sum(line["tickets"] for line in lines)
    paid = sum(line["cost"] or 0.0 for line in lines)
    if tickets and paid:
        _console.print(f"{1000 * paid / tickets:.4f} per 1,000 tickets asked.")


def _listed(counts: Any, *, separator: str = ", ") -> str:
    """`3 new, 1 known` out of names and counts; zeros are left out."""
    pairs = counts.items() if isinstance(counts, Mapping) else counts
    return separator.join(f"{count} {name}" for name, count in pairs if count) or "none"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
