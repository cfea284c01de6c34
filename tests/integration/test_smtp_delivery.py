from __future__ import annotations

import base64
import dataclasses
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.ports import silent_port
from support.reports import mail, workbook
from support.smtp import (
    PASSWORD,
    USERNAME,
    Certificates,
    Fault,
    SmtpProcess,
    SmtpServer,
)
from triagedesk.errors import SettingsError
from triagedesk.outbox import DeliveryOutcome
from triagedesk.outbox.smtp import SmtpChannel

LEAD, TWO, THREE = "lead@example.com", "two@example.com", "three@example.com"
DELIVERED = DeliveryOutcome(delivered=True)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[SmtpServer]:
    with SmtpServer(folder=tmp_path, starttls=True) as running:
        yield running


def channel_to(server: SmtpServer | SmtpProcess, **fields: Any) -> SmtpChannel:
    values: dict[str, Any] = {
        "host": "localhost",
        "port": server.port,
        "sender": "Triage <bot@desk.example.com>",
        "recipients": (LEAD,),
        "username": USERNAME,
        "password": PASSWORD,
        "timeout": 60.0,
        "final_timeout": 60.0,
        "ca_file": server.certificates.ca,
    }
    return SmtpChannel(**values | fields)


def failure(outcomes: dict[str, DeliveryOutcome], recipient: str = LEAD) -> DeliveryOutcome:
    outcome = outcomes[recipient]
    assert not outcome.delivered
    return outcome


def test_a_report_goes_out_encrypted_and_signed_in(server: SmtpServer) -> None:
    outcomes = channel_to(server).send(mail(), (LEAD, TWO))

    assert outcomes == {LEAD: DELIVERED, TWO: DELIVERED}
    (received,) = server.messages
    assert (received.encrypted, received.username) == (True, USERNAME)
    assert received.sender == "bot@desk.example.com"
    assert received.recipients == (LEAD, TWO)
    assert received.message["Message-ID"] == mail().message_id
    (attached,) = received.message.iter_attachments()
    assert attached.get_content() == workbook().content


def test_lines_that_begin_with_a_dot_arrive_whole(server: SmtpServer) -> None:
    text = "first\n.\n..\n.third\n"
    channel_to(server).send(mail(text=text), (LEAD,))

    body = server.messages[0].message.get_body(("plain",))
    assert body is not None
    assert body.get_content().replace("\r\n", "\n") == text


def test_tls_at_once_is_spoken_where_it_is_asked_for(tmp_path: Path) -> None:
    with SmtpServer(folder=tmp_path, tls=True) as server:
        outcomes = channel_to(server, tls_at_once=True).send(mail(), (LEAD,))

        assert outcomes == {LEAD: DELIVERED}
        assert server.messages[0].encrypted


def test_tls_at_once_is_the_default_on_port_465_only() -> None:
    on_465 = SmtpChannel(host="h", port=465, sender="a@b.c", recipients=())
    on_587 = SmtpChannel(host="h", port=587, sender="a@b.c", recipients=())

    assert (on_465._at_once, on_587._at_once) == (True, False)


def test_the_test_authority_is_trusted_through_ssl_cert_file(
    server: SmtpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(server.certificates.ca))

    assert channel_to(server, ca_file=None).send(mail(), (LEAD,)) == {LEAD: DELIVERED}


def test_an_unknown_authority_is_not_trusted_and_nothing_is_sent(
    server: SmtpServer, tmp_path: Path
) -> None:
    stranger = Certificates.make(tmp_path / "other")
    outcome = failure(channel_to(server, ca_file=stranger.ca).send(mail(), (LEAD,)))

    assert "is not trusted" in outcome.error
    assert "SSL_CERT_FILE" in outcome.error
    assert (outcome.permanent, outcome.try_again) == (False, False)
    assert not any(line.startswith(("AUTH", "MAIL")) for line in server.commands)


def test_a_certificate_for_another_name_is_not_trusted(tmp_path: Path) -> None:
    Certificates.make(tmp_path / "tls", "mail.example.com")
    with SmtpServer(folder=tmp_path, starttls=True) as server:
        outcome = failure(channel_to(server).send(mail(), (LEAD,)))

    assert "is not trusted" in outcome.error


def test_without_starttls_nothing_is_sent_in_the_clear(tmp_path: Path) -> None:
    with SmtpServer(folder=tmp_path) as server:
        outcome = failure(channel_to(server).send(mail(), (LEAD,)))

        assert "EMAIL_USE_TLS" in outcome.error
        assert [line.split()[0] for line in server.commands] == ["EHLO"]


