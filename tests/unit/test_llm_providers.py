from __future__ import annotations

import pytest

from triagedesk.classify.llm import LlmClassifier, Provider, check_model
from triagedesk.classify.llm.providers import choose_provider
from triagedesk.errors import SettingsError

SERVER = "http://127.0.0.1:8000/v1"


@pytest.mark.parametrize(
    ("name", "base_url", "provider", "model"),
    [
        ("gemini-2.5-flash", "", Provider.GOOGLE, "gemini-2.5-flash"),
        ("gemini/gemini-2.5-flash", "", Provider.GOOGLE, "gemini-2.5-flash"),
        ("google:gemini-2.5-pro", "", Provider.GOOGLE, "gemini-2.5-pro"),
        ("google-gla:gemini-2.5-pro", "", Provider.GOOGLE, "gemini-2.5-pro"),
        ("gpt-4.1-mini", "", Provider.OPENAI, "gpt-4.1-mini"),
        ("o3-mini", "", Provider.OPENAI, "o3-mini"),
        ("openai:some-new-model", "", Provider.OPENAI, "some-new-model"),
        ("claude-haiku-4-5", "", Provider.ANTHROPIC, "claude-haiku-4-5"),
        ("anthropic:x", "", Provider.ANTHROPIC, "x"),
        (" qwen2.5:7b ", SERVER, Provider.COMPATIBLE, "qwen2.5:7b"),
        ("openai:gpt-4.1", SERVER, Provider.COMPATIBLE, "gpt-4.1"),
        ("gemini-2.5-flash", SERVER, Provider.COMPATIBLE, "gemini-2.5-flash"),
        ("openai/gpt-oss-20b", SERVER, Provider.COMPATIBLE, "openai/gpt-oss-20b"),
        ("google:gemini-2.5-flash", SERVER, Provider.GOOGLE, "gemini-2.5-flash"),
    ],
)
def test_the_model_name_says_whose_it_is(
    name: str, base_url: str, provider: Provider, model: str
) -> None:
    choice = choose_provider(name, base_url)
    assert (choice.provider, choice.name) == (provider, model)


@pytest.mark.parametrize(
    "name", ["", "  ", "qwen2.5:7b", "openai:", "mistral-large", "oasis", "my/o3"]
)
def test_a_name_that_says_nothing_is_refused_with_a_way_out(name: str) -> None:
    with pytest.raises(SettingsError) as caught:
        choose_provider(name)
    assert caught.value.problems[0].where == "LLM_MODEL_NAME"
    assert "LLM_BASE_URL" in caught.value.problems[0].hint


def test_an_empty_name_is_refused_even_with_a_server() -> None:
    with pytest.raises(SettingsError):
        choose_provider(" ", SERVER)


def test_a_provider_without_a_key_is_refused_but_an_own_server_needs_none() -> None:
    with pytest.raises(SettingsError, match="LLM_API_KEY"):
        check_model("gpt-4.1-mini", api_key="")
    assert check_model("some-model", api_key="", base_url=SERVER).name == "some-model"


def test_a_provider_that_is_not_installed_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("triagedesk.classify.llm.providers.find_spec", lambda _name: None)
    with pytest.raises(SettingsError) as caught:
        LlmClassifier("claude-haiku-4-5", api_key="k")
    assert "triagedesk[anthropic]" in caught.value.hint


def test_the_key_is_in_no_error() -> None:
    with pytest.raises(SettingsError) as caught:
        LlmClassifier("mystery", api_key="sk-secret")
    assert "sk-secret" not in str(caught.value)
