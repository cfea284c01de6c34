"""The composition root: the only file that names concrete adapters."""

from __future__ import annotations

import logging
import secrets
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib.resources import files
from pathlib import Path

import structlog

from triagedesk.agents import Agent
from triagedesk.assign import AssignPolicy
from triagedesk.assign.index import CommitmentPolicy
from triagedesk.classify import Classifier
from triagedesk.classify.budget import Budgeted, Prices
from triagedesk.classify.cascade import Cascade
from triagedesk.classify.corrections import Correction
from triagedesk.classify.encoders import load_encoders
from triagedesk.classify.llm import (
    CallsPerMinute,
    LlmClassifier,
    MemoryCache,
    Pace,
    check_model,
)
from triagedesk.classify.local import LocalClassifier
from triagedesk.classify.shelf import Shelf
from triagedesk.classify.skills import SkillReader as LocalSkillReader
from triagedesk.desk import (
    Desk,
    Letterhead,
    OnlineRules,
    Progress,
    Silence,
    SkillReader,
)
from triagedesk.errors import (
    Problem,
    SettingsError,
)
from triagedesk.files import write_file
from triagedesk.ledger import StoredAnswers, StoredLedger, StoredPace
from triagedesk.outbox import Channel
from triagedesk.outbox.maildir import MaildirChannel
from triagedesk.outbox.smtp import SmtpChannel
from triagedesk.priority import Priority, PriorityPolicy
from triagedesk.settings import Settings
from triagedesk.sla import SlaPolicy, parse_sla_policy
from triagedesk.sources import CatalogSource, Source
from triagedesk.sources.catalogs import FileCatalogSource, catalog_source
from triagedesk.sources.files import (
    FileSource,
    read_agents_file,
)
from triagedesk.sources.http import is_web_address
from triagedesk.sources.webhook import WebhookSource
from triagedesk.store import Store

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
    store.shield = shield
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
            assign_policy=assign_policy(settings),
            online=online_rules(settings),
            channel=channel(settings) if options.send and not options.dry_run else None,
            letterhead=letterhead(settings),
            report_path=lambda run_id: (
                options.report or settings.output_dir / "reports" / f"triage-{run_id}.xlsx"
            ),
            write_file=write_file,
            now=lambda: datetime.now(UTC),
            new_id=new_id,
            sleep=time.sleep,
            dry_run=options.dry_run,
            progress=progress or Silence(),
            shield=shield,
        )
    finally:
        working.close()
        store.close()


def open_store(settings: Settings) -> Store:
    """The store the settings name, with its schema up to date."""
    return Store.open(settings.database)


def _scratch_copy(store: Store) -> Store:
    """What a dry run works on: all the desk knows, kept nowhere."""
    scratch = Store.open("sqlite://")
    store.copy_into(scratch)
    return scratch


def new_id() -> str:
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
    local = (
        local_model(
            settings,
            corrections=corrections(store),
            shelf=shelf_in(settings.output_dir / "learned"),
        )
        if store
        else local_model(settings)
    )
    if not settings.llm_model_name:
        return Cascade(local=local)
    return Cascade(local=local, llm=language_model(settings, store))


@cache
def shelf_in(folder: Path) -> Shelf:
    """Where what is dear to learn is kept between runs; one per process and folder."""
    return Shelf(folder)


def local_model(
    settings: Settings,
    *,
    precision: float = 0.0,
    corrections: Sequence[Correction] = (),
    shelf: Shelf | None = None,
) -> LocalClassifier:
    """The local model; it promises AUTO_PRECISION unless another `precision` is given."""
    return LocalClassifier(
        model_dir=settings.model_dir,
        promised_precision=precision or settings.auto_precision,
        corrections=corrections,
        shelf=shelf,
    )


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
        people=lambda: _agent_names(store) if store else (),
        pace=_pace_of(settings, store),
        cache=StoredAnswers(store) if store else MemoryCache(),
    )
    if store is None:
        return model
    return Budgeted(
        model=model,
        ledger=StoredLedger(store),
        daily_tokens=settings.llm_daily_tokens,
        daily_cost=settings.llm_daily_cost,
        prices=Prices(input=settings.llm_price_input, output=settings.llm_price_output),
        batch_size=settings.llm_batch_size,
    )


def _pace_of(settings: Settings, store: Store | None) -> Pace | None:
    if store and settings.llm_calls_per_minute:
        return StoredPace(store, settings.llm_calls_per_minute)
    return pace(settings.llm_calls_per_minute)


@cache
def pace(calls_per_minute: int) -> Pace | None:
    """The pace that all calls of this process keep together; None: as fast as they come."""
    return CallsPerMinute(calls_per_minute) if calls_per_minute else None


def _agent_names(store: Store) -> list[str]:
    with store.read() as transaction:
        return [agent.name for agent in transaction.roster()]


def corrections(store: Store) -> tuple[Correction, ...]:
    """What people have corrected so far, as the local model learns it."""
    with store.read() as transaction:
        stored = transaction.corrections()
    return tuple(
        Correction(
            text=item.text,
            label=item.label,
            ticket_id=item.ticket_id,
            made_at=item.made_at,
            made_by=item.made_by,
        )
        for item in stored
    )


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


def assign_policy(settings: Settings) -> AssignPolicy:
    """The weights of the score, and how much of a shift must be left."""
    policy = AssignPolicy(min_shift=timedelta(minutes=settings.shift_min_left))
    return policy.for_early_commitment if settings.commitment == "early" else policy


def online_rules(settings: Settings) -> OnlineRules:
    """When tickets are somebody's for good, who interrupts, and whom they lean to."""
    interrupt = frozenset(Priority[name] for name in settings.interrupt)
    return OnlineRules(
        commits_early=settings.commitment == "early",
        affinity=settings.affinity,
        commitment=CommitmentPolicy(interrupt=interrupt),
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


def configure_logging(settings: Settings) -> None:
    """Log to standard error as LOG_LEVEL says."""
    level = getattr(logging, settings.log_level.upper())
    *usual, _ = structlog.get_config()["processors"]
    # The usual renderer shows with an error what every variable held: a megabyte that took ten
    # seconds, and nobody's business.
    renderer = structlog.dev.ConsoleRenderer(
        colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
    )
    structlog.configure(
        processors=[*usual, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
