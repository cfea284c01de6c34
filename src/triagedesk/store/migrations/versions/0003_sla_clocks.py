"""SLA clocks, their events, and what escalation does."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

document = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
key = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
utc = sa.DateTime(timezone=True)

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "status_changes",
        sa.Column("id", key, autoincrement=True, nullable=False),
        sa.Column("ticket_id", key, nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("changed_at", utc, nullable=False),
        sa.ForeignKeyConstraint(
            ["ticket_id"], ["tickets.id"], name=op.f("fk_status_changes_ticket_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_status_changes")),
    )
    op.create_index(op.f("ix_status_changes_ticket_id"), "status_changes", ["ticket_id"])
    op.create_table(
        "stale_clocks",
        sa.Column("ticket_id", key, autoincrement=False, nullable=False),
        sa.ForeignKeyConstraint(
            ["ticket_id"], ["tickets.id"], name=op.f("fk_stale_clocks_ticket_id")
        ),
        sa.PrimaryKeyConstraint("ticket_id", name=op.f("pk_stale_clocks")),
    )
    op.create_table(
        "sla_clocks",
        sa.Column("ticket_id", key, autoincrement=False, nullable=False),
        sa.Column("target", sa.String(length=16), nullable=False),
        sa.Column("decision_id", key, nullable=False),
        sa.Column("group_name", sa.Text(), nullable=False),
        sa.Column("started_at", utc, nullable=False),
        sa.Column("sla_value", sa.Integer(), nullable=False),
        sa.Column("sla_unit", sa.String(length=8), nullable=False),
        sa.Column("calendars", document, nullable=False),
        sa.Column("due_at", utc, nullable=True),
        sa.Column("warn_at", utc, nullable=True),
        sa.Column("paused", sa.Boolean(), nullable=False),
        sa.Column("stopped_at", utc, nullable=True),
        sa.Column("breached", sa.Boolean(), nullable=False),
        sa.Column("moments", document, nullable=False),
        sa.Column("next_at", utc, nullable=True),
        sa.Column("rules_version", sa.String(length=80), nullable=True),
        sa.ForeignKeyConstraint(
            ["ticket_id"], ["tickets.id"], name=op.f("fk_sla_clocks_ticket_id")
        ),
        sa.PrimaryKeyConstraint("ticket_id", "target", name=op.f("pk_sla_clocks")),
    )
    for column in ("due_at", "next_at", "rules_version"):
        op.create_index(op.f(f"ix_sla_clocks_{column}"), "sla_clocks", [column])
    op.create_table(
        "sla_events",
        sa.Column("id", key, autoincrement=True, nullable=False),
        sa.Column("ticket_id", key, nullable=False),
        sa.Column("target", sa.String(length=16), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("happened_at", utc, nullable=False),
        sa.Column("due_at", utc, nullable=True),
        sa.Column("recorded_at", utc, nullable=False),
        sa.Column("escalated_at", utc, nullable=True),
        sa.Column("done", document, nullable=True),
        sa.Column("taken_from", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["taken_from"], ["agents.id"], name=op.f("fk_sla_events_taken_from")
        ),
        sa.ForeignKeyConstraint(
            ["ticket_id"], ["tickets.id"], name=op.f("fk_sla_events_ticket_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sla_events")),
        sa.UniqueConstraint(
            "ticket_id", "target", "kind", "happened_at", name="uq_sla_events_ticket_id_target_kind"
        ),
    )
    op.create_index(op.f("ix_sla_events_escalated_at"), "sla_events", ["escalated_at"])
    op.create_table(
        "sla_notices",
        sa.Column("message_id", sa.String(length=200), nullable=False),
        sa.Column("recipient", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("html", sa.Text(), nullable=False),
        sa.Column("created_at", utc, nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("attempted_at", utc, nullable=True),
        sa.PrimaryKeyConstraint("message_id", name=op.f("pk_sla_notices")),
    )
    op.create_index(op.f("ix_sla_notices_state"), "sla_notices", ["state"])
    # What is on hold already has been so since it was last brought up to date.
    op.execute(
        "INSERT INTO status_changes (ticket_id, status, changed_at) "
        "SELECT id, status, updated_at FROM tickets WHERE status <> 'open'"
    )
    op.execute(
        "INSERT INTO stale_clocks (ticket_id) "
        "SELECT id FROM tickets WHERE decision_id IS NOT NULL AND status <> 'resolved'"
    )


def downgrade() -> None:
    for table in ("sla_notices", "sla_events", "sla_clocks", "stale_clocks", "status_changes"):
        op.drop_table(table)
