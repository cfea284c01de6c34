"""The tables of SLA clocks: what tickets went through, their targets, and what time did to them."""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from triagedesk.store.tables import Document, Key, Utc, metadata

status_changes = Table(
    "status_changes",
    metadata,
    Column("id", Key, primary_key=True, autoincrement=True),
    Column("ticket_id", Key, ForeignKey("tickets.id"), nullable=False, index=True),
    Column("status", String(16), nullable=False),
    # as the source says, or when it was noticed
    Column("changed_at", Utc, nullable=False),
)

stale_clocks = Table(
    "stale_clocks",
    metadata,
    # tickets whose clocks do not know yet about a new status, decision or assignment
    Column("ticket_id", Key, ForeignKey("tickets.id"), primary_key=True, autoincrement=False),
)

sla_clocks = Table(
    "sla_clocks",
    metadata,
    Column("ticket_id", Key, primary_key=True, autoincrement=False),
    # response | resolution | group
    Column("target", String(16), primary_key=True),
    # the decision that set the target
    Column("decision_id", Key, nullable=False),
    # the assignment group whose clock it is
    Column("group_name", Text, nullable=False),
    Column("started_at", Utc, nullable=False),
    Column("sla_value", Integer, nullable=False),
    Column("sla_unit", String(8), nullable=False),
    # [[since, name of the calendar], ...]
    Column("calendars", Document, nullable=False),
    # NULL: on hold before it got there
    Column("due_at", Utc),
    Column("warn_at", Utc),
    Column("paused", Boolean, nullable=False),
    Column("stopped_at", Utc),
    Column("breached", Boolean, nullable=False),
    # [[kind of event, when], ...], by time alone
    Column("moments", Document, nullable=False),
    # when to look at it again; NULL: never, unless something changes
    Column("next_at", Utc),
    # the rules it was computed by; NULL: stopped, so that other rules change nothing
    Column("rules_version", String(80)),
)

# Stopped clocks, which is what most become, are in none of these. Not by `stopped_at`, which other
# queries name: without statistics PostgreSQL would take an index of due dates for a short cut.
for _column, _which in {
    "due_at": text("rules_version IS NOT NULL"),
    "next_at": text("next_at IS NOT NULL"),
    "rules_version": text("rules_version IS NOT NULL"),
}.items():
    Index(
        f"ix_sla_clocks_{_column}",
        sla_clocks.c[_column],
        postgresql_where=_which,
        sqlite_where=_which,
    )

sla_events = Table(
    "sla_events",
    metadata,
    Column("id", Key, primary_key=True, autoincrement=True),
    Column("ticket_id", Key, ForeignKey("tickets.id"), nullable=False),
    Column("target", String(16), nullable=False),
    # at_risk | breached | a fraction such as 0.5
    Column("kind", String(16), nullable=False),
    Column("happened_at", Utc, nullable=False),
    Column("due_at", Utc),
    Column("recorded_at", Utc, nullable=False),
    # NULL: a run has yet to do what the catalog asks for
    Column("escalated_at", Utc, index=True),
    # what was done, in words
    Column("done", Document),
    # whose assignment was ended
    Column("taken_from", Text, ForeignKey("agents.id")),
    UniqueConstraint(
        "ticket_id", "target", "kind", "happened_at", name="uq_sla_events_ticket_id_target_kind"
    ),
)

sla_notices = Table(
    "sla_notices",
    metadata,
    Column("message_id", String(200), primary_key=True),
    Column("recipient", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("html", Text, nullable=False),
    Column("created_at", Utc, nullable=False),
    # pending | delivered | parked
    Column("state", String(16), nullable=False, index=True),
    # what the channel was configured with when it last tried
    Column("fingerprint", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("error", Text, nullable=False),
    Column("attempted_at", Utc),
)
