# SPDX-License-Identifier: MIT
"""Where client and provider speak the same, every byte goes through but for the model's name: the
digests of what was sent and heard are the same, both ways."""
import hashlib
import http.client
import re

import pytest

# Odd on purpose: white space, escapes, exotic numbers, members that nobody knows, any order.
ODD = ('{ "zeta" : [1.0e2,-0.0, 1E+3,{"a":null}] ,\n\t"model":"MODEL", "unknown_member":{"b":"\\u00e4\\/\\ud83d\\ude00"},\n'
       '  REST , "temperature":1.00 }\r\n')
REST = {
    "openai": '"messages":[ {"content" : "h\\u0069 \u00e4","role":"user", "custom":1e5}],"max_tokens":7',
    "anthropic": '"max_tokens": 7,"messages":[{"role":"user","content":[{"text":"h\\u0069","type":"text",'
                 '"cache_control":{"type":"ephemeral"} }]}]',
    "gemini": '"contents":[{"parts":[{"text":"h\\u0069"}],"role":"user"}], "generation_config":{"topK":4, "new":1.50}',
}
PATHS = {       # where the client asks, and where the provider is asked
    ("openai", False): ("/v1/chat/completions", "/v1/chat/completions"),
    ("openai", True): ("/v1/chat/completions", "/v1/chat/completions"),
    ("anthropic", False): ("/v1/messages", "/v1/messages"),
    ("anthropic", True): ("/v1/messages", "/v1/messages"),
    ("gemini", False): ("/v1beta/models/MODEL:generateContent", "/v1beta/models/{}:generateContent"),
    ("gemini", True): ("/v1beta/models/MODEL:streamGenerateContent?alt=sse",
                       "/v1beta/models/{}:streamGenerateContent?alt=sse"),
}
SCRIPTS = {"text": "up", "tools": "up?tools=2&think=2", "cached": "up?cached=3&prompt=50&role", "refused": "up?refuse"}


def digest(text):
    return hashlib.sha256(text.encode() if isinstance(text, str) else text).hexdigest()


@pytest.fixture(scope="module")
def gateway(tmp_path_factory, mock_process):
    from gateway import Gateway
    models = [(f"{family}-{what}", {"model": f"{family}/{script}", "api_key": "k",
                                    "api_base": mock_process.base + ("/v1" if family == "openai" else "")})
              for family in REST for what, script in SCRIPTS.items()]
    g = Gateway(tmp_path_factory.mktemp("fidelity"), models, workers=1).start()
    yield g
    g.stop()


def straight(mock, path, body):
    """What the provider says to somebody who asks it without a gateway."""
    c = http.client.HTTPConnection("127.0.0.1", mock.port, timeout=10)
    c.request("POST", path, body, {"Content-Type": "application/json"})
    answer = c.getresponse().read()
    c.close()
    return answer


def unnumbered(answer, model):
    """Without the number that the mock gives each answer, and without the model's name."""
    answer = re.sub(rb"(mock[-_])\d+", rb"\1N", answer)
    return answer.replace(b'"' + model.encode() + b'"', b'"M"')


@pytest.mark.parametrize("what", SCRIPTS)
@pytest.mark.parametrize("family,stream", PATHS)
def test_bytes(gateway, mock_process, family, stream, what):
    name, upstream = f"{family}-{what}", SCRIPTS[what]
    body = ODD.replace("REST", REST[family]).replace("MODEL", name)
    if stream and family != "gemini":
        more = ', "stream_options":{"include_usage":true}' if family == "openai" else ""
        body = body.replace('"temperature"', '"stream":true' + more + ' ,"temperature"')
    path, theirs = PATHS[family, stream]
    a = gateway.post(path.replace("MODEL", name), body.encode())
    assert a.status == 200, a
    heard = mock_process.log(1)[-1]["body"]
    renamed = body if family == "gemini" else body.replace(f'"{name}"', f'"{upstream}"')
    assert digest(heard) == digest(renamed), (heard, renamed)
    escaped = upstream.replace("?", "%3F").replace("&", "%26").replace("=", "%3D")
    said = straight(mock_process, theirs.format(escaped), heard.encode())
    assert digest(unnumbered(a.body, name)) == digest(unnumbered(said, upstream)), (a.body, said)
    assert name.encode() in a.body and upstream.encode() + b'"' not in a.body
