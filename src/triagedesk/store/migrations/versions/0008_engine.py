"""What the durable engine needs: jobs that are handed over, the inbox, ticks and rates."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

key = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
document = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("jobs", sa.Column("attempt", sa.Integer(), server_default="1", nullable=False))
    op.add_column("jobs", sa.Column("worker", sa.String(300)))
    op.add_column("jobs", sa.Column("not_before", sa.DateTime(timezone=True)))
    op.add_column("jobs", sa.Column("handed_at", sa.DateTime(timezone=True)))
    op.create_table(
        "inbox",
        sa.Column("id", key, autoincrement=True, nullable=False),
        sa.Column("delivery", sa.String(255), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("payload", document, nullable=False),
        sa.Column("without_status", sa.Boolean(), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("worked_at", sa.DateTime(timezone=True)),
        sa.Column("error", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_inbox")),
        sa.UniqueConstraint("delivery", "position", name=op.f("uq_inbox_delivery")),
    )
    op.create_index(op.f("ix_inbox_worked_at"), "inbox", ["worked_at"])
    op.create_table(
        "ticks",
        sa.Column("schedule", sa.String(40), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("schedule", name=op.f("pk_ticks")),
    )
    op.create_table(
        "rate_slots",
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("next_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_rate_slots")),
    )


def downgrade() -> None:
    op.drop_table("rate_slots")
    op.drop_table("ticks")
    op.drop_table("inbox")
    for name in ("handed_at", "not_before", "worker", "attempt"):
        op.drop_column("jobs", name)
