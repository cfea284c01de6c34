"""The webhook source against a real HTTP helpdesk, well and unwell."""

from __future__ import annotations

import gzip
import json
import ssl
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme

from support.helpdesk import (
    API_KEY,
    API_SECRET,
    HelpdeskProcess,
    HelpdeskServer,
    Reply,
    refused_url,
    wire_ticket,
)
from triagedesk.errors import SourceError, SourceRefused, SourceUnavailable
from triagedesk.sources.http import HttpLimits
from triagedesk.sources.webhook import WebhookSource


@pytest.fixture
def desk() -> Iterator[HelpdeskServer]:
    with HelpdeskServer(tickets=[wire_ticket(1), wire_ticket(2)]) as server:
        yield server


class Waits(list[float]):
    """Notes how long it should have slept, and does not."""

    def __call__(self, seconds: float) -> None:
        self.append(seconds)


def source(
    url: str,
    *,
    waits: Waits | None = None,
    timeout: float = 60.0,
    secret: str = API_SECRET,
    **limits: Any,
) -> WebhookSource:
    sleep = Waits() if waits is None else waits
    return WebhookSource(
        url, API_KEY, secret, timeout=timeout, limits=HttpLimits(sleep=sleep, **limits)
    )


def certified(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


def refusal(desk: HelpdeskServer, *replies: Reply) -> SourceRefused:
    desk.clear()
    desk.script(*replies)
    with pytest.raises(SourceRefused) as caught:
        source(desk.url).fetch("")
    assert API_SECRET not in str(caught.value)
    assert API_KEY not in str(caught.value)
    assert len(desk.requests) == len(replies)
    return caught.value


def test_tickets_are_asked_for_with_the_credentials_in_the_body(desk: HelpdeskServer) -> None:
    fetched = source(desk.url).fetch("")
    assert [t.id for t in fetched.tickets] == ["1", "2"]
    (request,) = desk.requests
    assert (request.method, request.path) == ("POST", "/tickets")
    assert request.json == {"api_key": API_KEY, "api_secret": API_SECRET}
    assert request.headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    "body",
    [
        [wire_ticket(7)],
        {"data": [wire_ticket(7)]},
        {"requests": [wire_ticket(7)]},
        {"response_code": "200", "data": {"requests": [wire_ticket(7)]}},
        {"agents": [], "tickets": [{"ticket_id": 7, "title": "x", "description": "y"}]},
        "\ufeff" + json.dumps([wire_ticket(7)]),
        json.dumps([wire_ticket(7)]).encode("utf-16"),
    ],
)
def test_every_shape_of_answer_is_read(desk: HelpdeskServer, body: object) -> None:
    desk.script(Reply(body=body))
    assert [t.id for t in source(desk.url).fetch("").tickets] == ["7"]


def test_ten_thousand_tickets_arrive(desk: HelpdeskServer) -> None:
    desk.tickets = [wire_ticket(i) for i in range(10_000)]
    fetched = source(desk.url).fetch("")
    assert len(fetched.tickets) == 10_000
    assert fetched.broken == ()


def test_a_broken_ticket_is_set_aside_and_the_rest_arrives(desk: HelpdeskServer) -> None:
    desk.tickets = [wire_ticket(1), "nonsense", {"title": "no id"}, wire_ticket(2)]
    fetched = source(desk.url).fetch("")
    assert [t.id for t in fetched.tickets] == ["1", "2"]
    assert [b.position for b in fetched.broken] == [1, 2]


@pytest.mark.parametrize(
    "reply",
    [
        Reply(status=401, body="no"),
        Reply(status=403, body={"response_code": 403}),
        Reply(body={"response_code": 401}),
        Reply(body={"response_code": "401", "message": f"wrong key {API_KEY}"}),
        Reply(body={"response_code": 403, "message": "not yours"}),
    ],
)
def test_refused_credentials_say_which_settings_to_check(
    desk: HelpdeskServer, reply: Reply
) -> None:
    error = refusal(desk, reply)
    assert "refused the credentials" in error.message
    assert "HELPDESK_API_KEY" in error.hint
    assert "HELPDESK_API_SECRET" in error.hint


