# SPDX-License-Identifier: MIT
"""What is stored may name variables of the gateway's environment: never those that everybody obeys; and an
administrator without the master key gets nobody's key to where that administrator says."""
import pytest

from egress_inside import QUICK, STORE, stranger
from gateway import until
from sink import Sink

SECRETS = {"OPENAI_API_KEY": "sk-of-the-operator-1", "AWS_SECRET_ACCESS_KEY": "aws-of-the-operator-1",
           "AWS_ACCESS_KEY_ID": "AKIA-OPERATOR", "AWS_SESSION_TOKEN": "session-of-the-operator", "AWS_BEARER_TOKEN_BEDROCK": "bearer-of-the-operator",
           "AZURE_AD_TOKEN": "entra-of-the-operator", "HOUSE_SECRET": "house-1", "GROQ_API_KEY": "gsk-of-the-operator",
           "LLMGW_SALT_KEY": "salt-of-the-operator-0123456789", "AZURE_API_KEY": "", "OPENAI_API_BASE": ""}


@pytest.fixture
def gw(start, mock):
    g = start([("m", "plain")], QUICK + STORE + f"server: {{allow-private: [127.0.0.1]}}\n", workers=1,
              env={**SECRETS, "DEFAULT_FLUSH_INTERVAL_SECONDS": "0.1"})
    g.mock = mock
    return g


def new(gw, key, name, **params):
    return gw.post("/model/new", {"model_name": name, "litellm_params": params}, key=key)


def refused(gw, a, why):
    assert a.status == 400 and why in a.json["error"]["message"], a
    for secret in SECRETS.values():
        assert not secret or secret not in a.body.decode(), a


def headers_seen(gw):
    return str(gw.mock.get("/mock/log?n=9&h=*"))


def test_the_gateways_own_secrets_are_nobodys(gw):
    base = {"model": "openai/plain", "api_base": gw.mock.base + "/v1"}
    for name in ("LLMGW_MASTER_KEY", "LITELLM_MASTER_KEY", "LLMGW_SALT_KEY", "LITELLM_SALT_KEY"):
        for more in ({"api_key": f"os.environ/{name}"}, {"extra_headers": {"x-a": f"os.environ/{name}"}}):
            refused(gw, new(gw, None, "x", **base, **more), "must not be used")
        a = gw.post("/config/pass_through_endpoint", {"path": "/out", "target": gw.mock.base + "/echo",
                                                      "headers": {"x-a": f"bearer os.environ/{name}"}})
        refused(gw, a, "must not be used")
    # All others the operator may name, wherever they go.
    assert new(gw, None, "ours", **base, api_key="os.environ/HOUSE_SECRET").status == 200
    assert gw.ask("ours").status == 200 and "house-1" in headers_seen(gw)


def test_no_variable_comes_back_to_who_has_no_master_key(gw):
    root = stranger(gw)
    for params in ({"model": "openai/plain", "mock_response": "os.environ/OPENAI_API_KEY"},
                   {"model": "openai/plain", "user": "os.environ/OPENAI_API_KEY"},
                   {"model": "openai/plain", "extra_body": {"api_key": "os.environ/OPENAI_API_KEY"}},
                   {"model": "openai/plain", "extra_headers": {"x": "os.environ/AWS_SECRET_ACCESS_KEY"}},
                   {"model": "openai/plain", "api_key": "os.environ/HOUSE_SECRET"},
                   {"model": "openai/plain", "api_base": "os.environ/HOUSE_SECRET"},
                   {"model": "bedrock/x", "aws_secret_access_key": "os.environ/AWS_SECRET_ACCESS_KEY"}):
        refused(gw, new(gw, root, "x", **params), "without the master key")
    body = {"credential_name": "c", "credential_values": {"api_key": "os.environ/HOUSE_SECRET"}, "credential_info": {}}
    refused(gw, gw.post("/credentials", body, key=root), "without the master key")
    a = gw.post("/config/pass_through_endpoint", {"path": "/out", "target": gw.mock.base + "/echo",
                                                  "headers": {"x-a": "bearer os.environ/OPENAI_API_KEY"}}, key=root)
    refused(gw, a, "must not be used here")
    # A provider's key may go to that provider.
    assert new(gw, root, "theirs", model="groq/x", api_key="os.environ/GROQ_API_KEY").status == 200


def test_headers_stay_with_their_target(gw):
    root = stranger(gw)
    a = gw.post("/config/pass_through_endpoint", {"path": "/out", "target": gw.mock.base + "/echo",
                                                  "headers": {"x-a": "of-the-operator"}})
    assert a.status == 200, a
    where = "/config/pass_through_endpoint/" + a.json["endpoints"][0]["id"]
    mask = a.json["endpoints"][0]["headers"]["x-a"]
    assert "operator" not in mask
    move = {"path": "/out", "target": gw.mock.base + "/other"}
    for more in ({}, {"headers": {"x-a": mask}}):
        a = gw.post(where, {**move, **more}, key=root)
        assert a.status == 403 and "headers" in a.json["error"]["message"], a
    assert gw.post(where, {**move, "headers": {"x-a": "own"}}, key=root).status == 200
    assert gw.post(where, move).status == 200                     # with the master key


