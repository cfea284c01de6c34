"""Passwords of people, kept as argon2id (RFC 9106, its second recommendation)."""

from __future__ import annotations

from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerifyMismatchError

from triagedesk.errors import InputError

#: Characters; long passwords beat odd ones (NIST SP 800-63B).
SHORTEST, LONGEST = 10, 200

_hasher = PasswordHasher()


def hash_password(password: str) -> str:
    """What is kept of a password. Raises InputError for one too short, too long or too plain."""
    if not SHORTEST <= len(password) <= LONGEST:
        raise InputError(f"a password has {SHORTEST} to {LONGEST} characters")
    if len(set(password)) < SHORTEST // 2:
        raise InputError("the password repeats too few characters to be hard to guess")
    return _hasher.hash(password)


def is_password(password: str, kept: str) -> bool:
    """Whether a password is the one kept; takes as long for nobody's ("") as for somebody's."""
    try:
        _hasher.verify(kept or _of_nobody(), password[: LONGEST + 1])
    except (VerifyMismatchError, InvalidHashError):
        return False
    return bool(kept)


def is_outdated(kept: str) -> bool:
    """Whether it was hashed with weaker parameters than those of today."""
    return _hasher.check_needs_rehash(kept)


@cache
def _of_nobody() -> str:
    return _hasher.hash("a password that nobody has")
