"""What changed since a page was made: only those rows, or nothing."""

from __future__ import annotations

from starlette.responses import Response
from starlette.routing import BaseRoute

from triagedesk.web.queue import Line, given_of, place_of, wanted_of
from triagedesk.web.visits import Visit, view

#: Numbers longer than this are none the store gave out.
_DIGITS = 18


def since(visit: Visit) -> int:
    """The change up to which the browser has seen everything; 0 when it does not say."""
    given = visit.query.get("since", "")
    return int(given) if given.isascii() and given.isdigit() and len(given) < _DIGITS else 0


def changes(visit: Visit) -> Response:
    """The rows of the queue that changed, with those that left it."""
    seen = since(visit)
    with visit.store.read() as transaction:
        rev = transaction.newest_change()
        if rev == seen:
            return visit.nothing_new(rev)
        keys = transaction.changed_since(seen)
        if keys is None:
            return Response(status_code=205, headers={"X-Rev": str(rev)})
        wanted = wanted_of(visit.query)
        found = transaction.queue_of(wanted, visit.now, keys)
        counts = visit.page.counted(transaction, rev, visit.now).counts
    after, upto = (place_of(visit.query.get(name, "")) for name in ("after", "upto"))
    lines = [
        Line(place=place, item=item)
        for place, item in found
        if (after is None or place > after) and (upto is None or place <= upto)
    ]
    shown = {line.item.key for line in lines}
    gone = sorted(key for key in keys if key not in shown)
    return visit.rows(
        "queue_changes.html",
        rev,
        lines=lines,
        gone=gone,
        counts=counts,
        wanted=wanted,
        given=given_of(visit.query),
    )


ROUTES: list[BaseRoute] = [view("/changes", changes)]
