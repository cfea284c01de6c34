"""What tests run in processes of their own, over one store."""

from __future__ import annotations

import sys

from support.records import NOW
from triagedesk.store import Store
from triagedesk.store.lease import hold
from triagedesk.tickets import Assignment


def open_store(url: str) -> None:
    """Open the store, as any process does when it starts."""
    Store.open(url).close()


def assign_one_by_one(url: str, run_id: str, worker: int) -> None:
    """Give waiting tickets to whoever has least work, until none waits."""
    store = Store.open(url)
    while True:
        with store.begin_alone() as transaction:
            waiting = transaction.unassigned(run_id)
            if not waiting:
                break
            agent = min(transaction.roster(), key=lambda agent: (agent.load, agent.id))
            given = Assignment(
                ticket_id=str(waiting[0].key), agent_id=agent.id, rationale=f"by {worker}"
            )
            transaction.assign(run_id, [(waiting[0].key, given)], NOW)
    store.close()


def hold_lease(url: str, name: str) -> None:
    """Hold a lease until standard input ends; say "held" once it is."""
    store = Store.open(url)
    with hold(store, name):
        sys.stdout.write("held\n")
        sys.stdout.flush()
        sys.stdin.read()
    store.close()


if __name__ == "__main__":
    hold_lease(*sys.argv[1:])
