"""A helpdesk and a catalog server that speak real HTTP, say what they are told, and keep a log.

In a test:

    with HelpdeskServer(tickets=[...], catalog=text) as desk:
        desk.script(Reply(status=503), Reply(body="<html>"))  # then it answers normally again
        run(desk.url, desk.catalog_url)
        assert [r.path for r in desk.requests] == ["/tickets", "/tickets", "/tickets"]

As a process of its own (from `tests/`), with the log as JSON lines in a file:

    python -m support.helpdesk --log LOG [--port 0] [--tickets FILE] [--catalog FILE]
                               [--key K --secret S] [--script FILE]

It prints `{"url": ..., "catalog_url": ...}` when it is ready. `HelpdeskProcess` starts one.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from support.ports import keep_port, silent_port

TICKETS_PATH = "/tickets"
CATALOG_PATH = "/catalog.yaml"
API_KEY = "test-key"
API_SECRET = "test-secret"
TESTS = Path(__file__).resolve().parent.parent
CATALOG = """\
service_catalog:
  catalog:
    categories:
      - name: "Access"
        requests:
          - name: "Reset password"
            sla: {unit: "hours", value: 4}
      - name: "Other"
        requests:
          - name: "General inquiry"
            sla: {unit: "hours", value: 0}
"""


def wire_ticket(id: object, short: str = "Forgot my password", **fields: object) -> dict[str, Any]:  # noqa: A002 - the wire's word
    """A ticket as the webhook sends it, with nothing filled but what is given."""
    return {
        "id": id,
        "short_description": short,
        "long_description": "I cannot log in any more.",
        "requester_email": "jane@example.com",
        "request_category": "",
        "request_type": "",
        "sla": {"unit": "", "value": 0},
        **fields,
    }


@dataclass(frozen=True, kw_only=True)
class Reply:
    """One answer, or one way to fail."""

    status: int = 200
    #: Bytes and text go out as they are, anything else as JSON.
    body: Any = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    #: Seconds before it answers.
    delay: float = 0.0
    #: Seconds between two bytes of the body.
    drip: float = 0.0
    #: Close the connection without an answer.
    cut: bool = False
    #: Close it after this many bytes of the body.
    cut_after: int | None = None

    @property
    def content(self) -> bytes:
        """The body's bytes."""
        if isinstance(self.body, bytes):
            return self.body
        text = self.body if isinstance(self.body, str) else json.dumps(self.body)
        return text.encode()


@dataclass(frozen=True, kw_only=True)
class LoggedRequest:
    """One request as the server saw it."""

    method: str
    path: str
    #: By lower-case name.
    headers: dict[str, str]
    body: str
    #: Unix seconds.
    at: float

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