def test_nobodys_key_goes_to_an_address_of_who_has_no_master_key(gw):
    root, base = stranger(gw), gw.mock.base + "/v1"
    refused(gw, new(gw, root, "x", model="openai/plain", api_base=base, api_key="os.environ/OPENAI_API_KEY"),
            "does not go to an address")
    ours = {"credential_name": "ours", "credential_values": {"api_key": "sk-of-a-credential"}, "credential_info": {}}
    assert gw.post("/credentials", ours).status == 200
    refused(gw, new(gw, root, "x", model="openai/plain", api_base=base, litellm_credential_name="ours"),
            "does not go to an address")
    kept = new(gw, None, "kept", model="openai/plain", api_base=base, api_key="sk-literal").json["model_id"]
    whole = {"credential_name": "whole", "credential_values": {"api_key": "sk-of-a-credential", "api_base": base},
             "credential_info": {}}
    assert gw.post("/credentials", whole).status == 200
    for call, body in (("/model/update", {"model_info": {"id": kept}, "litellm_params": {"api_base": base + "/x"}}),
                       (f"/model/{kept}/update", {"litellm_params": {"api-base": base + "/x", "rpm": 7}})):
        a = gw.request("PATCH" if kept in call else "POST", call, body, key=root)
        assert a.status == 403 and "api_key" in a.json["error"]["message"], a
    rpm = {"model_info": {"id": kept}, "litellm_params": {"rpm": 7}}
    assert gw.post("/model/update", rpm, key=root).status == 200    # now it is the administrator's
    moved = {"model_info": {"id": kept}, "litellm_params": {"api_base": base + "/x"}}
    assert gw.post("/model/update", moved, key=root).status == 403
    moved["litellm_params"]["api_key"] = "sk-own"
    assert gw.post("/model/update", moved, key=root).status == 200
    a = gw.request("PATCH", "/credentials/ours", {"credential_name": "ours", "credential_values": {"api_base": base},
                                                  "credential_info": {}}, key=root)
    assert a.status == 403, a
    a = gw.post("/credentials", {"credential_name": "copy", "model_id": kept, "credential_info": {}}, key=root)
    assert a.status == 403, a
    # An address of the operator's, with the operator's key; a key of one's own; and none at all.
    assert new(gw, root, "a", model="openai/plain", litellm_credential_name="whole").status == 200
    assert new(gw, root, "b", model="openai/plain", api_base=base, api_key="sk-own").status == 200
    assert new(gw, root, "c", model="openai/plain", api_base=base).status == 200
    assert new(gw, root, "d", model="azure/plain", api_base=gw.mock.base, api_version="2024-10-21").status in (200, 400)
    assert new(gw, root, "e", model="bedrock/meta.x", aws_bedrock_runtime_endpoint=gw.mock.base).status in (200, 400)
    assert gw.ask("a").status == 200 and "sk-of-a-credential" in headers_seen(gw)
    gw.mock.clear()
    for name in "bcde":
        gw.ask(name)
    seen = headers_seen(gw)
    assert "sk-own" in seen
    for secret in SECRETS.values():
        assert not secret or secret not in seen, seen


def test_nobodys_key_signs_for_a_store_of_who_has_no_master_key(start):
    sink, told = Sink(), Sink()
    where = {"s3_bucket_name": "b", "s3_region_name": "eu-west-1", "s3_endpoint_url": sink.base}
    queue = {"sqs_queue_url": sink.base + "/1/q", "sqs_region_name": "eu-west-1"}
    own = {"aws_access_key_id": "AKIA-OWN", "aws_secret_access_key": "own"}

    def say(key, s3, sqs):
        a = gw.post("/config/update", {"litellm_settings": {"s3_callback_params": s3, "aws_sqs_callback_params": sqs,
                                                            "success_callback": ["s3", "sqs", "generic_api"]}}, key=key)
        assert a.status == 200, a
        n = told.tries
        assert gw.ask("m").status == 200
        until(lambda: told.tries > n)        # it is sent to all of them at once

    try:
        gw = start([("m", "plain")], QUICK + STORE + "server: {allow-private: [127.0.0.1]}\n", workers=1,
                   env={**SECRETS, "GENERIC_LOGGER_ENDPOINT": told.base, "DEFAULT_FLUSH_INTERVAL_SECONDS": "0.1"})
        root = stranger(gw)
        say(root, where, queue)
        # With keys that came the same way they are called, with nothing of the environment's beside them.
        say(root, {**where, **{"s3_" + k: v for k, v in own.items()}}, {**queue, **{"sqs_" + k: v for k, v in own.items()}})
        until(lambda: sink.tries == 2)
        seen = str([h for _, h, _ in sink.bodies])
        assert seen.count("AKIA-OWN") == 2 and "AKIA-OPERATOR" not in seen and "session-of" not in seen, seen
        # The operator's words are the operator's.
        say(None, where, queue)
        until(lambda: sink.tries == 4)
        seen = str([h for _, h, _ in sink.bodies[2:]])
        assert seen.count("AKIA-OPERATOR") == seen.count("session-of-the-operator") == 2, seen
    finally:
        sink.close()
        told.close()
