"""A real HTTP server that speaks OpenAI's chat completions, and fails as it is told.

In a test:

    with LlmServer() as llm:
        llm.script("status:429:1", "ok")     # one step per request; then it answers sensibly
        LlmClassifier("some-model", base_url=llm.url, api_key="k") ...
        assert len(llm.requests) == 2

In a subprocess (e2e): `with LlmServer.process(log=path, script=["prose"]) as url: ...`, or by hand
`PYTHONPATH=tests python -m support.llm_server --log FILE [--port N] [--key KEY] [STEP ...]`, which
prints the URL as its first line and appends each request to the log as a line of JSON. It also
answers Gemini's `:generateContent` and Anthropic's `/v1/messages`, both at `.root_url`; the latter
also as a stream where the request asks for one.

Steps, arguments after colons:
    ok                  answer by comparing the words of ticket and catalog
    label:L03           answer this label for every ticket, "certain"
    label:L03:unsure    the same with another confidence word
    status:429:2        that HTTP status, with Retry-After when a third part is given
    quota               429 insufficient_quota, as OpenAI sends it; Anthropic's 400 for no credit
    context             400 context_length_exceeded; Anthropic's "prompt is too long"
    filter              a reply stopped by the content filter
    slow:5              a sensible answer after so many seconds
    drip:5              the same, a byte every now and then for so many seconds
    truncate:1          cut off after so many complete answers, finish_reason `length`
    prose               a friendly sentence instead of JSON
    fenced              the right JSON inside prose and a code fence
    broken              JSON with a syntax error
    shape               valid JSON of another form
    unknown             labels that do not exist
    missing:1           so many tickets left out (the last ones)
    repeat              every ticket twice, with different labels
    foreign             the right answers, and more for ids nobody asked about
    shuffle             the right answers in reverse order
    html                HTTP 200 with a web page
    garbage             HTTP 200 application/json that is no JSON
    empty               HTTP 200 with no choices
    drop                the connection is reset before an answer
    midway:529          Anthropic only: HTTP 200 and that error inside the stream; 0 ends it early
    thinks              Anthropic only: a sensible answer after a block of thoughts
    noschema            400 when the request carries a schema for its reply, else ok
    noforms             400 when the request carries such a schema or tools, else ok
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from support import llm_anthropic
from support.llm_answers import (
    Json,
    LoggedRequest,
    answer,
    envelope,
    error_body,
    sensible,
    write_reply,
)

__all__ = ["LlmServer", "LoggedRequest", "answer", "sensible"]


class LlmServer:
    """The server, on a free port of the loopback interface, until the `with` block ends."""

    def __init__(self, *, key: str = "", port: int = 0, log: Path | None = None) -> None:
        #: With a key set, any other is refused with 401.
        self.key = key
        self.requests: list[LoggedRequest] = []
        #: Replaces the sensible answer: (request) -> answer objects.
        self.answer: Callable[[LoggedRequest], list[Json]] = sensible
        self._steps: deque[str] = deque()
        self._log = log
        self._lock = threading.Lock()
        self._hurried = threading.Event()
        self._server = _Server(("127.0.0.1", port), self)
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        )

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/v1"

    @property
    def root_url(self) -> str:
        return self.url.removesuffix("/v1")

    def script(self, *steps: str) -> None:
        """What to do with the next requests, one step each."""
        with self._lock:
            self._steps.extend(steps)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.hurry()
        self._server.shutdown()
        self._server.server_close()
        self._server.close_connections()
        self._thread.join()

    @staticmethod
    @contextmanager
    def process(*, log: Path, script: Sequence[str] = (), key: str = "") -> Iterator[str]:
        """The same as a process of its own; yields its URL."""
        command = [sys.executable, "-m", __name__, "--log", str(log), "--key", key, *script]
        environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])}
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, text=True, env=environment
        ) as process:
            assert process.stdout is not None
            try:
                yield process.stdout.readline().strip()
            finally:
                process.terminate()

    def take(self, path: str, headers: dict[str, str], body: Json) -> LoggedRequest:
        """Log a request and decide its step."""
        with self._lock:
            step = self._steps.popleft() if self._steps else "ok"
            request = LoggedRequest(
                path=path, headers=headers, body=body, at=time.monotonic(), step=step
            )
            self.requests.append(request)
            if self._log is not None:
                line = {"path": path, "headers": headers, "body": body, "step": step}
                with self._log.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(line, ensure_ascii=False) + "\n")
        return request

    def wait(self, seconds: float) -> None:
        """Sleep, but not past the end of the server."""
        self._hurried.wait(seconds)

    def hurry(self) -> None:
        """Give the answers that are being held back, and hold none back from now on."""
        self._hurried.set()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, address: tuple[str, int], llm: LlmServer) -> None:
        self.llm = llm
        self._open: set[socket.socket] = set()
        super().__init__(address, _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def close_connections(self) -> None:
        for connection in list(self._open):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that hang up are part of the tests."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_POST(self) -> None:
        llm = self.server.llm
        raw = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = llm.take(self.path, headers, json.loads(raw))
        name, *arguments = request.step.split(":")
        sent_key = headers.get("authorization", "").removeprefix("Bearer ")
        sent_key = sent_key or headers.get("x-goog-api-key", "") or headers.get("x-api-key", "")
        path = self.path.split("?")[0]
        if not path.endswith(("/chat/completions", ":generateContent")) and path != "/v1/messages":
            self._refuse(request, 404, "no such path")
        elif llm.key and sent_key != llm.key:
            self._refuse(request, 401, f"Incorrect API key provided: {sent_key}")
        elif name in _WHOLE:
            _WHOLE[name](self, request, *arguments)
        else:
            self._answer(request, name, *arguments)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Say nothing; the log is `requests`."""

    def _send(self, status: int, body: Json | bytes, **more: str) -> None:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        for name, value in ({"Content_Type": "application/json"} | more).items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(data)

    def _refuse(
        self, request: LoggedRequest, status: int, text: str, code: str | None = None, **more: str
    ) -> None:
        """An error in the protocol of the request."""
        anthropic = request.is_anthropic
        body = llm_anthropic.error(status, text) if anthropic else error_body(text, code=code)
        self._send(status, body, **more)

    def _send_whole(self, request: LoggedRequest, whole: Json) -> None:
        data, kind = self._encoded(request, whole)
        self._send(200, data, Content_Type=kind)

    def _encoded(self, request: LoggedRequest, whole: Json) -> tuple[bytes, str]:
        """An answer as bytes, and their content type."""
        if request.is_anthropic and request.body.get("stream"):
            return llm_anthropic.stream(whole), "text/event-stream"
        return json.dumps(whole).encode(), "application/json"

    def _answer(self, request: LoggedRequest, name: str = "ok", *arguments: str) -> None:
        self._send_whole(request, self._envelope(request, name, *arguments))

    def _envelope(self, request: LoggedRequest, name: str = "ok", *arguments: str) -> Json:
        answers = self.server.llm.answer(request)
        return envelope(request, *write_reply(request, answers, name, arguments))

    # What replaces the whole HTTP answer.

    def status(self, request: LoggedRequest, code: str, retry_after: str = "") -> None:
        more = {"Retry_After": retry_after} if retry_after else {}
        self._refuse(request, int(code), f"scripted {code}", **more)

    def quota(self, request: LoggedRequest) -> None:
        if request.is_anthropic:
            self._refuse(request, 400, "Your credit balance is too low to access the API.")
        else:
            self._refuse(request, 429, "You exceeded your current quota", "insufficient_quota")

    def context(self, request: LoggedRequest) -> None:
        text = "prompt is too long: 210000 tokens > 200000 maximum"
        self._refuse(request, 400, text, "context_length_exceeded")

    def midway(self, request: LoggedRequest, status: str) -> None:
        data = llm_anthropic.broken_stream(self._envelope(request), int(status))
        self._send(200, data, Content_Type="text/event-stream")

    def thinks(self, request: LoggedRequest) -> None:
        self._send_whole(request, llm_anthropic.with_thoughts(self._envelope(request)))

    def html(self, _request: LoggedRequest) -> None:
        self._send(200, b"<html><body>Welcome to our proxy</body></html>", Content_Type="text/html")

    def garbage(self, _request: LoggedRequest) -> None:
        self._send(200, b'{"choices": [')

    def empty(self, request: LoggedRequest) -> None:
        nothing: Json = {} if request.is_anthropic else {"choices": []}
        self._send_whole(request, envelope(request, "", "stop") | nothing)

    def drop(self, _request: LoggedRequest) -> None:
        # Linger 0: closing sends a reset instead of a polite end.
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.close_connection = True

    def slow(self, request: LoggedRequest, seconds: str) -> None:
        self.server.llm.wait(float(seconds))
        self._answer(request)

    def drip(self, request: LoggedRequest, seconds: str) -> None:
        data, kind = self._encoded(request, self._envelope(request))
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        # A byte every tenth of a second: no single read ever takes long.
        pieces = min(len(data), int(float(seconds) * 10))
        for position in range(pieces):
            self.wfile.write(data[position : position + 1])
            self.wfile.flush()
            self.server.llm.wait(0.1)
        self.wfile.write(data[pieces:])

    def noschema(self, request: LoggedRequest) -> None:
        if {"response_format", "output_config"} & set(request.body):
            self._refuse(request, 400, "a schema for the reply is not supported")
        else:
            self._answer(request)

    def noforms(self, request: LoggedRequest) -> None:
        if "tools" in request.body:
            self._refuse(request, 422, "tools are not supported")
        else:
            self.noschema(request)


_STEPS = "status quota context html garbage empty drop slow drip midway thinks noschema noforms"

_WHOLE: dict[str, Callable[..., None]] = {name: getattr(_Handler, name) for name in _STEPS.split()}


def main() -> None:
    """Serve until told to stop."""
    parser = argparse.ArgumentParser(description="A scripted OpenAI-compatible server.")
    parser.add_argument("--log", type=Path, required=True)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--key", default="")
    parser.add_argument("steps", nargs="*")
    options = parser.parse_args()
    done = threading.Event()
    for stop in (signal.SIGTERM, signal.SIGINT):
        signal.signal(stop, lambda *_: done.set())
    with LlmServer(key=options.key, port=options.port, log=options.log) as llm:
        llm.script(*options.steps)
        print(llm.url, flush=True)
        done.wait()


if __name__ == "__main__":
    main()
