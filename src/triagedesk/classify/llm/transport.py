"""Calls to a model over pydantic-ai, with every way they fail named. Slow to import.

Each call is one HTTP request: the provider SDKs' own retries are switched off, since the
classifier retries with the desk's delays and the two would multiply.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any

from pydantic_ai import exceptions as pai
from pydantic_ai.direct import model_request
from pydantic_ai.messages import ModelRequest, ModelResponse, TextPart, ToolCallPart
from pydantic_ai.models import Model, ModelRequestParameters
from pydantic_ai.output import OutputObjectDefinition
from pydantic_ai.settings import CacheConfig, ModelSettings
from pydantic_ai.tools import ToolDefinition

from triagedesk.classify import Usage
from triagedesk.classify.llm.calls import Arrived, Ask, CallFailed, Fault, Reply
from triagedesk.classify.llm.pace import Pace
from triagedesk.classify.llm.prompt import Prompt, same_for_every_batch
from triagedesk.classify.llm.providers import Provider, model_for

_NONSENSE = "the server's answer made no sense"
_FILTERED = "the provider's content filter stopped the answer"

#: pydantic-ai's errors by what can be done about them; the first that fits counts.
_FAULTS: tuple[tuple[tuple[type[Exception], ...], Fault, str], ...] = (
    ((pai.ModelAuthenticationError,), Fault.HOPELESS, "the API key was refused"),
    (
        (pai.ModelNotFoundError,),
        Fault.HOPELESS,
        "the server does not know the model, or the base URL is wrong",
    ),
    ((pai.ModelQuotaExceededError,), Fault.HOPELESS, "the account's quota is used up"),
    (
        (pai.ModelContextWindowExceededError,),
        Fault.TOO_MUCH,
        "the tickets did not fit into the model's context",
    ),
    ((pai.ModelRequestRejectedError,), Fault.TOO_MUCH, "the server did not accept the request"),
    ((pai.ContentFilterError,), Fault.TOO_MUCH, _FILTERED),
    ((pai.ModelRateLimitError,), Fault.TEMPORARY, "the server's rate limit was reached"),
    (
        (pai.ModelTimeoutError, pai.ModelRequestTimeout),
        Fault.TEMPORARY,
        "the server took too long to answer",
    ),
    ((pai.ModelConnectionError,), Fault.TEMPORARY, "no connection to the server"),
    ((pai.ModelAPIError,), Fault.TEMPORARY, "the server failed"),
    # UnexpectedModelBehavior: HTTP 200 with an answer that is not of the protocol at all.
    ((pai.AgentRunError,), Fault.TEMPORARY, _NONSENSE),
)

#: Rejections that asking in another form cannot mend.
_NOT_THE_FORM = (
    pai.ModelAuthenticationError,
    pai.ModelNotFoundError,
    pai.ModelContextWindowExceededError,
)


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
        pace: Pace,
    ) -> None:
        self._pace = pace
        self._model_name = model_name
        self._api_key = api_key
        self._base_url = base_url
        # `timeout` is per read, `request_timeout` the whole: a server that drips is cut off too.
        self._settings = ModelSettings(timeout=timeout, request_timeout=timeout, max_retries=0)
        if temperature is not None:
            self._settings["temperature"] = temperature
        if max_output_tokens is not None:
            self._settings["max_tokens"] = max_output_tokens
        #: How the answer's form is asked for, most binding first; a server may refuse some.
        self._modes: tuple[str, ...] = ("native", "tool", "text")
        self._mode_is_known = False

    @contextmanager
    def session(self, *, several: bool = False) -> Iterator[Ask]:
        """Connections for some calls, closed at the end whatever happens.

        With `several` calls to come, a provider that caches only on request is asked to keep the
        catalog between them; for one call that would cost more than it saves.
        """
        with asyncio.Runner() as runner:
            model = model_for(self._model_name, api_key=self._api_key, base_url=self._base_url)
            runner.run(_enter(model))
            try:
                yield lambda prompts, arrived: runner.run(
                    self._ask_all(model, prompts, arrived, several=several)
                )
            finally:
                runner.run(_leave(model))

    async def _ask_all(
        self, model: Model[Any], prompts: Sequence[Prompt], arrived: Arrived, *, several: bool
    ) -> list[Reply | CallFailed]:
        async def one(position: int, prompt: Prompt) -> Reply | CallFailed:
            reply = await self._ask(model, prompt, several=several)
            if isinstance(reply, Reply):
                arrived(position, reply)
            return reply

        return list(await asyncio.gather(*(one(i, prompt) for i, prompt in enumerate(prompts))))

    async def _ask(self, model: Model[Any], prompt: Prompt, *, several: bool) -> Reply | CallFailed:
        modes = self._modes
        if not model.profile.get("supports_json_schema_output", False):
            modes = tuple(mode for mode in modes if mode != "native")
        for mode in modes[:-1]:
            try:
                response = await self._request(model, prompt, mode, several=several)
            except pai.AgentRunError as error:
                if self._mode_is_known or not _may_be_the_form(error):
                    return describe(error)
            else:
                self._modes, self._mode_is_known = (mode,), True
                return read_response(response)
        try:
            response = await self._request(model, prompt, modes[-1], several=several)
        except pai.AgentRunError as error:
            return describe(error)
        self._modes, self._mode_is_known = modes[-1:], True
        return read_response(response)

    async def _request(
        self, model: Model[Any], prompt: Prompt, mode: str, *, several: bool
    ) -> ModelResponse:
        messages = [ModelRequest.user_text_prompt(prompt.user, instructions=prompt.instructions)]
        settings = _accepted(self._settings, model)
        schema = prompt.schema
        if several and model.system == Provider.ANTHROPIC:
            # Its cache holds as long as nothing before the tickets changes, the form included.
            settings["cache"] = CacheConfig(messages=False)
            schema = same_for_every_batch(schema)
        form = _parameters(schema, mode)
        if (wait := self._pace.reserve()) > 0:
            await asyncio.sleep(wait)
        try:
            return await model_request(
                model,
                messages,
                model_settings=settings,
                model_request_parameters=form,
            )
        except (LookupError, TypeError, ValueError) as error:
            # How pydantic-ai and the SDKs below it trip over some malformed answers, e.g. one
            # with an empty list of choices.
            raise pai.UnexpectedModelBehavior(_NONSENSE) from error


def describe(error: pai.AgentRunError) -> CallFailed:
    """Say what happened; a server's own words are never repeated, they may quote the request."""
    status = getattr(error, "status_code", None)
    retry_after = getattr(error, "retry_after", None)
    fault, reason = next(
        (fault, reason) for kinds, fault, reason in _FAULTS if isinstance(error, kinds)
    )
    if status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        fault, reason = Fault.TOO_MUCH, "the request was too large for the server"
    if getattr(error, "provider_error_code", None) == "content_filter":
        reason = _FILTERED
    return CallFailed(
        fault=fault,
        reason=f"{reason} (HTTP {status})" if status else reason,
        retry_after=retry_after,
    )


