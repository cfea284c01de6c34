"""The composition root: the only file that names concrete adapters."""

from __future__ import annotations

import logging
import secrets
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import structlog

from triagedesk import dataset, evaluating, learning, pipeline, reporting, watch
from triagedesk.agents import Agent
from triagedesk.agents_parser import parse_agents
from triagedesk.assign import AssignPolicy
from triagedesk.catalog import Label, ServiceCatalog
from triagedesk.catalog_parser import parse_catalog
from triagedesk.classify import Classifier, Usage
from triagedesk.classify.budget import Budgeted
from triagedesk.classify.cascade import Cascade
from triagedesk.classify.confusable import Confusable, find_confusable
from triagedesk.classify.corrections import Correction
from triagedesk.classify.encoders import load_encoders
from triagedesk.classify.llm import LlmClassifier, MemoryCache, check_model
from triagedesk.classify.local import LocalClassifier
from triagedesk.classify.skills import SkillReader as LocalSkillReader
from triagedesk.desk import (
    Desk,
    Letterhead,
    Progress,
    RunSummary,
    SentReport,
    Silence,
    SkillReader,
)
from triagedesk.errors import (
    NotFoundError,
    Problem,
    SettingsError,
    TicketsError,
)
from triagedesk.evaluating import EvaluatedFile, EvaluateOptions
from triagedesk.files import write_file
from triagedesk.formats import format_for
from triagedesk.outbox import Channel
from triagedesk.outbox.maildir import MaildirChannel
from triagedesk.outbox.smtp import SmtpChannel
from triagedesk.priority import PriorityPolicy
from triagedesk.settings import Settings, load_settings
from triagedesk.sla import SlaPolicy, parse_sla_policy
from triagedesk.sources import CatalogSource, Source
from triagedesk.sources.catalogs import FileCatalogSource, catalog_source
from triagedesk.sources.files import (
    FileSource,
    read_agents_file,
    read_text,
    read_ticket_text,
    shown_path,
)
from triagedesk.sources.http import is_web_address
from triagedesk.sources.webhook import WebhookSource
from triagedesk.store import Store
from triagedesk.store.costs import ModelUse
from triagedesk.store.lease import hold
from triagedesk.store.sla_records import BoardLine, EventLine
from triagedesk.tickets import BrokenTicket, Classification, Ticket, TriagedTicket

_SAMPLE = files("triagedesk.sample")


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """What one call of `triagedesk run` wants different."""

    #: Where to write the workbook; None: OUTPUT_DIR/reports.
    report: Path | None = None
    #: Where to write every decision as JSON lines.
    decisions: Path | None = None
    send: bool = True
    dry_run: bool = False


@contextmanager
def open_desk(
    settings: Settings,
    options: RunOptions,
    *,
    progress: Progress | None = None,
    shield: Callable[[], AbstractContextManager[None]] = nullcontext,
) -> Iterator[Desk]:
    """A desk as the settings say. Raises TriagedeskError naming the setting or file at fault."""
    configure_logging(settings)
    check_language_model(settings)
    store = working = open_store(settings)
    try:
        if options.dry_run:
            working = _scratch_copy(store)
        yield Desk(
            store=working,
            source=ticket_source(settings),
            catalog_source=the_catalog_source(settings),
            read_roster=roster_reader(settings),
            classifier=cache(lambda: classifier(settings, working)),
            skill_reader=cache(lambda: skill_reader(settings)),
            sla_policy=sla_policy(settings),
            priority_policy=priority_policy(settings),
            assign_policy=AssignPolicy(),
            channel=channel(settings) if options.send and not options.dry_run else None,
            letterhead=letterhead(settings),
            report_path=lambda run_id: (
                options.report or settings.output_dir / "reports" / f"triage-{run_id}.xlsx"
            ),
            write_file=write_file,
            now=lambda: datetime.now(UTC),
            new_id=_new_id,
            sleep=time.sleep,
            dry_run=options.dry_run,
            progress=progress or Silence(),
            shield=shield,
        )
    finally:
        working.close()
        store.close()


def run_desk(desk: Desk, options: RunOptions) -> RunSummary:
    """One run, alone at this desk; then the decisions file, where one is wanted."""
    with nullcontext() if desk.dry_run else hold(desk.store, "run"):
        summary = pipeline.run(desk)
    if options.decisions and not summary.only_resent:
        with desk.store.read() as transaction:
            triaged = list(transaction.triaged(summary.run_id))
        write_file(options.decisions, dataset.decisions_as_jsonl(triaged))
    return summary