def test_a_wrong_secret_is_refused_for_real(desk: HelpdeskServer) -> None:
    with pytest.raises(SourceRefused, match="refused the credentials"):
        source(desk.url, secret="wrong").fetch("")


@pytest.mark.parametrize(
    ("reply", "found"),
    [
        (Reply(body="<!DOCTYPE html><html>Log in</html>"), "web page"),
        (Reply(body='{"data": {"requests": ['), "not JSON"),
        (Reply(body=""), "(nothing)"),
        (Reply(status=204), "(nothing)"),
        (Reply(body="OK"), "not JSON: Expecting value, column 1: OK"),
        (Reply(body="[" * 100_000), "nested too deeply"),
        (Reply(body={"response_code": 500, "message": "out of order"}), "500: out of order"),
        (Reply(body={"response_code": "oops"}), "oops"),
        (Reply(body={"error": f"who is {API_SECRET}?"}), "who is ***?"),
        (Reply(body={"data": {"requests": "none"}}), "no list of tickets"),
        (Reply(status=400, body="bad"), "HTTP 400: bad"),
        (Reply(status=404, body="nothing here"), "HTTP 404: nothing here"),
        (Reply(status=405), "HTTP 405: without a message"),
        (Reply(body=b"\x1f\x8bnonsense", headers={"content-encoding": "gzip"}), "compression"),
    ],
)
def test_an_answer_that_makes_no_sense_is_refused_at_once(
    desk: HelpdeskServer, reply: Reply, found: str
) -> None:
    assert found in refusal(desk, reply).message


@pytest.mark.parametrize(
    "reply",
    [
        Reply(status=500, body="oops"),
        Reply(status=502),
        Reply(status=503),
        Reply(status=429),
        Reply(cut=True),
        Reply(body={"data": []}, cut_after=3),
    ],
)
def test_a_passing_fault_is_tried_again(desk: HelpdeskServer, reply: Reply) -> None:
    waits = Waits()
    desk.script(reply, reply)
    assert len(source(desk.url, waits=waits).fetch("").tickets) == 2
    assert len(desk.requests) == 3
    # 0.5 s, then 1 s, each with jitter.
    assert 0.25 <= waits[0] <= 0.5 <= waits[1] <= 1


def test_a_fault_that_stays_is_given_up_on(desk: HelpdeskServer) -> None:
    desk.script(Reply(status=503, body="down for maintenance"), forever=True)
    with pytest.raises(SourceUnavailable, match=r"4 tries: HTTP 503, down for maintenance"):
        source(desk.url).fetch("")
    assert len(desk.requests) == 4


@pytest.mark.parametrize(
    ("header", "low", "high"),
    [
        ("7", 7, 7),
        ("0", 0, 0),
        ("3600", 60, 60),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0, 0),
        ("Wed, 21 Oct 2099 07:28:00 GMT", 60, 60),
        ("soon", 0.25, 0.5),
        ("-5", 0.25, 0.5),
    ],
)
def test_retry_after_is_honoured_up_to_a_limit(
    desk: HelpdeskServer, header: str, low: float, high: float
) -> None:
    waits = Waits()
    desk.script(Reply(status=429, headers={"retry-after": header}))
    source(desk.url, waits=waits).fetch("")
    (waited,) = waits
    assert low <= waited <= high


def test_nobody_listening_is_unavailable() -> None:
    waits = Waits()
    with (
        refused_url() as url,
        pytest.raises(SourceUnavailable, match="4 tries: Connection refused"),
    ):
        source(url, waits=waits).fetch("")
    assert len(waits) == 3


def test_a_helpdesk_that_comes_back_is_read(desk: HelpdeskServer) -> None:
    desk.stop()

    class BackAfterOneWait(Waits):
        def __call__(self, seconds: float) -> None:
            super().__call__(seconds)
            desk.start()

    assert len(source(desk.url, waits=BackAfterOneWait()).fetch("").tickets) == 2


