"""What the scripted model server reads out of a request and writes into a reply."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from support import llm_anthropic

Json = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class LoggedRequest:
    """A request as it came in, and when."""

    path: str
    headers: dict[str, str]
    body: Json
    #: Seconds on the monotonic clock.
    at: float
    step: str

    @property
    def system(self) -> str:
        if self.is_anthropic:
            return llm_anthropic.system(self.body)
        return _message(self.body, "system")

    @property
    def user(self) -> str:
        return _message(self.body, "user")

    @property
    def tickets(self) -> list[Json]:
        """The tickets between the delimiters, each with the id made for this call."""
        inside = self.user.split("<tickets>\n", 1)[1].rsplit("\n</tickets>", 1)[0]
        return [json.loads(line) for line in inside.split("\n")]

    @property
    def is_gemini(self) -> bool:
        return "contents" in self.body

    @property
    def is_anthropic(self) -> bool:
        return self.path.split("?")[0].endswith("/messages")

    @property
    def schema(self) -> Json | None:
        return llm_anthropic.schema(self.body) if self.is_anthropic else _schema(self.body)


def envelope(request: LoggedRequest, text: str, finish: str) -> Json:
    """A whole answer in the protocol of the request."""
    if request.is_anthropic:
        return llm_anthropic.message(request.body, text, finish)
    return (_gemini if request.is_gemini else _completion)(request, text, finish)


def _gemini(request: LoggedRequest, text: str, finish: str) -> Json:
    reason = {"stop": "STOP", "length": "MAX_TOKENS", "content_filter": "SAFETY"}[finish]
    tokens = {"promptTokenCount": len(json.dumps(request.body)) // 4}
    return {
        "candidates": [
            {"content": {"role": "model", "parts": [{"text": text}]}, "finishReason": reason}
        ],
        "usageMetadata": tokens | {"candidatesTokenCount": len(text) // 4},
        "modelVersion": "scripted",
    }


def _completion(request: LoggedRequest, text: str, finish: str) -> Json:
    """A chat completion holding `text`, as a tool call where the request offers a tool."""
    message: Json = {"role": "assistant", "content": text}
    if (tools := request.body.get("tools")) and text.startswith("{"):
        function = {"name": tools[0]["function"]["name"], "arguments": text}
        call = {"id": "call_1", "type": "function", "function": function}
        message = {"role": "assistant", "content": None, "tool_calls": [call]}
        finish = "tool_calls" if finish == "stop" else finish
    prompt_tokens, completion_tokens = len(json.dumps(request.body)) // 4, len(text) // 4
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1_750_000_000,
        "model": request.body["model"],
        "choices": [{"index": 0, "message": message, "finish_reason": finish}],
        "usage": {
            "prompt_tokens": prompt_tokens,
            "completion_tokens": completion_tokens,
            "total_tokens": prompt_tokens + completion_tokens,
        },
    }


def sensible(request: LoggedRequest) -> list[Json]:
    """An answer per ticket: the catalog entry that shares the most words with it."""
    catalog = [json.loads(line) for line in request.system.splitlines() if line[:1] == "{"]
    answers = []
    for ticket in request.tickets:
        text = f"{ticket.get('subject', '')} {ticket.get('body', '')}"
        words = _words(text)
        allowed = [e for e in catalog if e["label"] in ticket.get("labels", [e["label"]])]
        shared = {e["label"]: sorted(words & _words(json.dumps(e))) for e in allowed}
        best = max(shared, key=lambda label: len(shared[label]))
        confidence = ("unsure", "likely", "certain")[min(2, len(shared[best]))]
        answers.append(answer(ticket["ticket"], best, confidence, shared[best][:3]))
    return answers


def answer(
    ticket: str, label: str, confidence: str = "certain", evidence: Sequence[str] = ()
) -> Json:
    """One answer object."""
    return {
        "ticket": ticket,
        "label": label,
        "confidence": confidence,
        "evidence": list(evidence),
        "impact": "unstated",
        "urgency": "unstated",
    }


def write_reply(
    request: LoggedRequest, answers: list[Json], name: str, arguments: Sequence[str]
) -> tuple[str, str]:
    """The text of a reply and its finish reason, given the right answers and a step."""
    if change := _CHANGES.get(name):
        answers = change(answers, _other_label(request), arguments)
    if write := _TEXTS.get(name):
        return write(answers, arguments)
    if name != "ok" and name not in _CHANGES:
        raise ValueError(f"no such step: {request.step}")
    return _text(answers), "stop"


def _text(answers: list[Json]) -> str:
    return json.dumps({"answers": answers}, ensure_ascii=False)


def _cut(answers: list[Json], arguments: Sequence[str]) -> tuple[str, str]:
    whole = _text(answers[: int(arguments[0]) + 1])
    return whole[: whole.rfind('"label"') + 11], "length"


def _fence(answers: list[Json], _arguments: Sequence[str]) -> tuple[str, str]:
    return f"Sure:\n```json\n{_text(answers)}\n```\nAnything else?", "stop"


def _other_shape(answers: list[Json], _arguments: Sequence[str]) -> tuple[str, str]:
    return json.dumps({"result": {a["ticket"]: a["label"] for a in answers}}), "stop"


#: Steps that write something else than the answers as they are.
_TEXTS: dict[str, Callable[[list[Json], Sequence[str]], tuple[str, str]]] = {
    "filter": lambda _answers, _arguments: ("", "content_filter"),
    "prose": lambda _answers, _arguments: ("Of course! I have sorted all your tickets.", "stop"),
    "fenced": _fence,
    "broken": lambda answers, _arguments: (_text(answers)[:-3] + "'}]}", "stop"),
    "shape": _other_shape,
    "truncate": _cut,
}

#: Steps that change the answers, given another label and the step's arguments.
_CHANGES: dict[str, Callable[[list[Json], str, Sequence[str]], list[Json]]] = {
    "label": lambda answers, _other, words: [answer(a["ticket"], *words) for a in answers],
    "unknown": lambda answers, _other, _words: [a | {"label": "L999"} for a in answers],
    "missing": lambda answers, _other, words: answers[: len(answers) - int(words[0])],
    "repeat": lambda answers, other, _words: [
        a | more for a in answers for more in ({}, {"label": other})
    ],
    "foreign": lambda answers, other, _words: [
        *answers,
        *(answer(ticket, other) for ticket in ("T00000", "1", "")),
    ],
    "shuffle": lambda answers, _other, _words: answers[::-1],
}


def _other_label(request: LoggedRequest) -> str:
    """Some label of the schema's closed list."""
    found = re.search(r"\bL\d+\b", json.dumps(request.schema or {}))
    return found[0] if found else "L01"


def _schema(body: Json) -> Json | None:
    if form := body.get("response_format", {}).get("json_schema"):
        return dict(form["schema"])
    if tools := body.get("tools"):
        return dict(tools[0]["function"]["parameters"])
    form = body.get("generationConfig", {}).get("responseJsonSchema")
    return dict(form) if form else None


def _message(body: Json, role: str) -> str:
    """The text of all messages of a role, in OpenAI's or Gemini's protocol."""
    if "contents" in body:
        found = [body["systemInstruction"]] if role == "system" else body["contents"]
        return "".join(part["text"] for message in found for part in message["parts"])
    texts = [m["content"] for m in body["messages"] if m["role"] == role]
    return "\n".join(
        text if isinstance(text, str) else "".join(part["text"] for part in text) for text in texts
    )


def _words(text: str) -> set[str]:
    return set(re.findall(r"[^\W\d_]{3,}", text.casefold()))


def error_body(message: str, *, code: str | None = None) -> Json:
    return {"error": {"message": message, "type": "scripted", "param": None, "code": code}}
