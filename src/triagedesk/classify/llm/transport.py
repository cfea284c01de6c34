"""Calls to a model over pydantic-ai, with every way they fail named.

Each call is one HTTP request: the provider SDKs' own retries are switched off, since the
classifier retries with the desk's delays and they would multiply.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from triagedesk.classify import Usage
from triagedesk.classify.llm.prompt import Prompt
from triagedesk.classify.llm.providers import model_for

if TYPE_CHECKING:
    from pydantic_ai.exceptions import AgentRunError
    from pydantic_ai.messages import ModelResponse
    from pydantic_ai.models import Model, ModelRequestParameters


class Fault(StrEnum):
    """What to do about a call that failed."""

    #: Ask the same again later.
    TEMPORARY = "temporary"
    #: Ask for less at once: too long, filtered, or not accepted.
    TOO_MUCH = "too much"
    #: No call can succeed: credentials, model name, quota.
    HOPELESS = "hopeless"


@dataclass(frozen=True, kw_only=True)
class Reply:
    """What the model wrote, and what it cost."""

    text: str
    #: True when it was cut off at the model's output limit.
    truncated: bool
    usage: Usage


@dataclass(frozen=True, kw_only=True)
class CallFailed:
    """Why a call has no reply, in words that hold neither key nor ticket text."""

    fault: Fault
    reason: str
    #: Seconds the server asked to wait; None when it did not say.
    retry_after: float | None = None
    #: What it cost all the same, e.g. where the reply was filtered.
    usage: Usage = Usage()


Ask = Callable[[Sequence[Prompt]], list[Reply | CallFailed]]


class Caller:
    """Calls one model. Safe to share between threads: each session has its own connections."""

    def __init__(
        self,
        model_name: str,
        *,
        api_key: str,
        base_url: str,
        temperature: float | None,
        timeout: float,
        max_output_tokens: int | None,
    ) -> None:
        self._model_name = model_name
        self._api_key = api_key
        self._base_url = base_url
        self._settings: dict[str, Any] = {
            "timeout": timeout,
            "request_timeout": timeout,
            "max_retries": 0,
        }
        if temperature is not None:
            self._settings["temperature"] = temperature
        if max_output_tokens is not None:
            self._settings["max_tokens"] = max_output_tokens
        #: How the answer's form is asked for, most binding first; what a server refuses is dropped.
        self._modes = ["native", "tool", "text"]
        self._mode_works = False

    @contextmanager
    def session(self) -> Iterator[Ask]:
        """Connections for some calls; `Ask` sends its prompts at once and waits for all of them."""
        # These two log whole requests at DEBUG, with the tickets in them.
        for chatty in ("openai", "anthropic", "google_genai"):
            logging.getLogger(chatty).setLevel(logging.INFO)
        with asyncio.Runner() as runner:
            model = model_for(self._model_name, api_key=self._api_key, base_url=self._base_url)
            runner.run(_enter(model))
            try:
                yield lambda prompts: runner.run(self._ask_all(model, prompts))
            finally:
                runner.run(_leave(model))

    async def _ask_all(
        self, model: Model[Any], prompts: Sequence[Prompt]
    ) -> list[Reply | CallFailed]:
        return list(await asyncio.gather(*(self._ask(model, prompt) for prompt in prompts)))

    async def _ask(self, model: Model[Any], prompt: Prompt) -> Reply | CallFailed:
        from pydantic_ai.exceptions import AgentRunError

        for mode in tuple(self._modes):
            if mode == "native" and not model.profile.get("supports_json_schema_output", False):
                continue
            try:
                response = await self._request(model, prompt, mode)
            except AgentRunError as error:
                if self._another_form_may_help(error, mode):
                    continue
                return describe(error, self._model_name, self._settings["timeout"])
            self._modes, self._mode_works = [mode], True
            return _reply(response)
        raise AssertionError("the last mode always returns")

    async def _request(self, model: Model[Any], prompt: Prompt, mode: str) -> ModelResponse:
        from pydantic_ai.direct import model_request
        from pydantic_ai.messages import ModelRequest
        from pydantic_ai.settings import ModelSettings

        return await model_request(
            model,
            [ModelRequest.user_text_prompt(prompt.user, instructions=prompt.instructions)],
            model_settings=ModelSettings(**self._settings),
            model_request_parameters=_parameters(prompt.schema, mode),
        )

    def _another_form_may_help(self, error: AgentRunError, mode: str) -> bool:
        """Whether a server that has accepted nothing yet refused the request's form."""
        return _is_plain_rejection(error) and not self._mode_works and mode != self._modes[-1]