def read_response(response: ModelResponse) -> Reply | CallFailed:
    """The text of a response, wherever the model put it."""
    usage = Usage(
        calls=1,
        input_tokens=response.usage.input_tokens,
        output_tokens=response.usage.output_tokens,
    )
    if response.finish_reason == "content_filter":
        return CallFailed(fault=Fault.TOO_MUCH, reason=_FILTERED, usage=usage)
    for part in response.parts:
        if isinstance(part, ToolCallPart):
            text = part.args if isinstance(part.args, str) else part.args_as_json_str()
            break
    else:
        text = "".join(part.content for part in response.parts if isinstance(part, TextPart))
    return Reply(text=text, truncated=response.finish_reason == "length", usage=usage)


def _accepted(settings: ModelSettings, model: Model[Any]) -> ModelSettings:
    """The settings the model takes: one that reasons by itself has no temperature to set."""
    accepted = settings.copy()
    profile = model.profile
    reasons = profile.get("openai_supports_reasoning", False) and (
        profile.get("thinking_enabled_by_default", False)
        or not profile.get("openai_supports_reasoning_effort_none", False)
    )
    if reasons or profile.get("anthropic_disallows_sampling_settings", False):
        accepted.pop("temperature", None)
    return accepted


def _parameters(schema: Mapping[str, Any], mode: str) -> ModelRequestParameters:
    form = dict(schema)
    if mode == "native":
        answers = OutputObjectDefinition(json_schema=form, name="answers", strict=True)
        return ModelRequestParameters(output_mode="native", output_object=answers)
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


def _may_be_the_form(error: pai.AgentRunError) -> bool:
    """Whether this is an HTTP 400 or 422 that another form of the request could mend."""
    return (
        isinstance(error, pai.ModelRequestRejectedError)
        and not isinstance(error, _NOT_THE_FORM)
        and error.provider_error_code != "content_filter"
    )


async def _enter(model: Model[Any]) -> None:
    await model.__aenter__()


async def _leave(model: Model[Any]) -> None:
    await model.__aexit__(None, None, None)