def open_store(settings: Settings) -> Store:
    """The store the settings name, with its schema up to date."""
    return Store.open(settings.database)


def _scratch_copy(store: Store) -> Store:
    """What a dry run works on: all the desk knows, kept nowhere."""
    scratch = Store.open("sqlite://")
    store.copy_into(scratch)
    return scratch


def _new_id() -> str:
    """Sorts by time and never repeats."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"


def ticket_source(settings: Settings) -> Source:
    """The helpdesk, a file of tickets, or the sample."""
    place = settings.helpdesk_api_url
    if not place:
        return FileSource(str(_SAMPLE / "tickets.json"), name="sample")
    if is_web_address(place):
        return WebhookSource(
            place,
            settings.helpdesk_api_key.get_secret_value(),
            settings.helpdesk_api_secret.get_secret_value(),
            timeout=settings.http_timeout,
        )
    return FileSource(place)


def the_catalog_source(settings: Settings) -> CatalogSource:
    """The catalog server, a file, or the sample."""
    if settings.service_catalog_url:
        return catalog_source(settings.service_catalog_url, timeout=settings.http_timeout)
    return FileCatalogSource(str(_SAMPLE / "service_catalog.yaml"))


def roster_reader(settings: Settings) -> Callable[[], Sequence[Agent]] | None:
    """Reads AGENTS_FILE, or the sample's agents; None: the store's agents are the roster."""
    path = settings.agents_file
    if path is None and settings.is_sample:
        path = Path(str(_SAMPLE / "agents.yaml"))
    if path is None:
        return None
    return lambda: read_agents_file(path, default_capacity=settings.agent_capacity)


def classifier(settings: Settings, store: Store | None) -> Classifier:
    """The local model, and behind it the language model where one is configured."""
    local = LocalClassifier(
        model_dir=settings.model_dir,
        promised_precision=settings.auto_precision,
        corrections=corrections(store) if store else (),
    )
    if not settings.llm_model_name:
        return Cascade(local=local)
    return Cascade(local=local, llm=language_model(settings, store))


def check_language_model(settings: Settings) -> None:
    """Raise SettingsError for a model that cannot be reached as configured; calls nothing."""
    if settings.llm_model_name:
        key = settings.llm_api_key.get_secret_value()
        check_model(settings.llm_model_name, api_key=key, base_url=settings.llm_base_url)


def language_model(settings: Settings, store: Store | None) -> Classifier:
    """The language model as configured; raises SettingsError when it cannot be reached so."""
    model = LlmClassifier(
        settings.llm_model_name,
        api_key=settings.llm_api_key.get_secret_value(),
        base_url=settings.llm_base_url,
        batch_size=settings.llm_batch_size,
        delay_between_batches=settings.llm_delay_between_batches,
        temperature=settings.llm_temperature,
        timeout=settings.llm_timeout,
        redact=settings.llm_redact,
        cache=_StoredAnswers(store) if store else MemoryCache(),
    )
    if store is None:
        return model
    return Budgeted(
        model=model,
        ledger=_StoredLedger(store),
        daily_tokens=settings.llm_daily_tokens,
        batch_size=settings.llm_batch_size,
    )


def corrections(store: Store) -> tuple[Correction, ...]:
    """What people have corrected so far, as the local model learns it."""
    with store.read() as transaction:
        stored = transaction.corrections()
    return tuple(
        Correction(
            text=item.text,
            label=item.label,
            ticket_id=str(item.ticket_key or ""),
            made_at=item.made_at,
            made_by=item.made_by,
        )
        for item in stored
    )


@dataclass(frozen=True)
class _StoredAnswers:
    """A language model's answers, kept in the store as they come."""

    store: Store

    def get(self, keys: Sequence[str]) -> Mapping[str, str]:
        with self.store.read() as transaction:
            return transaction.model_answers(keys)

    def put(self, answers: Mapping[str, str]) -> None:
        with self.store.begin() as transaction:
            transaction.keep_model_answers(answers, datetime.now(UTC))


