"""Work that goes on beside the requests: accepted here, carried out by workers, wherever they are.

What a job was asked for is in the store before the request is answered, so a server that is
stopped or killed loses none.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from triagedesk.api.service import Service
from triagedesk.api.wire import NewTickets, TicketAssignment
from triagedesk.intake import Batch
from triagedesk.store.jobs import Job
from triagedesk.workflows.work import batch_json
from triagedesk.workflows.workers import Workers


class Jobs:
    """Accepts jobs, and has the workers of this process, where there are any, begin at once."""

    def __init__(self, service: Service, workers: Workers | None) -> None:
        self._service = service
        self.workers = workers

    def start(self) -> None:
        """Begin to carry jobs out, with what an earlier server left."""
        if self.workers:
            self.workers.start()

    def stop(self) -> None:
        """End after the tickets in hand; the rest waits for the next server."""
        if self.workers:
            self.workers.stop()

    def wake(self) -> None:
        """Something was accepted."""
        if self.workers:
            self.workers.wake()

    @property
    def trouble(self) -> str:
        """Why jobs are not carried out here; "" when they are, or are not meant to be."""
        return self.workers.trouble if self.workers else ""

    def accept(
        self,
        kind: str,
        actor: str,
        *,
        request: bytes = b"",
        total: int | None = None,
        **options: Any,
    ) -> Job:
        """Take a job on; `request` is the body that asked for it."""
        service = self._service
        job = Job(
            id=service.new_id(),
            kind=kind,
            state="queued",
            step="Waiting",
            total=total,
            actor=actor,
            options=options,
            created_at=service.desk.now(),
        )
        body = batch_json.dump_json(_BATCHES[kind](service, request)) if request else b""
        with service.store.begin() as transaction:
            transaction.add_job(job, body)
        self.wake()
        return job


def assignment_batch(service: Service, wanted: TicketAssignment) -> Batch:
    """What a request to assign asks for, in the desk's own records."""
    capacity = service.settings.agent_capacity
    return Batch(
        tickets=tuple(ticket.as_ticket() for ticket in wanted.tickets),
        without_status=frozenset(t.id for t in wanted.tickets if t.status is None),
        agents=None
        if wanted.agents is None
        else tuple(agent.as_agent(agent.agent_id, capacity) for agent in wanted.agents),
        loads_given=wanted.load_source == "request",
    )


def tickets_batch(wanted: NewTickets) -> Batch:
    """The same for tickets to triage."""
    tickets = tuple(ticket.as_ticket() for ticket in wanted.tickets)
    unstated = (t.id for t, w in zip(tickets, wanted.tickets, strict=True) if w.status is None)
    return Batch(tickets=tickets, without_status=frozenset(unstated))


_BATCHES: dict[str, Callable[[Service, bytes], Batch]] = {
    "assignment": lambda service, body: assignment_batch(
        service, TicketAssignment.model_validate(json.loads(body))
    ),
    "tickets": lambda _service, body: tickets_batch(NewTickets.model_validate(json.loads(body))),
}
