"""Queries about people who sign in: accounts, sessions, failed attempts, ways through OIDC."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Row, delete, insert, select, update

from triagedesk.errors import InputError, NotFoundError
from triagedesk.store.queries import Queries
from triagedesk.store.tables_people import people, sessions, sign_in_failures, sign_in_flows

#: Roles by power: each may do what those before it may.
ROLES: Final = ("viewer", "agent", "lead", "admin")
#: A way to the identity provider and back that took longer is none.
FLOW_TIME: Final = timedelta(minutes=10)
#: Failures this old count no more.
_FORGIVEN = timedelta(days=1)


@dataclass(frozen=True, kw_only=True)
class Person:
    """Somebody who may sign in."""

    #: The store's number; 0 for whoever sits at a desk that is open on its machine alone.
    id: int
    #: What they sign in with, in small letters.
    name: str
    display_name: str
    #: One of `ROLES`.
    role: str
    #: The agent they are; "" where they are none.
    agent_id: str = ""
    #: "" where they cannot sign in with a password.
    password_hash: str = ""
    #: `issuer subject` at the identity provider; None where they never came that way.
    identity: str | None = None
    #: "": as their browser asks for.
    language: str = ""
    created_at: datetime
    signed_in_at: datetime | None = None
    #: None while they may sign in.
    disabled_at: datetime | None = None

    def may(self, role: str) -> bool:
        """Whether they may do what `role` may."""
        return ROLES.index(self.role) >= ROLES.index(role)


@dataclass(frozen=True, kw_only=True)
class Session:
    """A browser somebody is signed in with."""

    person: Person
    created_at: datetime
    seen_at: datetime
    expires_at: datetime


@dataclass(frozen=True, kw_only=True)
class Flow:
    """A browser that was sent to the identity provider."""

    #: SHA-256 of its cookie.
    browser: str
    nonce: str
    #: PKCE's code verifier.
    verifier: str
    #: Where they wanted to go.
    target: str


@dataclass(frozen=True, kw_only=True)
class Failures:
    """Attempts to sign in that failed, by account or by address."""

    failures: int = 0
    #: Nobody may try again before; None: at once.
    blocked_until: datetime | None = None


class PeopleQueries(Queries):
    """Queries about people who sign in."""

    def people(self) -> list[Person]:
        """Everybody, by name."""
        rows = self.connection.execute(select(people))
        return sorted(map(_read, rows), key=lambda person: person.name)

    def has_people(self) -> bool:
        """Whether anybody was ever made: from then on nobody gets in without signing in."""
        return self.connection.scalar(select(people.c.id).limit(1)) is not None

    def person_named(self, name: str) -> Person | None:
        """The person of that name, disabled or not."""
        query = select(people).where(people.c.name == name.casefold())
        row = self.connection.execute(query).first()
        return _read(row) if row else None

    def person_of(self, identity: str) -> Person | None:
        """The person the identity provider means."""
        row = self.connection.execute(select(people).where(people.c.identity == identity)).first()
        return _read(row) if row else None

    def create_person(
        self,
        name: str,
        now: datetime,
        *,
        display_name: str = "",
        role: str,
        agent_id: str = "",
        password_hash: str = "",
        identity: str | None = None,
    ) -> Person:
        """Let somebody sign in. Raises InputError for a name in use or a role there is not."""
        _check_role(role)
        if self.person_named(name):
            raise InputError(
                f"there is a person {name!r} already", hint="take another name, or change that one"
            )
        values = {
            "name": name.casefold(),
            "display_name": display_name or name,
            "role": role,
            "agent_id": agent_id,
            "password_hash": password_hash,
            "identity": identity,
            "language": "",
            "created_at": now,
        }
        self.connection.execute(insert(people).values(values))
        return self._person(name)

    def change_person(self, name: str, **values: Any) -> Person:
        """Change what is kept of a person. Raises NotFoundError, InputError."""
        if "role" in values:
            _check_role(values["role"])
        person = self._person(name)
        self.connection.execute(update(people).where(people.c.id == person.id).values(values))
        return self._person(name)

    def _person(self, name: str) -> Person:
        person = self.person_named(name)
        if person is None:
            raise NotFoundError(f"there is no person {name!r}", hint="see `triagedesk person list`")
        return person

    def open_session(self, digest: str, person_id: int, now: datetime, expires: datetime) -> None:
        """Sign a browser in; sessions that are over go."""
        self.connection.execute(delete(sessions).where(sessions.c.expires_at < now))
        row = {"created_at": now, "seen_at": now, "expires_at": expires}
        self.connection.execute(insert(sessions).values(digest=digest, person_id=person_id, **row))
        self.connection.execute(
            update(people).where(people.c.id == person_id).values(signed_in_at=now)
        )

    def session(self, digest: str, now: datetime) -> Session | None:
        """The session in force; None for one that is over or whose person is disabled."""
        query = (
            select(people, *(sessions.c[name].label(f"session_{name}") for name in _TIMES))
            .join_from(sessions, people, people.c.id == sessions.c.person_id)
            .where(
                sessions.c.digest == digest,
                sessions.c.expires_at > now,
                people.c.disabled_at.is_(None),
            )
        )
        row = self.connection.execute(query).first()
        if row is None:
            return None
        return Session(
            person=_read(row),
            created_at=row.session_created_at,
            seen_at=row.session_seen_at,
            expires_at=row.session_expires_at,
        )

    def prolong_session(self, digest: str, now: datetime, expires: datetime) -> None:
        """Record that a session is in use."""
        self.connection.execute(
            update(sessions)
            .where(sessions.c.digest == digest)
            .values(seen_at=now, expires_at=expires)
        )

    def close_session(self, digest: str) -> None:
        """Sign a browser out."""
        self.connection.execute(delete(sessions).where(sessions.c.digest == digest))

    def close_sessions_of(self, person_id: int) -> None:
        """Sign somebody out everywhere."""
        self.connection.execute(delete(sessions).where(sessions.c.person_id == person_id))

    def sign_in_failures(self, subject: str, now: datetime) -> Failures:
        """What failed so far for an account or an address."""
        query = select(sign_in_failures).where(
            sign_in_failures.c.subject == subject, sign_in_failures.c.failed_at > now - _FORGIVEN
        )
        row = self.connection.execute(query).first()
        if row is None:
            return Failures()
        return Failures(failures=row.failures, blocked_until=row.blocked_until)

    def fail_sign_in(self, subject: str, failures: Failures, now: datetime) -> None:
        """Record that signing in failed."""
        gone = sign_in_failures.c.failed_at < now - _FORGIVEN
        mine = sign_in_failures.c.subject == subject
        self.connection.execute(delete(sign_in_failures).where(mine | gone))
        self.connection.execute(
            insert(sign_in_failures).values(
                subject=subject,
                failures=failures.failures,
                failed_at=now,
                blocked_until=failures.blocked_until,
            )
        )

    def forgive(self, subject: str) -> None:
        """Forget what failed."""
        self.connection.execute(
            delete(sign_in_failures).where(sign_in_failures.c.subject == subject)
        )

    def begin_flow(self, digest: str, flow: Flow, now: datetime) -> None:
        """Keep what is compared when the browser comes back from the identity provider."""
        self.connection.execute(
            delete(sign_in_flows).where(sign_in_flows.c.created_at < now - FLOW_TIME)
        )
        self.connection.execute(
            insert(sign_in_flows).values(digest=digest, created_at=now, **vars(flow))
        )

    def end_flow(self, digest: str, now: datetime) -> Flow | None:
        """What was kept, once; None for what was never begun, has been used, or took too long."""
        taken = self.connection.execute(
            delete(sign_in_flows)
            .where(sign_in_flows.c.digest == digest, sign_in_flows.c.created_at > now - FLOW_TIME)
            .returning(sign_in_flows)
        ).first()
        if taken is None:
            return None
        return Flow(
            browser=taken.browser, nonce=taken.nonce, verifier=taken.verifier, target=taken.target
        )


_TIMES = ("created_at", "seen_at", "expires_at")
_FIELDS = tuple(Person.__dataclass_fields__)


def _read(row: Row[Any]) -> Person:
    values = row._mapping  # noqa: SLF001 (SQLAlchemy's public name for it)
    return Person(**{name: values[name] for name in _FIELDS})


def _check_role(role: str) -> None:
    if role not in ROLES:
        raise InputError(f"there is no role {role!r}", hint=f"roles: {', '.join(ROLES)}")
