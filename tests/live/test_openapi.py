# SPDX-License-Identifier: MIT
"""The OpenAPI document and its page, as a client gets them."""
import base64
import hashlib
import re

import pytest

from gateway import Gateway, Mock

METHODS = {"get", "post", "put", "patch", "delete", "options"}
KINDS = {"string", "integer", "number", "boolean", "array", "object", "null"}


@pytest.fixture(scope="module")
def gw(tmp_path_factory):
    mock = Mock()
    g = Gateway(tmp_path_factory.mktemp("openapi"),
                [("m", {"model": "openai/mock", "api_base": mock.base, "api_key": "x"})], workers=1).start()
    yield g
    g.stop()
    mock.close()


def check_schema(schema, document):
    if "$ref" in schema:
        assert schema["$ref"].startswith("#/components/schemas/")
        assert schema["$ref"].rsplit("/", 1)[1] in document["components"]["schemas"]
        return
    kinds = schema.get("type", "string")
    assert set([kinds] if isinstance(kinds, str) else kinds) <= KINDS
    assert set(schema.get("required", [])) <= set(schema.get("properties", {}))
    for below in schema.get("properties", {}).values():
        check_schema(below, document)


def check_operation(path, operation, document, seen):
    assert operation["operationId"] not in seen, operation["operationId"]
    seen.add(operation["operationId"])
    assert operation["summary"] and operation["responses"] and operation["tags"]
    named = [p["name"] for p in operation["parameters"] if p["in"] == "path"]
    assert sorted(named) == sorted(re.findall(r"\{(\w+)\}", path)), path
    places = [(p["in"], p["name"]) for p in operation["parameters"]]
    assert len(places) == len(set(places)), path
    for p in operation["parameters"]:
        assert p["in"] in ("path", "query") and (p["in"] != "path" or p["required"])
        check_schema(p["schema"], document)
    for wanted in operation["security"]:
        assert set(wanted) <= set(document["components"]["securitySchemes"])
    for content in operation.get("requestBody", {"content": {}})["content"].values():
        check_schema(content["schema"], document)


def test_the_document_is_sound(gw):
    a = gw.get("/openapi.json", key=False)
    assert a.status == 200 and a.headers["content-type"] == "application/json"
    document, seen = a.json, set()
    assert document["openapi"] == "3.1.0" and document["info"]["title"] == "llmgw"
    for path, item in document["paths"].items():
        assert path.startswith("/") and set(item) <= METHODS and item
        for operation in item.values():
            check_operation(path, operation, document, seen)
    for schema in document["components"]["schemas"].values():
        check_schema(schema, document)


def test_the_document_satisfies_the_validator(gw):
    validator = pytest.importorskip("openapi_spec_validator")
    validator.validate(gw.get("/openapi.json", key=False).json)


def test_what_the_document_says_about_keys_is_so(gw):
    """Without a key every path that wants one is 401, and none of the others."""
    for path, item in gw.get("/openapi.json", key=False).json["paths"].items():
        where = path.replace("{model}", "m").replace("{id}", "x1").replace("{name}", "x1").replace("{path}", "x")
        for method, operation in item.items():
            if "realtime" in path:
                continue            # no WebSocket here: 426 comes before anything else
            status = gw.request(method.upper(), where, "{}" if "requestBody" in operation else None,
                                key=False).status
            assert (status == 401) == bool(operation["security"]), (method, path, status)


@pytest.mark.parametrize("path, headers", [("/docs", {}), ("/", {"Accept": "text/html,*/*;q=0.8"})])
def test_the_page_needs_nothing_from_elsewhere(gw, path, headers):
    a = gw.get(path, key=False, headers=headers)
    page = a.body.decode()
    assert a.status == 200 and a.headers["content-type"] == "text/html; charset=utf-8"
    assert a.headers["x-content-type-options"] == "nosniff"
    style = re.search(r"<style>(.*?)</style>", page, re.S).group(1)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert a.headers["content-security-policy"] == (
        f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'")
    assert not re.search(r"<script|src=|url\(|@import|href=\"(http|//)", page)
    for word in ("/v1/chat/completions", "/key/generate", "max_budget"):
        assert word in page


def test_programs_are_told_in_a_line_what_this_is(gw):
    a = gw.get("/", key=False)
    assert a.json["name"] == "llmgw" and a.json["openapi"] == "/openapi.json"
