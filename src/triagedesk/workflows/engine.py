"""The durable engine: the one file that knows DBOS.

It remembers which steps of a job are done, hands jobs to processes, and has another process carry
on where one died. What it keeps for that is its own: schema `dbos` on PostgreSQL; beside SQLite's
`NAME.db` a file `NAME.db-engine`, which may be thrown away: jobs are then begun anew, and find in
the store what is done.
"""

# ruff: noqa: PLC0415 - DBOS takes a third of a second to import, and not every process begins it

from __future__ import annotations

import contextvars
import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import structlog
from sqlalchemy import Engine as Database
from sqlalchemy import create_engine, event
from sqlalchemy.engine import Connection, make_url

from triagedesk.store.engine import clear_errors, open_engine, switch_to_wal

#: Processes of one version carry out one another's work. Raised only when what the engine keeps
#: of a job can no longer be read: docs/durability.md.
ENGINE_VERSION = "1"
#: Queue -> how many of its jobs are carried out at once: here, and in all processes together.
#: Runs of the desk follow one another; chunks are what several hosts share one run by.
QUEUES: dict[str, tuple[int, int | None]] = {
    "desk": (1, 1),
    "work": (3, None),
    # Two: one computes while the other waits for the database.
    "chunks": (2, None),
}
#: Seconds between two looks at a queue: each costs some 2 ms, and an idle desk is to be quiet.
_LOOK = {"desk": 0.7, "work": 1.0, "chunks": 0.7}
_THREADS = 12
#: Seconds to wait for SQLite's one lock.
_LOCK_PATIENCE = 30.0
#: How often a job may take its process down before it is given up.
_MOST_RECOVERIES = 10
_PAST = ("SUCCESS", "ERROR", "CANCELLED", "MAX_RECOVERY_ATTEMPTS_EXCEEDED")

T = TypeVar("T")
Document = dict[str, Any]


class Work(Protocol):
    """What the engine is to carry out; `work` has it."""

    def carry_out(self, job_id: str, attempt: int) -> Document:
        """Carry out a job."""

    def carry_out_chunks(
        self, job_id: str, attempt: int, version: str, chunks: list[list[int]]
    ) -> Document:
        """Carry out a share of a run."""


@dataclass(frozen=True, kw_only=True)
class Underway:
    """A job as the engine knows it."""

    id: str
    #: `queued`, `running`, `done` or `given up`.
    state: str
    executor: str
    version: str
    result: Any = None


class Engine:
    """DBOS over one database, in one process."""

    def __init__(self, database: str, executor: str) -> None:
        self._database = database
        self.executor = executor
        self._tables: Database | None = None
        self._job: Any = None
        self._chunks: Any = None

    def start(self, work: Work, *, version: str = ENGINE_VERSION) -> None:
        """Begin to carry out what is queued; what this process left when it died comes first.

        Raises StoreError where the database is away.
        """
        with clear_errors(make_url(self._database)):
            self._start(work, version)

    def _start(self, work: Work, version: str) -> None:
        from dbos import DBOS

        _quiet()
        self._tables = _engine_tables(self._database)
        DBOS(
            config={
                "name": "triagedesk",
                "system_database_engine": self._tables,
                "system_database_url": self._tables.url.render_as_string(hide_password=False),
                "application_version": version,
                "executor_id": self.executor,
                "max_executor_threads": _THREADS,
                "use_listen_notify": False,
                "run_migrations": self._tables.dialect.name == "postgresql",
                "serializer": _json_serializer(),
                "enable_otlp": False,
                "log_level": "ERROR",
                # Cron is ours (`schedules`): a tick missed is caught up once, not each.
                "scheduler_polling_interval_sec": 3600.0,
            }
        )
        self._register(work)
        DBOS.launch()
        for name, (here, everywhere) in QUEUES.items():
            DBOS.register_queue(
                name,
                worker_concurrency=here,
                global_concurrency=everywhere,
                polling_interval_sec=_LOOK[name],
                on_conflict="always_update",
            )

    def _register(self, work: Work) -> None:
        from dbos import DBOS

        @DBOS.workflow(name="job", max_recovery_attempts=_MOST_RECOVERIES)
        def job(job_id: str, attempt: int) -> Document:
            return work.carry_out(job_id, attempt)

        @DBOS.workflow(name="chunks", max_recovery_attempts=_MOST_RECOVERIES)
        def chunks(job_id: str, attempt: int, version: str, chunks: list[list[int]]) -> Document:
            return work.carry_out_chunks(job_id, attempt, version, chunks)

        self._job, self._chunks = job, chunks

    def stop(self) -> None:
        """End; what is queued or begun stays so, for the next process."""
        from dbos import DBOS

        DBOS.destroy(destroy_registry=True)
        if self._tables is not None:
            self._tables.dispose()

    # What a process hands over

    def enqueue_job(self, queue: str, job_id: str, attempt: int) -> None:
        """Have some process carry out a job; handed over twice it is carried out once."""
        self._enqueue(queue, job_name(job_id, attempt), self._job, job_id, attempt)

    def enqueue_chunks(
        self, name: str, job_id: str, attempt: int, version: str, chunks: Sequence[Sequence[int]]
    ) -> None:
        """Have some process carry out a share of a run."""
        parts = [list(chunk) for chunk in chunks]
        self._enqueue("chunks", name, self._chunks, job_id, attempt, version, parts)

    @staticmethod
    def _enqueue(queue: str, name: str, workflow: Any, *arguments: Any) -> None:
        from dbos import DBOS, SetWorkflowID

        with SetWorkflowID(name):
            DBOS.enqueue_workflow(queue, workflow, *arguments)

    # Inside a job

    @staticmethod
    def step(name: str, do: Callable[[], T]) -> T:
        """What `do` answers, in JSON types; once it is recorded it is never done again."""
        from dbos import DBOS

        return DBOS.run_step({"name": name}, do)

    @staticmethod
    def changed(change: str) -> bool:
        """Whether a job is to go the new way that `change` names; one begun before it is not."""
        from dbos import DBOS

        return DBOS.patch(change)

    @staticmethod
    def is_other_way(error: Exception) -> bool:
        """Whether what is recorded of a job was done by a version that goes another way."""
        from dbos._error import DBOSUnexpectedStepError

        return isinstance(error, DBOSUnexpectedStepError)

    # Looking after one another

    def jobs(self, names: Sequence[str], *, results: bool = False) -> list[Underway]:
        """Jobs by name, in no order; those the engine does not know are left out."""
        return self._list(workflow_ids=list(names), load_output=results) if names else []

    def unfinished(self) -> list[Underway]:
        """All jobs that are queued or begun, of whatever version."""
        return self._list(status=["ENQUEUED", "PENDING", "DELAYED"], load_output=False)

    def take_over(self, executors: Sequence[str]) -> None:
        """Queue again what processes that are no more had begun, of this version."""
        from dbos import DBOS

        # By executor, not by job: of two processes that take over at once, one finds nothing.
        DBOS._recover_pending_workflows(list(executors))  # noqa: SLF001 (no public name does this)

    def give_up(self, names: Sequence[str]) -> None:
        """Cancel jobs that are to be begun anew."""
        from dbos import DBOS

        _outside(DBOS.cancel_workflows, list(names))

    def forget(self, before: str, most: int = 500) -> int:
        """Forget jobs that ended before a time (ISO 8601); returns how many."""
        from dbos import DBOS

        old = self._list(status=list(_PAST), completed_before=before, limit=most, load_output=False)
        if old:
            _outside(DBOS.delete_workflows, [job.id for job in old])
        return len(old)

    def _list(self, **wanted: Any) -> list[Underway]:
        from dbos import DBOS

        states = {"SUCCESS": "done", "PENDING": "running", "ENQUEUED": "queued"}
        states["DELAYED"] = "queued"
        found = _outside(lambda: DBOS.list_workflows(load_input=False, **wanted))
        return [
            Underway(
                id=one.workflow_id,
                state=states.get(one.status, "given up"),
                executor=one.executor_id or "",
                version=one.app_version or "",
                result=one.output,
            )
            for one in found
        ]


