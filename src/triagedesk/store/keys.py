"""Queries about the API's keys, and about answers kept so that a request repeated is not redone."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Row, delete, insert, or_, select, update

from triagedesk.errors import InputError, NotFoundError
from triagedesk.store.queries import Queries
from triagedesk.store.tables import api_keys, kept_answers

#: Scopes by power: each includes those before it.
SCOPES: Final = ("read", "write", "admin")
#: What every key begins with, so that scanners for leaked secrets know one.
_MARK = "tdk_"
#: How long an answer is kept for its Idempotency-Key.
KEEP: Final = timedelta(hours=24)
#: A request in hand for longer than this was cut off with its process.
ABANDONED: Final = timedelta(minutes=10)


@dataclass(frozen=True, kw_only=True)
class ApiKey:
    """A key as the store knows it: not the key itself."""

    name: str
    #: Its first characters.
    beginning: str
    scopes: tuple[str, ...]
    created_at: datetime
    #: None while it is in force.
    revoked_at: datetime | None = None

    def allows(self, scope: str) -> bool:
        """Whether the key may do what `scope` stands for."""
        return any(SCOPES.index(own) >= SCOPES.index(scope) for own in self.scopes)


@dataclass(frozen=True, kw_only=True)
class KeptAnswer:
    """An answer to a request with an Idempotency-Key; `status` None while it is in hand."""

    fingerprint: str
    status: int | None
    headers: Mapping[str, str]
    body: bytes


def digest_of(key: str) -> str:
    """What the store keeps of a key.

    A key is 256 random bits, so that a plain SHA-256 cannot be reversed by guessing; the slow
    hashes that passwords need would only make every request slow.
    """
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


class KeyQueries(Queries):
    """Queries about keys and kept answers."""

    def create_key(self, name: str, scopes: Sequence[str], now: datetime) -> str:
        """Make a key and return it: it is not kept and cannot be shown again.

        Raises InputError for a name in use or a scope there is not.
        """
        unknown = [scope for scope in scopes if scope not in SCOPES]
        if unknown or not scopes:
            raise InputError(
                f"there is no scope {unknown[0]!r}" if unknown else "a key needs a scope",
                hint=f"scopes: {', '.join(SCOPES)}",
            )
        if any(key.name == name and key.revoked_at is None for key in self.keys()):
            raise InputError(
                f"there is a key {name!r} already", hint="revoke it, or take another name"
            )
        key = _MARK + secrets.token_urlsafe(32)
        self.connection.execute(
            insert(api_keys).values(
                name=name,
                digest=digest_of(key),
                beginning=key[: len(_MARK) + 4],
                scopes=[scope for scope in SCOPES if scope in scopes],
                created_at=now,
            )
        )
        return key

    def keys(self) -> list[ApiKey]:
        """Every key ever made, oldest first."""
        query = select(api_keys).order_by(api_keys.c.created_at, api_keys.c.id)
        return [_read(row) for row in self.connection.execute(query)]

    def has_keys(self) -> bool:
        """Whether a key was ever made: from then on nobody gets in without one."""
        return self.connection.scalar(select(api_keys.c.id).limit(1)) is not None

    def key_for(self, key: str) -> ApiKey | None:
        """The key in force that this is; None when it is none."""
        query = select(api_keys).where(
            api_keys.c.digest == digest_of(key), api_keys.c.revoked_at.is_(None)
        )
        row = self.connection.execute(query).first()
        return _read(row) if row else None

    def revoke_key(self, name: str, now: datetime) -> None:
        """Take a key out of force at once. Raises NotFoundError."""
        revoked = self.connection.execute(
            update(api_keys)
            .where(api_keys.c.name == name, api_keys.c.revoked_at.is_(None))
            .values(revoked_at=now)
        )
        if not revoked.rowcount:
            raise NotFoundError(
                f"there is no key {name!r} in force", hint="see `triagedesk key list`"
            )

    def claim_answer(
        self, actor: str, key: str, fingerprint: str, now: datetime
    ) -> KeptAnswer | None:
        """What was answered to this key before; None: the caller answers it now."""
        mine = (kept_answers.c.actor == actor, kept_answers.c.key == key)
        cut_off = kept_answers.c.status.is_(None) & (kept_answers.c.created_at < now - ABANDONED)
        too_old = or_(kept_answers.c.created_at < now - KEEP, cut_off)
        self.connection.execute(delete(kept_answers).where(too_old))
        row = self.connection.execute(select(kept_answers).where(*mine)).first()
        if row:
            return KeptAnswer(
                fingerprint=row.fingerprint,
                status=row.status,
                headers=row.headers or {},
                body=row.body or b"",
            )
        self.connection.execute(
            insert(kept_answers).values(
                actor=actor, key=key, fingerprint=fingerprint, created_at=now
            )
        )
        return None

    def keep_answer(
        self, actor: str, key: str, status: int, headers: Mapping[str, str], body: bytes
    ) -> None:
        """Keep the answer to a key that was claimed."""
        self.connection.execute(
            update(kept_answers)
            .where(kept_answers.c.actor == actor, kept_answers.c.key == key)
            .values(status=status, headers=dict(headers), body=body)
        )

    def drop_answer(self, actor: str, key: str) -> None:
        """Give a claimed key back: the request did not do anything."""
        self.connection.execute(
            delete(kept_answers).where(kept_answers.c.actor == actor, kept_answers.c.key == key)
        )


def _read(row: Row[tuple[object, ...]]) -> ApiKey:
    values = row._mapping  # noqa: SLF001 (SQLAlchemy's public name for it)
    return ApiKey(
        name=values["name"],
        beginning=values["beginning"],
        scopes=tuple(values["scopes"]),
        created_at=values["created_at"],
        revoked_at=values["revoked_at"],
    )
