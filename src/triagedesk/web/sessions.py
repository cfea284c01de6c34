"""Who is signed in, signing in and out, and slowing down whoever guesses."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from triagedesk.hosts import is_loopback
from triagedesk.passwords import hash_password, is_outdated, is_password
from triagedesk.store import Store, Transaction
from triagedesk.store.people import Failures, Person
from triagedesk.web.security import digest_of, new_token

COOKIE: Final = "triagedesk"
#: Whoever sits at a desk where nobody needs to sign in yet.
LOCAL: Final = "local"
#: A browser that asks for nothing for so long is signed out, and every browser after so long.
IDLE: Final = timedelta(hours=12)
ABSOLUTE: Final = timedelta(days=14)
#: How often a session in use is written down as such.
_NOTICED = timedelta(minutes=5)
#: Failures before the first delay, the first delay, and the longest.
_FREE, _FIRST, _LONGEST = 4, timedelta(seconds=2), timedelta(minutes=15)
#: One address may stand for a whole office.
_FREE_OF_ADDRESS = 20


def stranger(now: datetime) -> Person:
    """Whoever has not signed in."""
    return Person(id=0, name="", display_name="", role="viewer", created_at=now)


def at_the_desk(now: datetime) -> Person:
    """Whoever sits at the machine of a desk where nobody needs to sign in yet."""
    return Person(id=0, name=LOCAL, display_name="", role="admin", created_at=now)


def who(store: Store, cookie: str, now: datetime) -> Person | None:
    """The person a cookie's session belongs to; None without one."""
    if not cookie:
        return None
    digest = digest_of(cookie)
    with store.read() as transaction:
        session = transaction.session(digest, now)
    if session is None:
        return None
    if now - session.seen_at > _NOTICED:
        expires = min(now + IDLE, session.created_at + ABSOLUTE)
        with store.begin() as transaction:
            transaction.prolong_session(digest, now, expires)
    return session.person


def sign_in(store: Store, person: Person, before: str, now: datetime) -> str:
    """Begin a session; the token of the browser from now on. The cookie it had is worth nothing."""
    token = new_token()
    with store.begin() as transaction:
        transaction.close_session(digest_of(before))
        transaction.open_session(digest_of(token), person.id, now, now + IDLE)
        transaction.audit("signed in", person.name, actor=person.name, at=now)
    return token


def sign_out(store: Store, cookie: str) -> None:
    """End a session."""
    with store.begin() as transaction:
        transaction.close_session(digest_of(cookie))


def wait(store: Store, name: str, address: str, now: datetime) -> timedelta:
    """How long nobody may try to sign in with this account or from this address; 0 for at once."""
    with store.read() as transaction:
        subjects = _subjects(name, address)
        known = [transaction.sign_in_failures(subject, now) for subject, _ in subjects]
    until = max((one.blocked_until for one in known if one.blocked_until), default=now)
    return max(until - now, timedelta(0))


def check(store: Store, name: str, password: str, address: str, now: datetime) -> Person | None:
    """The person who may sign in with this password; None, and a longer wait, for nobody."""
    with store.read() as transaction:
        person = transaction.person_named(name)
    known = person.password_hash if person and person.disabled_at is None else ""
    # As slow for a name there is not, so that nobody learns which there are.
    right = is_password(password, known)
    with store.begin_alone() as transaction:
        if not right or person is None:
            _fail(transaction, name, address, now)
            return None
        for subject, _ in _subjects(name, address):
            transaction.forgive(subject)
        if is_outdated(known):
            transaction.change_person(person.name, password_hash=hash_password(password))
    return person


def _fail(transaction: Transaction, name: str, address: str, now: datetime) -> None:
    for subject, free in _subjects(name, address):
        count = transaction.sign_in_failures(subject, now).failures + 1
        blocked = now + delay(count, free) if count >= free else None
        failures = Failures(failures=count, blocked_until=blocked)
        transaction.fail_sign_in(subject, failures, now)
    transaction.audit("sign-in failed", name[:100], actor=address, at=now)


def delay(failures: int, free: int = _FREE) -> timedelta:
    """How long to wait after so many failures: twice as long each time."""
    return min(_FIRST * float(2 ** min(failures - free, 20)), _LONGEST)


def _subjects(name: str, address: str) -> list[tuple[str, int]]:
    """What failures are counted by, each with how many are free.

    Behind a proxy on this machine everybody comes from here, so that says nothing of anybody.
    """
    account = (f"account {name.casefold()[:100]}", _FREE)
    if not address or is_loopback(address):
        return [account]
    return [account, (f"address {address[:60]}", _FREE_OF_ADDRESS)]
