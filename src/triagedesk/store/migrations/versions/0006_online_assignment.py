"""Online assignment: who committed to a ticket, started it, gave it back, and why."""

import sqlalchemy as sa
from alembic import op

utc = sa.DateTime(timezone=True)

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_NEW = ("committed_at", "accepted_at", "given_by", "released_why", "released_by", "note")


def upgrade() -> None:
    with op.batch_alter_table("assignments", schema=None) as batch_op:
        batch_op.alter_column("run_id", existing_type=sa.String(length=40), nullable=True)
        batch_op.add_column(sa.Column("committed_at", utc, nullable=True))
        batch_op.add_column(sa.Column("accepted_at", utc, nullable=True))
        batch_op.add_column(sa.Column("given_by", sa.Text(), nullable=True))
        batch_op.add_column(sa.Column("released_why", sa.String(length=16), nullable=True))
        batch_op.add_column(sa.Column("released_by", sa.Text(), nullable=True))
        batch_op.add_column(sa.Column("note", sa.Text(), nullable=True))
    op.add_column("tickets", sa.Column("requester", sa.Text(), nullable=True))
    sender = "payload ->> 'requester_email'"
    if op.get_bind().dialect.name == "sqlite":
        sender = "json_extract(payload, '$.requester_email')"
    op.execute(f"UPDATE tickets SET requester = NULLIF(LOWER({sender}), '')")
    op.create_index(op.f("ix_tickets_requester"), "tickets", ["requester"])
    # Open work is looked for at every step; what is resolved is most of a desk's tickets.
    op.create_index(op.f("ix_tickets_status"), "tickets", ["status"])


def downgrade() -> None:
    op.drop_index(op.f("ix_tickets_status"), "tickets")
    op.drop_index(op.f("ix_tickets_requester"), "tickets")
    # Not in a batch, which would drop the table that others refer to.
    op.execute("ALTER TABLE tickets DROP COLUMN requester")
    # What people did, and no run, cannot be told in the older schema.
    op.execute("DELETE FROM assignments WHERE run_id IS NULL")
    with op.batch_alter_table("assignments", schema=None) as batch_op:
        for column in reversed(_NEW):
            batch_op.drop_column(column)
        batch_op.alter_column("run_id", existing_type=sa.String(length=40), nullable=False)