def describe(error: AgentRunError, model_name: str, timeout: float) -> CallFailed:
    """Sort pydantic-ai's errors by what can be done; a server's own words are never repeated."""
    from pydantic_ai import exceptions as pai

    status = getattr(error, "status_code", None)
    suffix = f" (HTTP {status})" if status else ""
    retry_after = getattr(error, "retry_after", None)

    def failed(fault: Fault, reason: str) -> CallFailed:
        return CallFailed(fault=fault, reason=reason + suffix, retry_after=retry_after)

    match error:
        case pai.ModelAuthenticationError():
            return failed(Fault.HOPELESS, "the API key was refused")
        case pai.ModelNotFoundError():
            return failed(Fault.HOPELESS, f"the server does not know the model {model_name!r}")
        case pai.ModelQuotaExceededError():
            return failed(Fault.HOPELESS, "the account's quota is used up")
        case pai.ModelContextWindowExceededError():
            return failed(Fault.TOO_MUCH, "the tickets did not fit into the model's context")
        case pai.ModelRequestRejectedError():
            return failed(Fault.TOO_MUCH, "the server did not accept the request")
        case pai.ModelRateLimitError():
            return failed(Fault.TEMPORARY, "the server's rate limit was reached")
        case pai.ModelTimeoutError() | pai.ModelRequestTimeout():
            return failed(Fault.TEMPORARY, f"no answer within {timeout:g} s")
        case pai.ModelConnectionError():
            return failed(Fault.TEMPORARY, "no connection to the server")
        case pai.ModelAPIError():
            return failed(Fault.TEMPORARY, "the server failed")
        case pai.ContentFilterError():
            return failed(Fault.TOO_MUCH, "the provider's content filter stopped the answer")
        case _:
            # UnexpectedModelBehavior: an answer that is not of the protocol at all.
            return failed(Fault.TEMPORARY, "the server's answer was not of the expected protocol")


def _reply(response: ModelResponse) -> Reply | CallFailed:
    from pydantic_ai.messages import TextPart, ToolCallPart

    usage = Usage(
        calls=1,
        input_tokens=response.usage.input_tokens,
        output_tokens=response.usage.output_tokens,
    )
    if response.finish_reason == "content_filter":
        reason = "the provider's content filter stopped the answer"
        return CallFailed(fault=Fault.TOO_MUCH, reason=reason, usage=usage)
    calls = [part for part in response.parts if isinstance(part, ToolCallPart)]
    texts = [part.content for part in response.parts if isinstance(part, TextPart)]
    return Reply(
        text=_arguments(calls[0]) if calls else "".join(texts),
        truncated=response.finish_reason == "length",
        usage=usage,
    )


def _arguments(call: Any) -> str:
    return call.args if isinstance(call.args, str) else str(call.args_as_json_str())


def _parameters(schema: Mapping[str, Any], mode: str) -> ModelRequestParameters:
    from pydantic_ai.models import ModelRequestParameters
    from pydantic_ai.output import OutputObjectDefinition
    from pydantic_ai.tools import ToolDefinition

    form = dict(schema)
    if mode == "native":
        answer = OutputObjectDefinition(json_schema=form, name="answers", strict=True)
        return ModelRequestParameters(output_mode="native", output_object=answer)
    if mode == "tool":
        tool = ToolDefinition(
            name="answer",
            description="Give the answers for all tickets.",
            parameters_json_schema=form,
            kind="output",
        )
        return ModelRequestParameters(
            output_mode="tool", output_tools=[tool], allow_text_output=False
        )
    return ModelRequestParameters(output_mode="text")


def _is_plain_rejection(error: AgentRunError) -> bool:
    """HTTP 400 or 422 without a reason that another form of the request could not mend."""
    from pydantic_ai import exceptions as pai

    known = (
        pai.ModelAuthenticationError,
        pai.ModelNotFoundError,
        pai.ModelContextWindowExceededError,
    )
    return (
        isinstance(error, pai.ModelRequestRejectedError)
        and not isinstance(error, known)
        and error.provider_error_code != "content_filter"
    )


async def _enter(model: Model[Any]) -> None:
    await model.__aenter__()


async def _leave(model: Model[Any]) -> None:
    await model.__aexit__(None, None, None)
