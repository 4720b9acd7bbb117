# SPDX-License-Identifier: MIT
"""LangChain's ChatOpenAI and ChatAnthropic."""
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


def test_embeddings(base, key):
    e = OpenAIEmbeddings(base_url=base + "/v1", api_key=key, model="gem-plain", check_embedding_ctx_length=False)
    assert len(e.embed_documents(["a", "b"])) == 2
