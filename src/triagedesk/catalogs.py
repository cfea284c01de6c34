"""Step 2 in detail: the Service Catalog a desk works by, or its last good copy."""

from __future__ import annotations

from functools import lru_cache

from triagedesk.catalog import ServiceCatalog
from triagedesk.catalog_parser import parse_catalog
from triagedesk.desk import Desk, RunSummary
from triagedesk.errors import CatalogError, SourceError
from triagedesk.store.runs import StoredCatalog


def load_catalog(desk: Desk, summary: RunSummary) -> ServiceCatalog:
    """Step 2: the Service Catalog, or its last good copy (said so) when it cannot be had now."""
    origin = desk.catalog_source.origin
    with desk.store.read() as transaction:
        last = transaction.last_catalog(origin)
    try:
        document = desk.catalog_source.load(
            etag=last.etag if last else "", last_modified=last.last_modified if last else ""
        )
        if document is None and last:
            return _usable(desk, last.text)
        catalog = _usable(desk, document.text if document else "")
    except (SourceError, CatalogError) as error:
        if not last:
            raise
        summary.notes.append(
            f"{error} - the catalog of {last.loaded_at:%Y-%m-%d %H:%M} UTC was used instead"
        )
        return _usable(desk, last.text)
    if document:
        stored = StoredCatalog(
            version=catalog.version,
            origin=origin,
            text=document.text,
            etag=document.etag,
            last_modified=document.last_modified,
            loaded_at=desk.now(),
        )
        with desk.store.begin() as transaction:
            transaction.save_catalog(stored)
    return catalog


def catalog_of(desk: Desk, version: str) -> ServiceCatalog:
    """The catalog a run began with, whatever has become of it since."""
    origin = desk.catalog_source.origin
    with desk.store.read() as transaction:
        stored = transaction.catalog_text(origin, version)
    if stored is None:
        raise CatalogError(f"the catalog {version[:12]} of {origin} is not in the database")
    return _parsed(stored, origin)


@lru_cache(maxsize=4)
def _parsed(text: str, origin: str) -> ServiceCatalog:
    return parse_catalog(text, origin=origin)


def _usable(desk: Desk, text: str) -> ServiceCatalog:
    """A catalog that can be read and whose calendars exist. Raises CatalogError."""
    catalog = _parsed(text, desk.catalog_source.origin)
    problems = desk.sla_policy.problems(catalog.entries)
    if problems:
        raise CatalogError(
            f"The Service Catalog from {catalog.origin} names calendars there are not:",
            problems=problems,
            hint="mend the catalog or SLA_CALENDARS_FILE",
        )
    return catalog
