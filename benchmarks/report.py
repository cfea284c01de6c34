"""How long a workbook of many tickets takes, and how much memory: `python benchmarks/report.py`."""

from __future__ import annotations

import argparse
import json
import random
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from triagedesk.priority import Priority
from triagedesk.report import AgentRow, ReportRow, tally
from triagedesk.report.excel import write_workbook

NOW = datetime(2026, 3, 5, 13, 0, tzinfo=UTC)
PIECES = (
    "cannot log in since this morning",
    "VPN drops every ten minutes",
    "printer jammed on floor three",
    "Bildschirm bleibt schwarz nach dem Update",
    "demande d'accès au dossier partagé",
)


def rows(count: int) -> Iterator[ReportRow]:
    """Made-up tickets in the report's order, one at a time; a fifth of them needs review."""
    draw = random.Random(1)
    for number in range(count):
        review = draw.random() < 0.2
        yield ReportRow(
            id=f"INC{number:07}",
            request_category=f"Category {number * 25 // count:02}",
            request_type=f"Type {number * 100 // count:03}",
            short_description=f"{number:07} " + " ".join(draw.choices(PIECES, k=2)),
            sla_value=8,
            sla_unit="hours",
            priority=draw.choices(list(Priority), (1, 3, 8, 4))[0],
            due=NOW + timedelta(hours=draw.randint(-4, 40)),
            agent=f"Agent {draw.randint(1, 200)}",
            confidence=draw.random(),
            decided_by="local",
            needs_review=review,
            notes=("less sure than this desk asks for (0.62 of 0.95)",) if review else (),
            alternatives=("Hardware / Monitor (21%)", "Software / Licence (9%)"),
            rationale="Agent 7: VPN 9 of 10, 3 of 20 open; next best Agent 9 (0.61 to 0.74).",
            priority_evidence=("cannot log in",),
            started_at=NOW - timedelta(hours=3),
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tickets", type=int, default=100_000)
    count = parser.parse_args().tickets
    agents = [
        AgentRow(
            id=f"a{n}",
            name=f"Agent {n}",
            availability="available",
            load=n % 21,
            capacity=20,
            assigned=n % 5,
        )
        for n in range(1_000)
    ]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "report.xlsx"
        one = list(rows(1))
        write_workbook(
            path,
            lambda: iter(one),
            figures=tally(one, NOW),
            agents=agents,
            created_at=NOW,
            title="Warm-up",
        )
        before = resource.getrusage(resource.RUSAGE_SELF)
        started = time.perf_counter()
        for _ in rows(count):
            pass
        making = time.perf_counter() - started
        started = time.perf_counter()
        figures = tally(rows(count), NOW)
        tallied = time.perf_counter() - started
        write_workbook(
            path,
            lambda: rows(count),
            figures=figures,
            agents=agents,
            created_at=NOW,
            title="Benchmark",
        )
        whole = time.perf_counter() - started
        after = resource.getrusage(resource.RUSAGE_SELF)
        json.dump(
            {
                "tickets": count,
                "tally_seconds": round(tallied - making, 2),
                # The rows are made three times: for the tally and for each of the two passes.
                "seconds_without_making_rows": round(whole - 3 * making, 2),
                "cpu_seconds": round(after.ru_utime + after.ru_stime - before.ru_utime, 2),
                "peak_memory_growth_mb": round((after.ru_maxrss - before.ru_maxrss) / 1024, 1),
                "file_mb": round(path.stat().st_size / 1e6, 1),
            },
            sys.stdout,
            indent=2,
        )
    print()


if __name__ == "__main__":
    main()