@dataclass(frozen=True)
class _StoredLedger:
    """What language models used, kept in the store as they use it."""

    store: Store

    def tokens_today(self) -> int:
        midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        with self.store.read() as transaction:
            return transaction.tokens_since(midnight)

    def record(self, model: str, usage: Usage, tickets: int) -> None:
        with self.store.begin() as transaction:
            transaction.record_model_use(
                model,
                calls=usage.calls,
                input_tokens=usage.input_tokens,
                output_tokens=usage.output_tokens,
                tickets=tickets,
                now=datetime.now(UTC),
            )


def model_use(settings: Settings, days: int) -> list[ModelUse]:
    """What language models did in the last `days` days."""
    with closing(open_store(settings)) as store, store.read() as transaction:
        return transaction.model_use(datetime.now(UTC) - timedelta(days=days))


def skill_reader(settings: Settings) -> SkillReader:
    """Reads skills with the local model's encoders."""
    return LocalSkillReader(load_encoders(settings.model_dir))


def channel(settings: Settings) -> Channel:
    """SMTP where it is configured, otherwise a folder of .eml files."""
    if not settings.email_smtp_host:
        return MaildirChannel(
            settings.output_dir / "outbox",
            sender=_sender(settings),
            recipients=settings.email_recipient,
        )
    return SmtpChannel(
        host=settings.email_smtp_host,
        port=settings.email_smtp_port,
        use_tls=settings.email_use_tls,
        username=settings.email_username,
        password=settings.email_password.get_secret_value(),
        sender=_sender(settings),
        recipients=settings.email_recipient,
        timeout=settings.http_timeout,
    )


def _sender(settings: Settings) -> str:
    name = settings.email_username
    return settings.email_sender or (name if "@" in name else "triagedesk@localhost")


def letterhead(settings: Settings) -> Letterhead:
    """What the mail says besides the figures."""
    return Letterhead(
        title=settings.email_title,
        candidate_name=settings.candidate_name,
        codebase_url=settings.codebase_url,
        time_zone=settings.time_zone,
        domain=_sender(settings).rpartition("@")[2],
    )


def sla_policy(settings: Settings) -> SlaPolicy:
    """Calendars from SLA_CALENDARS_FILE; 24x7 without one."""
    text = _text_of(settings.sla_calendars_file, "SLA_CALENDARS_FILE")
    return parse_sla_policy(text) if text else SlaPolicy()


def priority_policy(settings: Settings) -> PriorityPolicy:
    """The bundled phrases, extended by PRIORITY_PHRASES_FILE."""
    text = _text_of(settings.priority_phrases_file, "PRIORITY_PHRASES_FILE")
    default = PriorityPolicy.default()
    return PriorityPolicy.from_yaml(text, base=default) if text else default


def _text_of(path: Path | None, setting: str) -> str:
    if path is None:
        return ""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "is not text"
        problem = Problem(where=setting, what=f"{path}: {reason}")
        raise SettingsError(problems=[problem]) from error


def read_catalog(place: str) -> ServiceCatalog:
    """The catalog at a URL or in a file."""
    document = catalog_source(place).load()
    return parse_catalog(document.text if document else "", origin=place)


def check_files(settings: Settings) -> None:
    """Read every file the settings name; raises the first file's own error."""
    check_language_model(settings)
    sla_policy(settings)
    priority_policy(settings)
    read_roster = roster_reader(settings)
    if read_roster:
        read_roster()


def configure_logging(settings: Settings) -> None:
    """Log to standard error as LOG_LEVEL says."""
    level = getattr(logging, settings.log_level.upper())
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


def resend_reports(
    settings: Settings,
    report_id: str,
    to: tuple[str, ...],
    shield: Callable[[], AbstractContextManager[None]] = nullcontext,
) -> list[SentReport]:
    """Send one report, or all unsent ones, now."""
    with open_desk(settings, RunOptions(), shield=shield) as desk, hold(desk.store, "run"):
        return reporting.resend(desk, report_id, to)


def discard_report(settings: Settings, report_id: str) -> None:
    """Give a report up."""
    with open_desk(settings, RunOptions()) as desk:
        reporting.discard(desk, report_id)


def rebuild_report(settings: Settings, run_id: str, output: Path) -> str:
    """Write a run's workbook anew; returns the run's id."""
    with open_desk(settings, RunOptions(report=output, send=False)) as desk:
        with desk.store.read() as transaction:
            wanted = run_id or transaction.newest_run() or ""
            if not transaction.has_run(wanted):
                hint = "see `triagedesk report list`; `triagedesk run` makes the first one"
                raise NotFoundError(f"there is no run {wanted!r}", hint=hint)
        _, content = reporting.build_report(desk, wanted, desk.now())
        write_file(output, content)
    return wanted