class HelpdeskServer:
    """A helpdesk webhook and a catalog server on one port of the loopback interface."""

    def __init__(
        self,
        *,
        tickets: Sequence[object] = (),
        catalog: str = CATALOG,
        api_key: str = API_KEY,
        api_secret: str = API_SECRET,
        port: int = 0,
        log: Path | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.tickets: list[object] = list(tickets)
        self.catalog = catalog
        self.credentials = {"api_key": api_key, "api_secret": api_secret}
        self.stopping = threading.Event()
        self.hurried = threading.Event()
        self._port = port
        self._log = log
        self._tls = tls
        self._lock = threading.Lock()
        self._requests: list[LoggedRequest] = []
        self._scripts: dict[str, list[Reply]] = {}
        self._forever: dict[str, Reply] = {}
        self._server: ThreadingHTTPServer | None = None
        self._thread: threading.Thread | None = None
        self._kept: socket.socket | None = None

    def start(self) -> Self:
        """Listen; ready when it returns."""
        self.stopping.clear()
        self.hurried.clear()
        self._let_go()
        server = _Server(self._port, self)
        self._server = server
        if self._tls is not None:
            # The handshake belongs to the connection's own thread.
            server.socket = self._tls.wrap_socket(
                server.socket, server_side=True, do_handshake_on_connect=False
            )
        # The same port after a restart, so that a desk "comes back" where it was.
        self._port = server.server_port
        self._thread = threading.Thread(
            target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        )
        self._thread.start()
        return self

    def stop(self) -> None:
        """Stop listening; answers under way are cut off, and the port stays ours."""
        self.stopping.set()
        self.hurried.set()
        if self._server is not None and self._thread is not None:
            self._server.shutdown()
            self._server.server_close()
            self._thread.join()
            self._kept = keep_port(self._port)
        self._server = self._thread = None

    def _let_go(self) -> None:
        if self._kept is not None:
            self._kept.close()
        self._kept = None

    def hurry(self) -> None:
        """Give the answers that are being held back, and hold none back from now on."""
        self.hurried.set()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
        self._let_go()

    @property
    def base_url(self) -> str:
        """Where the server listens, without a path."""
        return f"http{'s' if self._tls else ''}://127.0.0.1:{self._port}"

    @property
    def url(self) -> str:
        """For HELPDESK_API_URL."""
        return self.base_url + TICKETS_PATH

    @property
    def catalog_url(self) -> str:
        """For SERVICE_CATALOG_URL."""
        return self.base_url + CATALOG_PATH

    @property
    def requests(self) -> list[LoggedRequest]:
        """What has been asked so far, oldest first."""
        with self._lock:
            return list(self._requests)

    def clear(self) -> None:
        """Forget the requests so far."""
        with self._lock:
            self._requests.clear()

    def script(self, *replies: Reply, path: str = TICKETS_PATH, forever: bool = False) -> None:
        """Answer with these first; then normally, or with the last of them `forever`."""
        with self._lock:
            self._scripts[path] = list(replies)
            self._forever.pop(path, None)
            if forever:
                self._forever[path] = replies[-1]

    def script_catalog(self, *replies: Reply, forever: bool = False) -> None:
        """As `script`, for the catalog."""
        self.script(*replies, path=CATALOG_PATH, forever=forever)

    def reply_to(self, request: LoggedRequest) -> Reply:
        """Log a request and say what to answer."""
        with self._lock:
            self._requests.append(request)
            if self._log is not None:
                with self._log.open("a") as log:
                    log.write(json.dumps(asdict(request)) + "\n")
            path = request.path.partition("?")[0]
            if queue := self._scripts.get(path):
                return queue.pop(0)
            if path in self._forever:
                return self._forever[path]
        if (request.method, path) == ("POST", TICKETS_PATH):
            return self._tickets(request)
        if (request.method, path) == ("GET", CATALOG_PATH):
            return self._catalog(request)
        return Reply(status=404, body="nothing here")

    def _tickets(self, request: LoggedRequest) -> Reply:
        try:
            given = request.json
        except ValueError:
            return Reply(status=400, body={"message": "not JSON"})
        if given != self.credentials:
            return Reply(status=401, body={"response_code": 401, "message": "bad credentials"})
        return Reply(body={"response_code": 200, "data": {"requests": self.tickets}})

    def _catalog(self, request: LoggedRequest) -> Reply:
        etag = f'"{hashlib.sha256(self.catalog.encode()).hexdigest()[:12]}"'
        if request.headers.get("if-none-match") == etag:
            return Reply(status=304, headers={"etag": etag})
        return Reply(body=self.catalog, headers={"etag": etag, "content-type": "application/yaml"})


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, port: int, desk: HelpdeskServer) -> None:
        self.desk = desk
        super().__init__(("127.0.0.1", port), _Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Stay quiet when a client hangs up; it is what several tests make it do."""
        if not isinstance(sys.exc_info()[1], ConnectionError | ssl.SSLError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as inherited
        """Requests are kept in the log instead."""

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def _answer(self) -> None:
        length = int(self.headers.get("content-length") or 0)
        request = LoggedRequest(
            method=self.command,
            path=self.path,
            headers={name.lower(): value for name, value in self.headers.items()},
            body=self.rfile.read(length).decode(errors="replace"),
            at=time.time(),
        )
        reply = self.server.desk.reply_to(request)
        if reply.delay:
            self.server.desk.hurried.wait(reply.delay)
        if self.server.desk.stopping.is_set():
            reply = Reply(cut=True)
        if reply.cut:
            self.close_connection = True
            return
        self._send(reply)

    def _send(self, reply: Reply) -> None:
        content = reply.content
        self.send_response(reply.status)
        headers = {"content-type": "application/json", **reply.headers}
        for name, value in headers.items():
            self.send_header(name, value)
        if reply.status != 304:
            self.send_header("content-length", str(len(content)))
        self.end_headers()
        if reply.cut_after is not None:
            content = content[: reply.cut_after]
            self.close_connection = True
        if not reply.drip:
            self.wfile.write(content)
            return
        for byte in content:
            if self.server.desk.stopping.wait(reply.drip):
                return
            self.wfile.write(bytes([byte]))
            self.wfile.flush()


class HelpdeskProcess:
    """The same server as a process of its own; its log is a file."""

    def __init__(
        self,
        folder: Path,
        *,
        tickets: Sequence[object] = (),
        catalog: str = CATALOG,
        replies: Sequence[Mapping[str, object]] = (),
        catalog_replies: Sequence[Mapping[str, object]] = (),
    ) -> None:
        self._folder = folder
        self._log = folder / "requests.jsonl"
        self._tickets = list(tickets)
        self._catalog = catalog
        self._script = {"helpdesk": list(replies), "catalog": list(catalog_replies)}
        self._process: subprocess.Popen[str] | None = None
        self.url = ""
        self.catalog_url = ""

    def __enter__(self) -> Self:
        self._folder.mkdir(parents=True, exist_ok=True)
        contents = {
            "tickets.json": json.dumps(self._tickets),
            "catalog.yaml": self._catalog,
            "script.json": json.dumps(self._script),
        }
        for name, text in contents.items():
            (self._folder / name).write_text(text)
        command = [sys.executable, "-m", "support.helpdesk", "--log", str(self._log)]
        for name in contents:
            command += [f"--{name.partition('.')[0]}", str(self._folder / name)]
        self._process = subprocess.Popen(command, cwd=TESTS, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        ready = json.loads(self._process.stdout.readline())
        self.url, self.catalog_url = ready["url"], ready["catalog_url"]
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.communicate(timeout=60)

    @property
    def requests(self) -> list[LoggedRequest]:
        """What has been asked so far, oldest first."""
        lines = self._log.read_text().splitlines() if self._log.exists() else []
        return [LoggedRequest(**json.loads(line)) for line in lines]


@contextmanager
def refused_url() -> Iterator[str]:
    """An address where nobody listens, nor can until the end of the block."""
    with silent_port() as port:
        yield f"http://127.0.0.1:{port}{TICKETS_PATH}"


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve until terminated."""
    parser = argparse.ArgumentParser(description="A scripted helpdesk and catalog server.")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--log", type=Path)
    parser.add_argument("--tickets", type=Path)
    parser.add_argument("--catalog", type=Path)
    parser.add_argument("--script", type=Path)
    parser.add_argument("--key", default=API_KEY)
    parser.add_argument("--secret", default=API_SECRET)
    given = parser.parse_args(arguments)
    server = HelpdeskServer(
        tickets=json.loads(given.tickets.read_text()) if given.tickets else (),
        catalog=given.catalog.read_text() if given.catalog else CATALOG,
        api_key=given.key,
        api_secret=given.secret,
        port=given.port,
        log=given.log,
    )
    if given.script:
        script = json.loads(given.script.read_text())
        server.script(*(Reply(**reply) for reply in script.get("helpdesk", ())))
        server.script_catalog(*(Reply(**reply) for reply in script.get("catalog", ())))
    with server:
        print(json.dumps({"url": server.url, "catalog_url": server.catalog_url}), flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    main()
