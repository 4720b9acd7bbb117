# SPDX-License-Identifier: MIT
"""LangChain's ChatOpenAI and ChatAnthropic."""
import anthropic
import openai
import pytest
from langchain_anthropic import ChatAnthropic
from langchain_openai import ChatOpenAI, OpenAIEmbeddings


def get_weather(city: str) -> str:
    """The weather of a city."""
    return "sunny in " + city


def make(kind, base, key, model):
    if kind == "openai":
        return ChatOpenAI(base_url=base + "/v1", api_key=key, model=model, max_retries=0)
    return ChatAnthropic(base_url=base, api_key=key, model=model, max_retries=0, max_tokens=100)


@pytest.mark.parametrize("kind", ["openai", "anthropic"])
@pytest.mark.parametrize("provider", ["oai", "ant", "gem", "oll"])
def test_chat(kind, provider, base, key):
    chat = make(kind, base, key, f"{provider}-plain")
    assert chat.invoke("Hello").text == "t0 t1 t2"
    assert "".join(c.text for c in chat.stream("Hello")) == "t0 t1 t2"
    calls = make(kind, base, key, f"{provider}-tool").bind_tools([get_weather]).invoke("Hello").tool_calls
    assert calls[0]["name"] == "get_weather"


@pytest.mark.parametrize("kind", ["openai", "anthropic"])
@pytest.mark.parametrize("provider", ["oai", "ant", "gem", "oll"])
def test_json_by_schema(kind, provider, base, key):
    schema = {"title": "reply", "description": "a reply", "type": "object", "properties": {"answer": {"type": "string"}},
              "required": ["answer"], "additionalProperties": False}
    chat = make(kind, base, key, f"{provider}-json").with_structured_output(schema, method="json_schema")
    assert isinstance(chat.invoke("Hello"), dict)


@pytest.mark.parametrize("kind", ["openai", "anthropic"])
@pytest.mark.parametrize("provider", ["oai", "ant", "gem", "oll"])
def test_errors(kind, provider, base, key):
    with pytest.raises((openai.RateLimitError, anthropic.RateLimitError)):
        make(kind, base, key, f"{provider}-limit").invoke("Hello")


@pytest.mark.parametrize("provider", ["oai", "gem", "oll"])
def test_embeddings(base, key, provider):
    e = OpenAIEmbeddings(base_url=base + "/v1", api_key=key, model=f"{provider}-plain", check_embedding_ctx_length=False)
    assert len(e.embed_documents(["a", "b"])) == 2