def sla_board(
    settings: Settings, most: int | None, *, everything: bool
) -> tuple[list[BoardLine], datetime]:
    """SLAs that run, next to breach first, as they stand at the time that comes with them."""
    with open_desk(settings, RunOptions(send=False)) as desk:
        return watch.board(desk, most=most, everything=everything), desk.now()


def sla_events(settings: Settings, most: int | None) -> list[EventLine]:
    """What happened to SLAs, newest first."""
    with open_desk(settings, RunOptions(send=False)) as desk:
        return watch.event_lines(desk, most=most)


def correct_ticket(
    settings: Settings, ticket_id: str, category: str, kind: str, by: str
) -> tuple[learning.Learned, TriagedTicket]:
    """Record a person's answer for a ticket."""
    with open_desk(settings, RunOptions()) as desk:
        return learning.correct(desk, ticket_id, Label(category, kind), by=by)


def learn_history(settings: Settings, history: Path, by: str) -> learning.Learned:
    """Learn from a file of closed tickets."""
    with open_desk(settings, RunOptions()) as desk:
        return learning.learn(desk, FileSource(history, name="history").fetch(""), by=by)


def undo_lesson(settings: Settings, lesson: str, by: str) -> int:
    """Take a lesson back."""
    with open_desk(settings, RunOptions()) as desk:
        return learning.undo(desk, lesson, by=by)


@dataclass(frozen=True, kw_only=True)
class ClassifiedFile:
    """Tickets with their classifications, in the file's order, and what was set aside."""

    classified: tuple[tuple[Ticket, Classification], ...]
    broken: tuple[BrokenTicket, ...]


def classify_file(settings: Settings) -> ClassifiedFile:
    """Classify the tickets the settings name; no store is touched."""
    configure_logging(settings)
    document = the_catalog_source(settings).load()
    catalog = parse_catalog(
        document.text if document else "", origin=the_catalog_source(settings).origin
    )
    fetched = ticket_source(settings).fetch("")
    answers, _ = pipeline.classify(classifier(settings, None), fetched.tickets, catalog)
    return ClassifiedFile(
        classified=tuple(zip(fetched.tickets, answers, strict=True)), broken=fetched.broken
    )


def check_confusable(
    settings: Settings, catalog: ServiceCatalog
) -> tuple[tuple[Confusable, ...], tuple[str, ...]]:
    """Entries the local model cannot tell apart, and what the model lacks, in plain words."""
    local = LocalClassifier(model_dir=settings.model_dir)
    return find_confusable(catalog, local), local.missing


def evaluate_labelled(
    settings: Settings, options: EvaluateOptions, progress: Progress | None = None
) -> EvaluatedFile:
    """Measure on a labelled file how well tickets are classified; no store is touched."""
    configure_logging(settings)

    def local(
        precision: float, corrections: Sequence[Correction]
    ) -> tuple[Classifier, tuple[str, ...]]:
        made = LocalClassifier(
            model_dir=settings.model_dir, promised_precision=precision, corrections=corrections
        )
        return made, made.missing

    place = options.catalog or settings.service_catalog_url
    return evaluating.evaluate_file(
        options,
        catalog=read_catalog(place) if place else None,
        makers=evaluating.Makers(local=local, llm=lambda: language_model(settings, None)),
        precision=settings.auto_precision,
        progress=progress,
    )


def assign_dataset(path: Path) -> dict[str, Any]:
    """Assign a dataset's tickets among its own agents; JSON types, each ticket in one list."""
    settings = load_settings()
    # Read once: standard input cannot be read again for the agents.
    text = read_text(path, error=TicketsError)
    origin = shown_path(path)
    fetched = read_ticket_text(text, source="file", origin=origin)
    agents = parse_agents(
        text,
        origin=origin,
        format=format_for(origin, text),
        default_capacity=settings.agent_capacity,
    )
    one_off = dataset.assign_one_off(
        fetched.tickets,
        agents,
        skill_reader=skill_reader(settings),
        priority_policy=priority_policy(settings),
        assign_policy=AssignPolicy(),
        now=datetime.now(UTC),
    )
    return dataset.as_json(one_off, fetched.broken)