def test_without_tls_a_server_in_the_clear_is_used(tmp_path: Path) -> None:
    with SmtpServer(folder=tmp_path, auth=False) as server:
        channel = channel_to(server, use_tls=False, username="", password="")

        assert channel.send(mail(), (LEAD,)) == {LEAD: DELIVERED}
        assert not server.messages[0].encrypted


def test_a_sign_in_the_server_does_not_offer_is_said(tmp_path: Path) -> None:
    with SmtpServer(folder=tmp_path, starttls=True, auth=False) as server:
        outcome = failure(channel_to(server).send(mail(), (LEAD,)))

    assert "offers no sign-in" in outcome.error


@pytest.mark.parametrize("password", ["wrong", "wröng"])
def test_a_refused_sign_in_is_temporary_and_names_the_settings(
    server: SmtpServer, password: str
) -> None:
    outcome = failure(channel_to(server, password=password).send(mail(), (LEAD,)))

    assert "535" in outcome.error
    assert "EMAIL_USERNAME and EMAIL_PASSWORD" in outcome.error
    assert (outcome.permanent, outcome.try_again) == (False, False)
    assert server.messages == []


def test_a_missing_sign_in_is_temporary_and_names_the_settings(server: SmtpServer) -> None:
    outcome = failure(channel_to(server, username="", password="").send(mail(), (LEAD,)))

    assert "530" in outcome.error
    assert "EMAIL_USERNAME and EMAIL_PASSWORD" in outcome.error
    assert not outcome.permanent


def test_the_password_is_in_no_error_even_when_the_server_repeats_it(server: SmtpServer) -> None:
    secret = base64.b64encode(f"\0{USERNAME}\0{PASSWORD}".encode()).decode()
    server.script(Fault(at="AUTH", reply=f"535 bad credentials {PASSWORD} {secret}"))
    channel = channel_to(server)
    outcome = failure(channel.send(mail(), (LEAD,)))

    for hidden in (PASSWORD, secret, base64.b64encode(PASSWORD.encode()).decode()):
        assert hidden not in outcome.error
        assert hidden not in repr(channel)
    assert "***" in outcome.error


def test_a_server_that_is_not_running_is_temporary(tmp_path: Path) -> None:
    with silent_port() as port:
        channel = channel_to(SmtpServer(folder=tmp_path, port=port))
        outcome = failure(channel.send(mail(), (LEAD,)))

    assert "refused the connection" in outcome.error
    assert (outcome.permanent, outcome.try_again) == (False, True)


@pytest.mark.parametrize("host", ["no-such-host.invalid", "a..b", "x" * 70])
def test_a_name_that_leads_nowhere_is_said(tmp_path: Path, host: str) -> None:
    channel = channel_to(SmtpServer(folder=tmp_path, port=25), host=host)
    outcome = failure(channel.send(mail(), (LEAD,)))

    assert "EMAIL_SMTP_HOST" in outcome.error
    assert not outcome.permanent


