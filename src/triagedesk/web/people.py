"""People who sign in, for admins: make, change, disable."""

from __future__ import annotations

from starlette.responses import Response
from starlette.routing import BaseRoute

from triagedesk.cleaning import clean_name
from triagedesk.errors import ConflictError, InputError, NotFoundError
from triagedesk.passwords import hash_password
from triagedesk.store import Transaction
from triagedesk.store.people import ROLES
from triagedesk.web import sessions
from triagedesk.web.visits import Visit, action, view

_LONGEST = 100


def people(visit: Visit) -> Response:
    """Everybody who may sign in, or might."""
    with visit.store.read() as transaction:
        found = transaction.people()
        agents = sorted(
            ((agent.id, agent.name) for agent, _ in transaction.known_agents().values()),
            key=lambda one: one[1].casefold(),
        )
    return visit.render("people.html", people=found, agents=agents, roles=ROLES)


def create(visit: Visit) -> Response:
    """Let somebody sign in."""
    name = visit.form.get("name", "")
    if name != clean_name(name) or not 0 < len(name) <= _LONGEST or name == sessions.LOCAL:
        raise InputError(visit.t("people.bad_name", n=_LONGEST))
    kept = hash_password(visit.form.get("password", ""))
    with visit.store.begin_alone() as transaction:
        person = transaction.create_person(
            name,
            visit.now,
            display_name=clean_name(visit.form.get("full_name", ""))[:_LONGEST],
            role=visit.form.get("role", "viewer"),
            agent_id=_agent(transaction, visit),
            password_hash=kept,
        )
        _check_admins(transaction, visit)
        details = {"role": person.role, "agent": person.agent_id}
        transaction.audit(
            "person created", person.name, actor=visit.actor, at=visit.now, details=details
        )
    return visit.go("/people", did="saved")


def change(visit: Visit) -> Response:
    """Give somebody another role or agent, or let them in no more; never the last admin."""
    name, wanted = visit.form.get("name", ""), visit.form.get("state", "")
    with visit.store.begin_alone() as transaction:
        agent_id = _agent(transaction, visit)
        disabled = visit.now if wanted == "disabled" else None
        role = visit.form.get("role", "")
        person = transaction.change_person(name, role=role, agent_id=agent_id, disabled_at=disabled)
        if disabled:
            transaction.close_sessions_of(person.id)
        _check_admins(transaction, visit)
        details = {"role": role, "agent": agent_id, "disabled": bool(disabled)}
        transaction.audit("person changed", name, actor=visit.actor, at=visit.now, details=details)
    return visit.go("/people", did="saved")


def _check_admins(transaction: Transaction, visit: Visit) -> None:
    """Raise ConflictError where nobody could let people in; nothing of the transaction stays."""
    if not any(one.may("admin") and not one.disabled_at for one in transaction.people()):
        raise ConflictError(visit.t("people.last_admin"))


def _agent(transaction: Transaction, visit: Visit) -> str:
    agent_id = clean_name(visit.form.get("agent", ""))
    if agent_id and agent_id not in transaction.known_agents():
        raise NotFoundError(f"there is no agent {agent_id!r}")
    return agent_id


ROUTES: list[BaseRoute] = [
    view("/people", people, role="admin"),
    action("/people", create, role="admin"),
    action("/people/change", change, role="admin"),
]
