# SPDX-License-Identifier: MIT
"""The cohere package: reranking by any provider that ranks; its own other paths by /cohere."""
import cohere
import pytest

ASK = [{"role": "user", "content": "Hello"}]
DOCUMENTS = ["Carson City is in Nevada.", "Paris is in France.", "A pig is no bird."]


@pytest.fixture
def client(base, key):
    return cohere.ClientV2(api_key=key, base_url=base)


@pytest.fixture
def own(base, key):
    return cohere.ClientV2(api_key=key, base_url=base + "/cohere")


@pytest.mark.parametrize("ranker", ["cohere", "jina_ai", "voyage", "hosted_vllm"])
def test_rerank(client, ranker):
    a = client.rerank(model=f"rank-{ranker}", query="Where is Paris?", documents=DOCUMENTS, top_n=2)
    assert len(a.results) == 2 and a.results[0].relevance_score >= a.results[1].relevance_score
    assert {r.index for r in a.results} <= {0, 1, 2}


def test_chat(own):
    a = own.chat(model="plain", messages=ASK)
    assert a.message.content[0].text == "t0 t1 t2" and a.usage.billed_units.output_tokens > 0
    parts = [e.delta.message.content.text for e in own.chat_stream(model="plain", messages=ASK) if e.type == "content-delta"]
    assert "".join(parts) == "t0 t1 t2"


def test_embeddings(own):
    a = own.embed(model="embed", texts=["a", "b"], input_type="search_query", embedding_types=["float"])
    assert len(a.embeddings.float_) == 2 and a.embeddings.float_[0]


def test_errors(client, own):
    with pytest.raises(cohere.core.ApiError) as e:
        client.rerank(model="nobody", query="x", documents=DOCUMENTS)
    assert e.value.status_code in (400, 403, 404)
    with pytest.raises(cohere.core.ApiError) as e:
        own.chat(model="x?status=429", messages=ASK, request_options={"max_retries": 0})
    assert e.value.status_code == 429