def test_a_server_that_says_nothing_is_given_up_after_the_timeout(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        server = SmtpServer(folder=tmp_path, port=silent.getsockname()[1])
        outcome = failure(channel_to(server, timeout=0.3).send(mail(), (LEAD,)))

    assert "did not answer within 0.3 s" in outcome.error
    assert (outcome.permanent, outcome.try_again) == (False, True)


def test_starttls_to_a_server_that_wants_tls_at_once_times_out(tmp_path: Path) -> None:
    with SmtpServer(folder=tmp_path, tls=True) as server:
        outcome = failure(channel_to(server, timeout=0.5).send(mail(), (LEAD,)))

    assert "did not answer" in outcome.error


def test_tls_at_once_to_a_server_that_wants_starttls_names_the_ports(server: SmtpServer) -> None:
    outcome = failure(channel_to(server, tls_at_once=True).send(mail(), (LEAD,)))

    assert "EMAIL_SMTP_PORT" in outcome.error
    assert not outcome.permanent


@pytest.mark.parametrize(
    ("at", "reply", "permanent"),
    [
        ("CONNECT", "421 4.3.2 shutting down", False),
        ("CONNECT", "554 no service for you", False),
        ("EHLO", "421 4.3.2 shutting down", False),
        ("AUTH", "454 4.7.0 try later", False),
        ("MAIL", "451 4.3.0 busy", False),
        ("MAIL", "553 5.7.1 sender not allowed", True),
        ("RCPT", "450 4.2.0 greylisted", False),
        ("RCPT", "550 5.1.1 no such user", True),
        ("DATA", "451 4.3.0 busy", False),
        ("DATA", "554 5.7.1 no", True),
        ("DOT", "452 4.3.1 out of space", False),
        ("DOT", "552 5.3.4 too big", True),
    ],
)
def test_each_refusal_is_temporary_or_permanent_as_the_server_says(
    server: SmtpServer, at: str, reply: str, permanent: bool
) -> None:
    server.script(Fault(at=at, reply=reply))
    outcome = failure(channel_to(server).send(mail(), (LEAD,)))

    assert reply in outcome.error
    assert outcome.permanent == permanent
    assert outcome.try_again == reply.startswith("4")
    assert server.messages == []


def test_a_refused_sender_names_the_setting(server: SmtpServer) -> None:
    server.script(Fault(at="MAIL", reply="553 5.7.1 sender not allowed"))

    assert "EMAIL_SENDER" in failure(channel_to(server).send(mail(), (LEAD,))).error


def test_good_recipients_get_the_report_beside_bad_ones(server: SmtpServer) -> None:
    server.script(
        Fault(at="RCPT", match=TWO, reply="550 5.1.1 no such user"),
        Fault(at="RCPT", match=THREE, reply="452 4.2.2 mailbox full"),
    )
    outcomes = channel_to(server).send(mail(), (TWO, LEAD, THREE))

    assert outcomes[LEAD] == DELIVERED
    assert (outcomes[TWO].permanent, outcomes[THREE].permanent) == (True, False)
    assert [received.recipients for received in server.messages] == [(LEAD,)]


def test_good_recipients_get_the_report_from_a_server_that_hangs_up_on_a_bad_one(
    server: SmtpServer,
) -> None:
    server.script(Fault(at="RCPT", match=TWO, reply="550 5.3.2 closing", drop=True))
    outcomes = channel_to(server).send(mail(), (LEAD, TWO, THREE))

    assert outcomes[LEAD] == outcomes[THREE] == DELIVERED
    assert outcomes[TWO].permanent
    assert [received.recipients for received in server.messages] == [(LEAD, THREE)]


@pytest.mark.parametrize("at", ["CONNECT", "EHLO", "STARTTLS", "AUTH", "MAIL", "RCPT", "DATA"])
def test_a_connection_lost_before_the_message_is_temporary(server: SmtpServer, at: str) -> None:
    server.script(Fault(at=at, drop=True))
    outcome = failure(channel_to(server).send(mail(), (LEAD,)))

    assert (outcome.permanent, outcome.try_again) == (False, True)
    assert "may have arrived" not in outcome.error
    assert channel_to(server).destination in outcome.error


def test_a_connection_lost_in_the_middle_of_a_large_message_delivers_nothing(
    server: SmtpServer,
) -> None:
    attachment = dataclasses.replace(workbook(), content=bytes(20_000_000))
    server.script(Fault(at="BODY", drop=True))
    outcome = failure(channel_to(server).send(mail(attachment=attachment), (LEAD,)))

    assert (outcome.permanent, outcome.try_again) == (False, True)
    assert "may have arrived" not in outcome.error
    assert server.messages == []


@pytest.mark.parametrize("forget", [True, False])
def test_a_connection_lost_after_the_dot_says_that_the_report_may_have_arrived(
    server: SmtpServer, forget: bool
) -> None:
    server.script(Fault(at="DOT", drop=True, forget=forget))
    outcome = failure(channel_to(server).send(mail(), (LEAD,)))

    assert "may have arrived" in outcome.error
    assert mail().message_id in outcome.error
    assert (outcome.permanent, outcome.try_again) == (False, False)
    assert len(server.messages) == (0 if forget else 1)


def test_a_server_slow_to_take_the_message_is_waited_for(server: SmtpServer) -> None:
    # A busy machine may not be quick enough for the steps before, and gets more time for them.
    for timeout in (0.5, 10.0):
        server.script(Fault(at="DOT", delay=timeout * 1.5))
        outcomes = channel_to(server, timeout=timeout).send(mail(), (LEAD,))
        if server.messages:
            break

    assert outcomes == {LEAD: DELIVERED}


def test_no_answer_to_the_message_in_time_says_that_it_may_have_arrived(
    server: SmtpServer,
) -> None:
    server.script(Fault(at="DOT", delay=100))
    outcome = failure(channel_to(server, final_timeout=0.3).send(mail(), (LEAD,)))

    assert "did not answer within 0.3 s" in outcome.error
    assert "may have arrived" in outcome.error


def test_a_repeat_carries_the_same_message_id_and_the_same_bytes(server: SmtpServer) -> None:
    server.script(Fault(at="DOT", drop=True, times=1))
    channel = channel_to(server)
    channel.send(mail(), (LEAD,))
    channel.send(mail(), (LEAD,))

    first, second = server.messages
    assert first.content == second.content


def test_the_delivery_does_not_wait_for_the_farewell(server: SmtpServer) -> None:
    server.script(Fault(at="QUIT", delay=100))
    started = time.monotonic()

    assert channel_to(server).send(mail(), (LEAD,)) == {LEAD: DELIVERED}
    assert time.monotonic() - started < 60


def test_a_message_larger_than_the_server_takes_is_permanent(tmp_path: Path) -> None:
    with SmtpServer(folder=tmp_path, starttls=True, size_limit=5_000) as server:
        outcome = failure(channel_to(server).send(mail(), (LEAD,)))

        assert outcome.permanent
        assert "0.0 MB at most" in outcome.error
        assert not any(line.startswith("MAIL") for line in server.commands)


def test_what_is_no_address_is_permanent_and_the_rest_goes_out(server: SmtpServer) -> None:
    evil = "a@example.com>\r\nRCPT TO:<evil@example.com"
    outcomes = channel_to(server).send(mail(), (evil, LEAD))

    assert outcomes[evil].permanent
    assert outcomes[LEAD] == DELIVERED
    assert not any("evil" in line for line in server.commands)


def test_an_address_beyond_ascii_is_used_where_the_server_can(tmp_path: Path) -> None:
    with SmtpServer(folder=tmp_path, starttls=True, smtputf8=True) as server:
        outcomes = channel_to(server).send(mail(), ("jürgen@bücher.example", LEAD))

        assert outcomes == {"jürgen@bücher.example": DELIVERED, LEAD: DELIVERED}
        assert server.messages[0].recipients[0] == "jürgen@xn--bcher-kva.example"


def test_an_address_beyond_ascii_is_permanent_where_the_server_cannot(
    server: SmtpServer,
) -> None:
    outcomes = channel_to(server).send(mail(), ("jürgen@example.com", LEAD))

    assert outcomes["jürgen@example.com"].permanent
    assert "SMTPUTF8" in outcomes["jürgen@example.com"].error
    assert outcomes[LEAD] == DELIVERED


def test_a_sender_that_is_no_address_is_refused_at_once() -> None:
    with pytest.raises(SettingsError, match="EMAIL_SENDER"):
        SmtpChannel(host="h", sender="a b@example.com", recipients=())


def test_a_reply_full_of_control_characters_is_shown_on_one_short_line(
    server: SmtpServer,
) -> None:
    server.script(Fault(at="RCPT", reply="550 \x1b[31mno\x07 " + "x" * 2_000))
    error = failure(channel_to(server).send(mail(), (LEAD,))).error

    assert error.isprintable()
    assert len(error) < 400


def test_a_server_that_speaks_no_smtp_is_temporary(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as web:

        def answer() -> None:
            connection, _ = web.accept()
            with connection:
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n<html>")

        thread = threading.Thread(target=answer)
        thread.start()
        server = SmtpServer(folder=tmp_path, port=web.getsockname()[1])
        outcome = failure(channel_to(server).send(mail(), (LEAD,)))
        thread.join()

    assert (outcome.permanent, outcome.delivered) == (False, False)


@pytest.mark.parametrize(
    "change",
    [
        {"host": "mail.example.com"},
        {"port": 2525},
        {"username": "other"},
        {"sender": "other@example.com"},
        {"use_tls": False},
    ],
)
def test_the_fingerprint_changes_with_what_may_turn_a_refusal(change: dict[str, Any]) -> None:
    channel = SmtpChannel(host="h", sender="a@b.example", recipients=(), username="u")

    assert dataclasses.replace(channel, **change).fingerprint != channel.fingerprint
    assert dataclasses.replace(channel, password="other").fingerprint == channel.fingerprint


def test_the_server_process_keeps_its_messages_when_it_is_killed(tmp_path: Path) -> None:
    with SmtpProcess(tmp_path, "--starttls") as server:
        server.script(Fault(at="RCPT", reply="451 4.7.1 later", times=1))
        channel = channel_to(server)
        assert failure(channel.send(mail(), (LEAD,))).try_again
        assert channel.send(mail(), (LEAD,)) == {LEAD: DELIVERED}
        server.stop()
        assert failure(channel.send(mail(), (LEAD,))).try_again
        server.start()
        assert channel.send(mail(message_id="<run-2@x>"), (LEAD,)) == {LEAD: DELIVERED}

        ids = [received.message["Message-ID"] for received in server.messages]
        assert ids == [mail().message_id, "<run-2@x>"]
        assert "RCPT TO:<lead@example.com>" in server.commands
