"""The tables. Decisions, assignments, status changes and the audit log are append-only.

What a run writes about each ticket has no foreign keys: checking one costs PostgreSQL more than
writing the row, and no ticket, run or agent is ever deleted.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Dialect,
    Float,
    ForeignKey,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import TypeDecorator


class Utc(TypeDecorator[datetime]):
    """An aware UTC time, in and out; naive times are refused."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002 (SQLAlchemy's signature)
        """Aware in, UTC to the database."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"naive time {value}")
        return value.astimezone(UTC)

    def process_result_value(self, value: Any | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002 (SQLAlchemy's signature)
        """SQLite forgets the zone: everything stored is UTC."""
        if not isinstance(value, datetime):
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


#: SQLite counts rowids only in INTEGER columns.
Key = BigInteger().with_variant(Integer, "sqlite")
Document = JSON().with_variant(JSONB, "postgresql")
#: Text ordered by code point on every database, so that the report's order is one.
CodePointText = Text().with_variant(Text(collation="C"), "postgresql")

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(column_0_label)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

runs = Table(
    "runs",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("started_at", Utc, nullable=False),
    Column("finished_at", Utc),
    # running | done | failed
    Column("state", String(16), nullable=False),
    Column("summary", Document),
)

catalogs = Table(
    "catalogs",
    metadata,
    Column("origin", Text, primary_key=True),
    Column("version", String(64), primary_key=True),
    Column("text", Text, nullable=False),
    Column("etag", Text, nullable=False, default=""),
    Column("last_modified", Text, nullable=False, default=""),
    Column("loaded_at", Utc, nullable=False),
)

cursors = Table(
    "cursors",
    metadata,
    Column("source", String(200), primary_key=True),
    Column("cursor", Text, nullable=False),
    Column("updated_at", Utc, nullable=False),
)

tickets = Table(
    "tickets",
    metadata,
    Column("id", Key, primary_key=True, autoincrement=True),
    Column("source", String(200), nullable=False),
    Column("external_id", Text, nullable=False),
    Column("content_hash", String(64), nullable=False),
    Column("status", String(16), nullable=False, index=True),
    # who raised it, in small letters; NULL: not said
    Column("requester", Text, index=True),
    # the ticket as it arrived
    Column("payload", Document, nullable=False),
    Column("received_at", Utc, nullable=False),
    Column("updated_at", Utc, nullable=False),
    # the current decision; NULL: content is new or changed and not decided yet
    Column("decision_id", Key),
    # the decision last written back to the source, and the one last reported
    Column("written_decision_id", Key),
    Column("reported_decision_id", Key),
    UniqueConstraint("source", "external_id", name="uq_tickets_source_external_id"),
)

decisions = Table(
    "decisions",
    metadata,
    Column("id", Key, primary_key=True, autoincrement=True),
    Column("ticket_id", Key, nullable=False, index=True),
    Column("run_id", String(40), nullable=False),
    Column("input_hash", String(64), nullable=False),
    Column("catalog_version", String(64), nullable=False),
    Column("policy_version", String(64), nullable=False),
    Column("request_category", Text, nullable=False),
    Column("request_type", Text, nullable=False),
    Column("confidence", Float, nullable=False),
    Column("decided_by", String(16), nullable=False),
    Column("model", Text, nullable=False),
    Column("model_version", Text, nullable=False),
    Column("needs_review", Boolean, nullable=False),
    Column("priority", Integer, nullable=False),
    Column("sla_value", Integer),
    Column("sla_unit", String(8)),
    Column("response_due_at", Utc),
    Column("resolution_due_at", Utc),
    Column("decided_at", Utc, nullable=False),
    # classification and priority in full
    Column("details", Document, nullable=False),
    # the report's order
    Column("sort_key", CodePointText, nullable=False),
)

agents = Table(
    "agents",
    metadata,
    Column("id", Text, primary_key=True),
    Column("profile", Document, nullable=False),
    # open work they had when first seen, which Triagedesk did not give them
    Column("seed_load", Integer, nullable=False),
    Column("active", Boolean, nullable=False),
    Column("updated_at", Utc, nullable=False),
)

assignments = Table(
    "assignments",
    metadata,
    Column("id", Key, primary_key=True, autoincrement=True),
    Column("ticket_id", Key, nullable=False, index=True),
    # NULL: no run, but what somebody did at the desk
    Column("run_id", String(40)),
    # a deferral has none
    Column("agent_id", Text, index=True),
    Column("details", Document, nullable=False),
    Column("assigned_at", Utc, nullable=False),
    # NULL: in force
    Column("released_at", Utc),
    # since when it is the agent's for good, not tentatively, and since when they work on it
    Column("committed_at", Utc),
    Column("accepted_at", Utc),
    # the person who gave it to them; NULL: the desk itself
    Column("given_by", Text),
    # declined | handed back | away | ..., by whom, and in whose words
    Column("released_why", String(16)),
    Column("released_by", Text),
    Column("note", Text),
)

run_tickets = Table(
    "run_tickets",
    metadata,
    Column("run_id", String(40), primary_key=True),
    Column("ticket_id", Key, primary_key=True),
)

broken_tickets = Table(
    "broken_tickets",
    metadata,
    Column("id", Key, primary_key=True, autoincrement=True),
    Column("run_id", String(40), ForeignKey("runs.id"), nullable=False, index=True),
    Column("source", String(200), nullable=False),
    Column("position", Integer, nullable=False),
    Column("external_id", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("raw", Text, nullable=False),
)

reports = Table(
    "reports",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("run_id", String(40), ForeignKey("runs.id"), nullable=False),
    Column("created_at", Utc, nullable=False),
    # unsent | sent | kept (nobody wanted it mailed) | discarded
    Column("state", String(16), nullable=False, index=True),
    Column("message_id", Text, nullable=False, unique=True),
    Column("subject", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("html", Text, nullable=False),
    Column("path", Text, nullable=False),
    Column("content", LargeBinary, nullable=False),
    # recipients named by hand; NULL: those in the settings
    Column("recipients", Document),
)

deliveries = Table(
    "deliveries",
    metadata,
    Column("report_id", String(40), ForeignKey("reports.id"), primary_key=True),
    Column("recipient", Text, primary_key=True),
    # pending | delivered | parked
    Column("state", String(16), nullable=False),
    Column("channel", String(32), nullable=False),
    # what the channel was configured with when it last tried
    Column("fingerprint", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("error", Text, nullable=False),
    Column("attempted_at", Utc, nullable=False),
)

corrections = Table(
    "corrections",
    metadata,
    Column("id", Key, primary_key=True, autoincrement=True),
    # none for a line of imported history
    Column("ticket_id", Key, ForeignKey("tickets.id")),
    # the same for texts a model reads alike
    Column("text_key", String(64), nullable=False, index=True),
    Column("text", Text, nullable=False),
    Column("request_category", Text, nullable=False),
    Column("request_type", Text, nullable=False),
    Column("made_at", Utc, nullable=False),
    Column("made_by", Text, nullable=False),
    # what was learned together can be undone together
    Column("lesson", String(40), nullable=False, index=True),
    # none while it counts
    Column("undone_at", Utc),
)

model_answers = Table(
    "model_answers",
    metadata,
    Column("key", String(64), primary_key=True),
    Column("answer", Text, nullable=False),
    Column("created_at", Utc, nullable=False),
)

model_calls = Table(
    "model_calls",
    metadata,
    Column("id", Key, primary_key=True, autoincrement=True),
    Column("at", Utc, nullable=False, index=True),
    Column("model", Text, nullable=False),
    Column("calls", Integer, nullable=False),
    Column("input_tokens", Integer, nullable=False),
    Column("output_tokens", Integer, nullable=False),
    Column("tickets", Integer, nullable=False),
)

leases = Table(
    "leases",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("holder", Text, nullable=False),
    Column("expires_at", Utc, nullable=False),
)

audit_log = Table(
    "audit_log",
    metadata,
    Column("id", Key, primary_key=True, autoincrement=True),
    Column("at", Utc, nullable=False),
    Column("actor", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("details", Document),
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", Key, primary_key=True, autoincrement=True),
    Column("name", String(100), nullable=False, index=True),
    # SHA-256 of the key, which is random: nothing slower is needed
    Column("digest", String(64), nullable=False, unique=True),
    # its first characters, so that a person knows which one it is
    Column("beginning", String(16), nullable=False),
    Column("scopes", Document, nullable=False),
    Column("created_at", Utc, nullable=False),
    # NULL: in force
    Column("revoked_at", Utc),
)

kept_answers = Table(
    "kept_answers",
    metadata,
    # answers of the API to requests with an Idempotency-Key, kept for a day
    Column("actor", String(110), primary_key=True),
    Column("key", String(255), primary_key=True),
    # SHA-256 of method, path and body
    Column("fingerprint", String(64), nullable=False),
    # NULL: in hand
    Column("status", Integer),
    Column("headers", Document),
    Column("body", LargeBinary),
    Column("created_at", Utc, nullable=False, index=True),
)

jobs = Table(
    "jobs",
    metadata,
    # also the id of the run it carries out
    Column("id", String(40), primary_key=True),
    # desk | assignment | tickets | inbox | watch | upkeep | ...
    Column("kind", String(16), nullable=False),
    # queued | running | done | failed | cancelled
    Column("state", String(16), nullable=False, index=True),
    Column("step", String(64), nullable=False),
    Column("done", Integer, nullable=False),
    Column("total", Integer),
    Column("cancel_asked", Boolean, nullable=False),
    Column("actor", String(110), nullable=False),
    # the request's body, compressed, until it has been carried out
    Column("request", LargeBinary),
    Column("options", Document, nullable=False),
    Column("summary", Document),
    # why it failed
    Column("error", Text, nullable=False),
    Column("created_at", Utc, nullable=False),
    Column("finished_at", Utc),
    # counts how often it was begun anew
    Column("attempt", Integer, nullable=False, server_default="1"),
    # the process that carries it out
    Column("worker", String(300)),
    # it is not tried again before
    Column("not_before", Utc),
    # NULL: the engine does not know of it yet
    Column("handed_at", Utc),
)
