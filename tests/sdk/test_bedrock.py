# SPDX-License-Identifier: MIT
"""boto3 before /bedrock with the gateway's key: nobody but the gateway holds AWS keys, and the mock refuses what is
not signed. A gateway behind TLS takes AWS_BEARER_TOKEN_BEDROCK; over plain HTTP botocore wants this hook."""
import json

import boto3
import pytest
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError

ASK = [{"role": "user", "content": [{"text": "Hello"}]}]
TOOLS = {"tools": [{"toolSpec": {"name": "get_weather", "inputSchema": {"json": {
    "type": "object", "properties": {"city": {"type": "string"}}}}}}]}


def client_of(base, key):
    c = boto3.client("bedrock-runtime", region_name="us-east-1", endpoint_url=base + "/bedrock",
                     config=Config(retries={"total_max_attempts": 1}, signature_version=UNSIGNED))
    c.meta.events.register("request-created.bedrock-runtime",
                           lambda request, **_: request.headers.add_header("Authorization", f"Bearer {key}"))
    return c


@pytest.fixture
def client(base, key):
    return client_of(base, key)


def text_of(answer):
    return "".join(c.get("text", "") for c in answer["output"]["message"]["content"])


def test_converse(client):
    a = client.converse(modelId="plain", messages=ASK)
    assert text_of(a) == "t0 t1 t2" and a["stopReason"] == "end_turn" and a["usage"]["outputTokens"] > 0


def test_converse_stream(client):
    events = list(client.converse_stream(modelId="plain", messages=ASK)["stream"])
    assert "".join(e["contentBlockDelta"]["delta"].get("text", "") for e in events if "contentBlockDelta" in e) == "t0 t1 t2"
    assert [e["metadata"]["usage"]["outputTokens"] for e in events if "metadata" in e][0] > 0


def test_tools(client):
    a = client.converse(modelId="x~tool", messages=ASK, toolConfig=TOOLS)
    used = [c["toolUse"] for c in a["output"]["message"]["content"] if "toolUse" in c]
    assert used[0]["name"] == "get_weather" and isinstance(used[0]["input"], dict)


def test_invoke(client):
    body = json.dumps({"anthropic_version": "bedrock-2023-05-31", "max_tokens": 9,
                       "messages": [{"role": "user", "content": "Hello"}]})
    a = json.loads(client.invoke_model(modelId="anthropic.x", body=body)["body"].read())
    assert a["content"][0]["text"] == "t0 t1 t2"
    pieces = [json.loads(e["chunk"]["bytes"]) for e in client.invoke_model_with_response_stream(modelId="anthropic.x", body=body)["body"]]
    assert "".join(p["delta"].get("text", "") for p in pieces if p["type"] == "content_block_delta") == "t0 t1 t2"


def test_errors(client, base):
    with pytest.raises(ClientError) as e:
        client.converse(modelId="x~status=429", messages=ASK)
    assert e.value.response["ResponseMetadata"]["HTTPStatusCode"] == 429
    with pytest.raises(ClientError) as e:
        client_of(base, "sk-nobody").converse(modelId="plain", messages=ASK)
    assert e.value.response["ResponseMetadata"]["HTTPStatusCode"] == 401
