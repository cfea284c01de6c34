"""`/v1/reports`: the outbox."""

from __future__ import annotations

from pathlib import PurePath
from typing import Annotated
from urllib.parse import quote

from fastapi import Body, Request, Response

from triagedesk import reporting
from triagedesk.api import examples
from triagedesk.api.answers import ReportOut, ReportPage
from triagedesk.api.common import (
    Cursor,
    Limit,
    ReportId,
    actor_of,
    answers,
    cursor_of,
    id_of,
    mark_of,
    page,
    service_of,
)
from triagedesk.api.problems import ApiProblem, Fault, Json
from triagedesk.api.rendering import report_out
from triagedesk.api.routing import needs, router
from triagedesk.api.wire import ResendGiven
from triagedesk.errors import StoreBusy
from triagedesk.report.excel import CONTENT_TYPE
from triagedesk.store.lease import hold

reports = router("reports")


@reports.get("/reports", operation_id="listReports", response_model=ReportPage, responses=answers())
def list_reports(request: Request, limit: Limit = 50, cursor: Cursor = "") -> Json:
    """Every report, newest first: sent or not, to whom, and why not."""
    before = mark_of(cursor)
    with service_of(request).store.read() as transaction:
        every = transaction.report_list()
    found = sorted(every, key=lambda report: report.id, reverse=True)
    found = [report for report in found if not before or report.id < before]
    following = cursor_of(found[limit - 1].id) if len(found) > limit else None
    return page(request, "reports", [report_out(report) for report in found[:limit]], following)


@reports.get(
    "/reports/{report_id}",
    operation_id="readReport",
    response_model=ReportOut,
    responses=answers(404),
)
def read_report(request: Request, report_id: ReportId) -> Json:
    """One report."""
    with service_of(request).store.read() as transaction:
        return Json(report_out(reporting.find(transaction, id_of(report_id))))


@reports.get(
    "/reports/{report_id}/file",
    operation_id="downloadReport",
    response_class=Response,
    responses={
        200: {
            "content": {CONTENT_TYPE: {"schema": {"type": "string", "format": "binary"}}},
            "description": "The workbook.",
        },
        **answers(404),
    },
)
def download_report(request: Request, report_id: ReportId) -> Response:
    """The workbook as it was built."""
    with service_of(request).store.read() as transaction:
        stored = reporting.find(transaction, id_of(report_id))
        content = transaction.report_content(stored.id)
    name = quote(PurePath(stored.path).name)
    headers = {"Content-Disposition": f"attachment; filename*=UTF-8''{name}"}
    return Response(content, media_type=CONTENT_TYPE, headers=headers)


@reports.post(
    "/reports/{report_id}/resend",
    operation_id="resendReport",
    response_model=ReportOut,
    responses=answers(404, 409, 502, body=True),
    openapi_extra=needs("admin"),
)
def resend_report(
    request: Request,
    report_id: ReportId,
    given: Annotated[ResendGiven, Body(openapi_examples=examples.RESEND)],
) -> Json:
    """Send a report now, also one that was refused or has been sent before."""
    service = service_of(request)
    with service.store.read() as transaction:
        name = reporting.find(transaction, id_of(report_id)).id
    try:
        with hold(service.store, "run"):
            sent = reporting.resend(service.desk, name, tuple(given.to), by=actor_of(request))
    except StoreBusy as error:
        raise ApiProblem(409, error.message, headers={"Retry-After": "10"}) from error
    errors = {recipient: words for item in sent for recipient, words in item.errors.items()}
    if errors:
        faults = [
            Fault(where="body", path="$.to", detail=words, value=recipient)
            for recipient, words in errors.items()
        ]
        what = "The report did not reach everyone; the next run tries again."
        raise ApiProblem(502, what, faults=faults)
    with service.store.read() as transaction:
        return Json(report_out(reporting.find(transaction, name)))
