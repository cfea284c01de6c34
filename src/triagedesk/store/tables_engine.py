"""Tables of the durable engine's inbox, ticks and rates; its own records are not ours."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Integer, String, Table, Text, UniqueConstraint

from triagedesk.store.tables import Document, Key, Utc, metadata

inbox = Table(
    "inbox",
    metadata,
    # tickets that came by webhook, worked off in this order
    Column("id", Key, primary_key=True, autoincrement=True),
    # the sender's name for what it delivered: sent again, it is known again
    Column("delivery", String(255), nullable=False),
    Column("position", Integer, nullable=False),
    Column("payload", Document, nullable=False),
    # it came without a status and keeps the one the desk knows
    Column("without_status", Boolean, nullable=False),
    Column("received_at", Utc, nullable=False),
    # NULL while it waits
    Column("worked_at", Utc, index=True),
    # why it could not be worked off
    Column("error", Text, nullable=False),
    UniqueConstraint("delivery", "position"),
)

ticks = Table(
    "ticks",
    metadata,
    # the last tick of each schedule that somebody took on
    Column("schedule", String(40), primary_key=True),
    Column("at", Utc, nullable=False),
)

rate_slots = Table(
    "rate_slots",
    metadata,
    # when the next call may be made, over all processes
    Column("name", String(100), primary_key=True),
    Column("next_at", Utc, nullable=False),
)
