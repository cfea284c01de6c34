"""Anthropic's `POST /v1/messages`, as the scripted model server speaks it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

Json = dict[str, Any]

#: The server's finish reasons in Anthropic's words.
_STOP_REASONS = {"stop": "end_turn", "length": "max_tokens", "content_filter": "refusal"}

#: `error.type` by HTTP status; others are `api_error`.
_ERROR_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}


def message(body: Json, text: str, finish: str) -> Json:
    """A whole answer to a request body, as a tool's input where the request offers a tool."""
    content: list[Json] = [{"type": "text", "text": text}] if text else []
    reason = _STOP_REASONS[finish]
    tools = body.get("tools")
    if tools and (given := _tool_input(text, finish)) is not None:
        content = [{"type": "tool_use", "id": "toolu_1", "name": tools[0]["name"], "input": given}]
        reason = "tool_use" if finish == "stop" else reason
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": body["model"],
        "content": content,
        "stop_reason": reason,
        "stop_sequence": None,
        "usage": {"input_tokens": len(json.dumps(body)) // 4, "output_tokens": len(text) // 4},
    }


def stream(whole: Json) -> bytes:
    """The same answer as server-sent events, for a request with `"stream": true`."""
    return b"".join(_event(event) for event in _events(whole))


def error(status: int, text: str) -> Json:
    """An error's body."""
    kind = _ERROR_TYPES.get(status, "api_error")
    return {"type": "error", "error": {"type": kind, "message": text}, "request_id": "req_1"}


def broken_stream(whole: Json, status: int) -> bytes:
    """A stream that began well, HTTP 200, and ends in an error; in nothing at status 0."""
    begun = b"".join(_event(event) for event in list(_events(whole))[:3])
    return begun + _event(error(status, f"scripted {status}")) if status else begun


def with_thoughts(whole: Json) -> Json:
    """The same answer, after the model has thought aloud."""
    thought = {"type": "thinking", "thinking": '{"answers": [] would be', "signature": "c2ln"}
    return whole | {"content": [thought, *whole["content"]]}


def system(body: Json) -> str:
    """The system prompt, which is no message here."""
    return "".join(block["text"] for block in body["system"])


def schema(body: Json) -> Json | None:
    """The form the answer must have: by output format, else by tool."""
    if form := body.get("output_config", {}).get("format"):
        return dict(form["schema"])
    tools = body.get("tools")
    return dict(tools[0]["input_schema"]) if tools else None


def _tool_input(text: str, finish: str) -> Json | None:
    """The reply as a tool's input, which is always an object; None when it is none."""
    if finish == "length":
        # Of an input that was cut off, Anthropic sends the members before the cut; here, none.
        return {}
    try:
        value = json.loads(text)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _events(whole: Json) -> Iterator[Json]:
    usage = whole["usage"]
    started = {"content": [], "stop_reason": None, "usage": usage | {"output_tokens": 1}}
    yield {"type": "message_start", "message": whole | started}
    for index, block in enumerate(whole["content"]):
        empty, deltas = _pieces(block)
        at = {"index": index}
        yield {"type": "content_block_start", "content_block": block | empty} | at
        yield from ({"type": "content_block_delta", "delta": delta} | at for delta in deltas)
        yield {"type": "content_block_stop"} | at
    ended = {"stop_reason": whole["stop_reason"], "stop_sequence": None}
    tokens = {"output_tokens": usage["output_tokens"]}
    yield {"type": "message_delta", "delta": ended, "usage": tokens}
    yield {"type": "message_stop"}


def _pieces(block: Json) -> tuple[Json, list[Json]]:
    """What a block starts as, and the deltas that fill it, as small as a real stream's."""
    kind = block["type"]
    if kind == "tool_use":
        text, name, delta = (
            json.dumps(block["input"], ensure_ascii=False),
            "partial_json",
            "input_json",
        )
        empty: Json = {"input": {}}
    else:
        text, name, delta = block[kind], kind, kind
        empty = {kind: ""}
    starts = range(0, len(text), 50)
    deltas = [{"type": f"{delta}_delta", name: text[at : at + 50]} for at in starts]
    if kind == "thinking":
        deltas.append({"type": "signature_delta", "signature": block["signature"]})
    return empty, deltas


def _event(event: Json) -> bytes:
    return f"event: {event['type']}\ndata: {json.dumps(event, ensure_ascii=False)}\n\n".encode()
