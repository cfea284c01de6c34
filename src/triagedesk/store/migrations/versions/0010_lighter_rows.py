"""Tickets cost fewer writes and checks.

What a run writes about each ticket has no foreign keys any more: nothing they point to is ever
deleted, and checking one costs PostgreSQL more than writing the row. Indexes of clocks leave out
those that stand. On PostgreSQL a page of tickets keeps room for what becomes of them, so that a
decision touches no index.
"""

import re

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

POINTED_TO = {
    "run_tickets": {"run_id": "runs", "ticket_id": "tickets"},
    "decisions": {"ticket_id": "tickets", "run_id": "runs"},
    "assignments": {"ticket_id": "tickets", "run_id": "runs", "agent_id": "agents"},
    "sla_clocks": {"ticket_id": "tickets"},
}
LEFT_IN = {
    "due_at": "rules_version IS NOT NULL",
    "next_at": "next_at IS NOT NULL",
    "rules_version": "rules_version IS NOT NULL",
}


def upgrade() -> None:
    on_sqlite = op.get_bind().dialect.name == "sqlite"
    for table, columns in POINTED_TO.items():
        if on_sqlite:
            _make_anew(table)
            continue
        for column in columns:
            op.drop_constraint(op.f(f"fk_{table}_{column}"), table, type_="foreignkey")
    for column, condition in LEFT_IN.items():
        where = sa.text(condition)
        op.drop_index(f"ix_sla_clocks_{column}", "sla_clocks")
        op.create_index(
            f"ix_sla_clocks_{column}",
            "sla_clocks",
            [column],
            postgresql_where=where,
            sqlite_where=where,
        )
    if op.get_bind().dialect.name == "postgresql":
        op.execute("ALTER TABLE tickets SET (fillfactor = 50)")


def _make_anew(table: str) -> None:
    """SQLite takes no constraint out of a table; Alembic's own way costs each new desk 70 ms."""
    bind = op.get_bind()
    of_table = {"table": table}
    sql = sa.text("SELECT sql FROM sqlite_master WHERE type = 'table' AND name = :table")
    made = bind.execute(sql, of_table).scalar_one()
    sql = sa.text(
        "SELECT sql FROM sqlite_master WHERE type = 'index' AND tbl_name = :table AND sql <> ''"
    )
    indexes = list(bind.execute(sql, of_table).scalars())
    made = re.sub(r",\s*CONSTRAINT \w+ FOREIGN KEY ?\(\w+\) REFERENCES \w+ \(\w+\)", "", made)
    made = re.sub(rf'^CREATE TABLE "?{table}"?', f"CREATE TABLE new_{table}", made)
    for statement in (
        made,
        f"INSERT INTO new_{table} SELECT * FROM {table}",
        f"DROP TABLE {table}",
        f"ALTER TABLE new_{table} RENAME TO {table}",
        *indexes,
    ):
        bind.exec_driver_sql(statement)


def downgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute("ALTER TABLE tickets RESET (fillfactor)")
    for column in LEFT_IN:
        op.drop_index(f"ix_sla_clocks_{column}", "sla_clocks")
        op.create_index(f"ix_sla_clocks_{column}", "sla_clocks", [column])
    for table, columns in POINTED_TO.items():
        with op.batch_alter_table(table) as batch_op:
            for column, other in columns.items():
                name = op.f(f"fk_{table}_{column}")
                batch_op.create_foreign_key(name, other, [column], ["id"])