def test_a_slow_helpdesk_times_out(desk: HelpdeskServer) -> None:
    desk.script(Reply(delay=30), forever=True)
    with pytest.raises(SourceUnavailable, match=r"2 tries: no answer within 0\.2 seconds"):
        source(desk.url, timeout=0.2, attempts=2).fetch("")


def test_an_answer_that_drips_in_ends_too(desk: HelpdeskServer) -> None:
    desk.script(Reply(body="[" + " " * 1000, drip=0.05), forever=True)
    started = time.monotonic()
    with pytest.raises(SourceUnavailable, match=r"the answer took over 0\.3 seconds"):
        source(desk.url, attempts=1, total_timeout=0.3).fetch("")
    assert time.monotonic() - started < 30


def test_an_endless_answer_is_refused(desk: HelpdeskServer) -> None:
    desk.script(Reply(body=" " * 2_000_000))
    with pytest.raises(SourceRefused, match="more than 1,000,000 bytes"):
        source(desk.url, max_bytes=1_000_000).fetch("")


def test_a_compression_bomb_is_refused(desk: HelpdeskServer) -> None:
    bomb = gzip.compress(b" " * 20_000_000)
    desk.script(Reply(body=bomb, headers={"content-encoding": "gzip"}))
    with pytest.raises(SourceRefused, match="more than 1,000,000 bytes"):
        source(desk.url, max_bytes=1_000_000).fetch("")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_credentials_never_follow_a_redirect_to_another_host(
    desk: HelpdeskServer, status: int
) -> None:
    with HelpdeskServer() as other:
        error = refusal(desk, Reply(status=status, headers={"location": other.url}))
        assert other.requests == []
    assert "redirects to" in error.message


def test_a_redirect_on_the_same_host_keeps_the_post(desk: HelpdeskServer) -> None:
    desk.script(Reply(status=308, headers={"location": "/v2/tickets"}))
    desk.script(Reply(body=[wire_ticket(9)]), path="/v2/tickets")
    assert [t.id for t in source(desk.url).fetch("").tickets] == ["9"]
    assert [(r.method, r.path) for r in desk.requests] == [
        ("POST", "/tickets"),
        ("POST", "/v2/tickets"),
    ]


def test_redirects_without_end_are_refused(desk: HelpdeskServer) -> None:
    desk.script(Reply(status=307, headers={"location": desk.url}), forever=True)
    with pytest.raises(SourceRefused, match="without end"):
        source(desk.url).fetch("")


def test_a_certificate_nobody_vouches_for_is_refused_at_once() -> None:
    waits = Waits()
    with HelpdeskServer(tls=certified(trustme.CA())) as desk:
        with pytest.raises(SourceRefused, match="certificate that is not trusted"):
            source(desk.url, waits=waits).fetch("")
        assert desk.requests == []
    assert waits == []


def test_an_authority_of_ones_own_is_trusted_when_so_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    with HelpdeskServer(tickets=[wire_ticket(1)], tls=certified(authority)) as desk:
        assert len(source(desk.url).fetch("").tickets) == 1


@pytest.mark.parametrize(
    "url", ["http://", "ftp://x/", "http://[::1", "no address", "http://☃..x/", "http://a\x00b/"]
)
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(SourceError) as caught:
        source(url).fetch("")
    assert "address" in caught.value.hint + caught.value.message


def test_messages_and_records_never_show_credentials() -> None:
    with refused_url() as url:
        asked = source(url.replace("http://", "http://bob:hunter2@") + "?token=hunter3")
        with pytest.raises(SourceUnavailable) as caught:
            asked.fetch("")
    for shown in (str(caught.value), asked.origin, repr(asked)[repr(asked).find("timeout") :]):
        assert "hunter" not in shown
    assert API_SECRET not in repr(asked)


def test_it_works_against_a_process_of_its_own(tmp_path: Path) -> None:
    with HelpdeskProcess(tmp_path, tickets=[wire_ticket(5)], replies=[{"status": 503}]) as process:
        assert [t.id for t in source(process.url).fetch("").tickets] == ["5"]
        assert [r.path for r in process.requests] == ["/tickets", "/tickets"]