def job_name(job_id: str, attempt: int) -> str:
    """What the engine calls a job: begun anew, it is another one."""
    return job_id if attempt == 1 else f"{job_id}.{attempt}"


def engine_url(database: str) -> str:
    """Where the engine keeps its records, for a store at `database`."""
    url = make_url(database)
    if url.get_backend_name() == "postgresql":
        return database
    return url.set(database=f"{url.database}-engine").render_as_string(hide_password=False)


def _engine_tables(database: str) -> Database:
    """An engine for DBOS's tables, which on SQLite are there already."""
    url = engine_url(database)
    if make_url(url).get_backend_name() == "postgresql":
        return open_engine(url)
    from dbos import DBOS

    # Its migrations say BEGIN themselves, and wait for one another.
    DBOS.migrate(url)
    tables = create_engine(
        url, connect_args={"timeout": _LOCK_PATIENCE, "check_same_thread": False}
    )

    @event.listens_for(tables, "connect")
    def _prepare(connection: Any, _record: object) -> None:
        # Read-then-write under a deferred BEGIN would race: see `store.engine`.
        connection.isolation_level = None
        switch_to_wal(connection, _LOCK_PATIENCE)
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA foreign_keys=ON")

    @event.listens_for(tables, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    return tables


def _outside(do: Callable[..., T], *arguments: Any) -> T:
    """Call the engine as from outside of a job: what is asked is not recorded as a step of it."""
    return contextvars.Context().run(do, *arguments)


def _json_serializer() -> Any:
    from dbos import Serializer

    class _Json(Serializer):
        """JSON and nothing else: what lies in a database is never unpickled."""

        def serialize(self, data: Any) -> str:
            return json.dumps(data, default=_said, separators=(",", ":"))

        def deserialize(cls, serialized_data: str) -> Any:  # noqa: N805 (as DBOS names it)
            found = json.loads(serialized_data)
            if isinstance(found, dict) and "raised" in found:
                return RuntimeError(found["raised"])
            return found

        def name(self) -> str:
            return "triagedesk_json"

    return _Json()


def _said(value: Any) -> Any:
    """An error in JSON types; jobs catch their own, so this is a bug to be seen."""
    if isinstance(value, BaseException):
        return {"raised": f"{type(value).__name__}: {value}"}
    raise TypeError(f"{type(value).__name__} is not JSON")


class _ToOurLog(logging.Handler):
    """DBOS's words in our log."""

    def emit(self, record: logging.LogRecord) -> None:
        structlog.get_logger().error("engine", said=record.getMessage())


def _quiet() -> None:
    """Let DBOS say only what is wrong: that a database is away, `duty` says already."""
    logger = logging.getLogger("dbos")
    logger.setLevel(logging.ERROR)
    logger.propagate = False
    logger.handlers = [_ToOurLog()]
