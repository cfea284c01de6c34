"""A decision costs fewer writes: nothing looks a ticket up by the number of its decision."""

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_index(op.f("ix_tickets_decision_id"), "tickets")


def downgrade() -> None:
    op.create_index(op.f("ix_tickets_decision_id"), "tickets", ["decision_id"])
