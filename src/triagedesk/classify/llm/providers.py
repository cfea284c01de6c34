"""Which provider a model name means, and the pydantic-ai model for it."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from enum import StrEnum
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from triagedesk.errors import Problem, SettingsError

if TYPE_CHECKING:
    from pydantic_ai.models import Model


class Provider(StrEnum):
    """Whose protocol is spoken."""

    OPENAI = "openai"
    GOOGLE = "google"
    ANTHROPIC = "anthropic"
    #: Any server that speaks OpenAI's chat completions (Ollama, vLLM, llama.cpp, a gateway …).
    COMPATIBLE = "openai-compatible"


#: Prefixes of `provider:model`. Anything else before a colon belongs to the model's own name,
#: as in `qwen2.5:7b`.
_PREFIXES = {
    "openai": Provider.OPENAI,
    "google": Provider.GOOGLE,
    "google-gla": Provider.GOOGLE,
    "gemini": Provider.GOOGLE,
    "anthropic": Provider.ANTHROPIC,
}

_FAMILIES = (
    (re.compile(r"(gemini|gemma)-", re.IGNORECASE), Provider.GOOGLE),
    (re.compile(r"claude-", re.IGNORECASE), Provider.ANTHROPIC),
    (re.compile(r"(gpt-|chatgpt-|o\d)", re.IGNORECASE), Provider.OPENAI),
)


@dataclass(frozen=True, kw_only=True)
class ModelChoice:
    """A provider and the name the model has there."""

    provider: Provider
    name: str


def choose_provider(model_name: str, base_url: str = "") -> ModelChoice:
    """Read a model name: `provider:model`, else a compatible server, else a known family.

    Raises SettingsError when the name says nothing and there is no `base_url`.
    """
    name = model_name.strip()
    head, colon, tail = name.partition(":")
    if colon and tail and (prefixed := _PREFIXES.get(head.lower())):
        if prefixed is Provider.OPENAI and base_url:
            prefixed = Provider.COMPATIBLE
        return ModelChoice(provider=prefixed, name=tail)
    if base_url and name:
        return ModelChoice(provider=Provider.COMPATIBLE, name=name)
    # Other tools write `gemini/gemini-2.5-flash`; a server's own names may hold a slash as well,
    # so it is read only where no server is named.
    head, slash, tail = name.partition("/")
    if slash and tail and (prefixed := _PREFIXES.get(head.lower())):
        return ModelChoice(provider=prefixed, name=tail)
    for family, provider in _FAMILIES:
        if family.match(name):
            return ModelChoice(provider=provider, name=name)
    raise _refuse(
        "LLM_MODEL_NAME",
        f"{name!r} does not say whose model it is",
        "write provider:model (openai:, google:, anthropic:), "
        "or set LLM_BASE_URL to an OpenAI-compatible server",
    )


def check_model(model_name: str, *, api_key: str, base_url: str = "") -> ModelChoice:
    """Choose the provider and refuse what cannot work, without importing any of them."""
    choice = choose_provider(model_name, base_url)
    if not api_key and not base_url:
        raise _refuse(
            "LLM_API_KEY", f"empty, and {choice.provider} needs one", "set it, or unset the model"
        )
    if choice.provider is Provider.ANTHROPIC and find_spec("anthropic") is None:
        raise _no_anthropic(model_name)
    return choice


def model_for(model_name: str, *, api_key: str, base_url: str = "") -> Model[Any]:
    """The pydantic-ai model of that name; importing its provider takes about a second.

    Keys and addresses come from the arguments only, never from a provider's own environment
    variables: what another program left there sends no key to somebody else's server. (Only
    ANTHROPIC_CUSTOM_HEADERS is beyond reach: the SDK adds them to every request.) Raises
    SettingsError when the provider's package is not one that pydantic-ai can use.
    """
    choice = check_model(model_name, api_key=api_key, base_url=base_url)
    make = {
        Provider.COMPATIBLE: _compatible,
        Provider.OPENAI: _openai,
        Provider.GOOGLE: _google,
        Provider.ANTHROPIC: _anthropic,
    }[choice.provider]
    return make(choice.name, api_key or "not-set", base_url or None)


# ruff: noqa: PLC0415 - each provider's SDK is slow to import and only one is ever used

#: Named where no other server is, since without one the SDKs ask their environment variables.
_OPENAI_URL = "https://api.openai.com/v1"
_GOOGLE_URL = "https://generativelanguage.googleapis.com"
_ANTHROPIC_URL = "https://api.anthropic.com"


def _compatible(name: str, api_key: str, base_url: str | None) -> Model[Any]:
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.providers.openai_compatible import OpenAICompatibleProvider

    # Many a manual gives the whole address of the call; the SDK appends that part itself.
    url = str(base_url).rstrip("/").removesuffix("/chat/completions")
    provider = OpenAICompatibleProvider("openai-compatible", base_url=url, api_key=api_key)
    return OpenAIChatModel(name, provider=provider)


def _openai(name: str, api_key: str, _base_url: str | None) -> Model[Any]:
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.providers.openai import OpenAIProvider

    provider = OpenAIProvider(base_url=_OPENAI_URL, api_key=api_key)
    return OpenAIChatModel(name, provider=provider)


def _google(name: str, api_key: str, base_url: str | None) -> Model[Any]:
    from pydantic_ai.models.google import GoogleModel
    from pydantic_ai.providers.google import GoogleProvider

    provider = GoogleProvider(api_key=api_key, base_url=base_url or _GOOGLE_URL)
    return GoogleModel(name, provider=provider)


def _anthropic(name: str, api_key: str, base_url: str | None) -> Model[Any]:
    try:
        from pydantic_ai.models.anthropic import AnthropicModel
        from pydantic_ai.providers.anthropic import AnthropicProvider
    except ImportError as error:
        # `anthropic` is there, but of another age than pydantic-ai was written for.
        raise _no_anthropic(name) from error

    # At DEBUG this one logs whole requests, ticket text and all.
    logging.getLogger("anthropic._base_client").setLevel(logging.INFO)
    # The SDK appends `/v1/messages`, a part of which many an address already has.
    url = (base_url or _ANTHROPIC_URL).rstrip("/").removesuffix("/messages").removesuffix("/v1")
    return AnthropicModel(name, provider=AnthropicProvider(api_key=api_key, base_url=url))


def _no_anthropic(model_name: str) -> SettingsError:
    return _refuse(
        "LLM_MODEL_NAME",
        f"{model_name!r} needs the package `anthropic`, which is not installed or too old",
        'pip install "triagedesk[anthropic]"',
    )


def _refuse(where: str, what: str, hint: str) -> SettingsError:
    problem = Problem(where=where, what=what, hint=hint)
    return SettingsError("the language model is not set up", problems=[problem], hint=hint)
