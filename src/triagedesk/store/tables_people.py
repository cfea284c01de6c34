"""The tables of people who sign in, of their sessions, and of what the page is told has changed."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Integer, String, Table, Text

from triagedesk.store.tables import Document, Key, Utc, metadata

people = Table(
    "people",
    metadata,
    Column("id", Key, primary_key=True, autoincrement=True),
    # what they sign in with, in small letters
    Column("name", String(100), nullable=False, unique=True),
    Column("display_name", Text, nullable=False),
    # viewer | agent | lead | admin
    Column("role", String(16), nullable=False),
    # the agent they are; "" where they are none
    Column("agent_id", Text, nullable=False),
    # argon2id; "": they cannot sign in with a password
    Column("password_hash", Text, nullable=False),
    # who they are at the identity provider, `issuer subject`
    Column("identity", Text, unique=True),
    # "": as their browser asks for
    Column("language", String(8), nullable=False),
    Column("created_at", Utc, nullable=False),
    Column("signed_in_at", Utc),
    # NULL: may sign in
    Column("disabled_at", Utc),
)

sessions = Table(
    "sessions",
    metadata,
    # SHA-256 of the token in the cookie, which is random
    Column("digest", String(64), primary_key=True),
    Column("person_id", Key, ForeignKey("people.id"), nullable=False, index=True),
    Column("created_at", Utc, nullable=False),
    Column("seen_at", Utc, nullable=False),
    Column("expires_at", Utc, nullable=False, index=True),
)

sign_in_failures = Table(
    "sign_in_failures",
    metadata,
    # `account NAME` or `address IP`
    Column("subject", String(200), primary_key=True),
    Column("failures", Integer, nullable=False),
    Column("failed_at", Utc, nullable=False, index=True),
    # nobody may try again before
    Column("blocked_until", Utc),
)

sign_in_flows = Table(
    "sign_in_flows",
    metadata,
    # SHA-256 of `state`, between leaving for the identity provider and coming back
    Column("digest", String(64), primary_key=True),
    # SHA-256 of the cookie of the browser that left
    Column("browser", String(64), nullable=False),
    Column("nonce", String(64), nullable=False),
    Column("verifier", String(128), nullable=False),
    Column("target", Text, nullable=False),
    Column("created_at", Utc, nullable=False, index=True),
)

desk_changes = Table(
    "desk_changes",
    metadata,
    # numbered in the order of commits: see `store.changes`
    Column("id", Key, primary_key=True, autoincrement=True),
    Column("at", Utc, nullable=False),
    # [ticket, ...]; NULL: too many to name
    Column("tickets", Document),
)
