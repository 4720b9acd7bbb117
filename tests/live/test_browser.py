# SPDX-License-Identifier: MIT
"""W2, W3: what a page in somebody's browser can do with a gateway that the browser can reach. There
are no sessions: a key comes with each request, by a header that no form and no other site's script
can set without being asked, and in no cookie."""
import html.parser

import pytest

MASTER = "sk-live-master-0123456789"
CALLS = [("POST", "/v1/chat/completions", {"model": "m", "messages": [{"role": "user", "content": "x"}]}),
         ("GET", "/key/list", None), ("POST", "/key/generate", {}), ("GET", "/user/list", None), ("GET", "/v1/models", None),
         ("POST", "/config/update", {"litellm_settings": {"drop_params": True}})]


@pytest.mark.parametrize("method,path,body", CALLS)
def test_a_browser_has_no_power_of_its_own(gw, method, path, body):
    """Cookies, passwords that a browser remembers and addresses are no keys."""
    for where, headers in ((path, {"Cookie": f"token={MASTER}; api_key={MASTER}; Authorization=Bearer {MASTER}"}),
                           (path, {"Authorization": "Basic cm9vdDpzay1saXZlLW1hc3Rlci0wMTIzNDU2Nzg5"}),
                           (f"{path}?api_key={MASTER}&token={MASTER}", {})):
        a = gw.request(method, where, body, key=False, headers=headers)
        assert a.status == 401 and "set-cookie" not in a.headers, (where, headers, a)
        assert MASTER not in a.body.decode()


def test_no_answer_sets_a_cookie_or_is_kept(gw):
    for method, path, body in CALLS:
        a = gw.request(method, path, body)
        assert "set-cookie" not in a.headers and "access-control-allow-credentials" not in a.headers, a
        kept = a.headers.get("cache-control")
        assert kept == ("no-store" if not path.startswith("/v1/") else None), (path, kept)


PAGE = {"content-type": "text/html; charset=utf-8", "x-content-type-options": "nosniff", "referrer-policy": "no-referrer"}


@pytest.mark.parametrize("path", ["/docs", "/"])
def test_the_page_is_framed_by_nobody(gw, path):
    a = gw.get(path, key=False, headers={"Accept": "text/html"})
    assert {k: a.headers[k] for k in PAGE} == PAGE
    rules = dict((r.strip().split(" ", 1) + [""])[:2] for r in a.headers["content-security-policy"].split(";"))
    assert rules.keys() == {"default-src", "style-src", "base-uri", "form-action", "frame-ancestors"}
    assert all(rules[k] == "'none'" for k in rules if k != "style-src")

    class Tags(html.parser.HTMLParser):
        seen, handlers = set(), []

        def handle_starttag(self, tag, attrs):
            self.seen.add(tag)
            self.handlers += [a for a, _ in attrs if a.startswith("on")]

    tags = Tags()
    tags.feed(a.body.decode())
    assert not tags.handlers and not tags.seen & {"script", "iframe", "object", "embed", "form", "input", "base", "img", "svg"}


XSS = ["<script>alert(1)</script>", "\"><img src=x onerror=alert(1)>", "'-alert(1)-'", "</title><svg/onload=alert(1)>",
       "javascript:alert(1)", "{{7*7}}", "<!--", "]]>", "\u2028alert(1)", "<iframe srcdoc=x>", "\x00<b>", "<a href=//x>"]


def test_nothing_stored_comes_back_as_a_page(gw):
    """The page is the build's, and whatever is stored comes as JSON, whose type nobody may guess at."""
    page = gw.get("/docs", key=False).body
    for i, text in enumerate(XSS):
        gw.post("/team/new", {"team_id": f"t{i}", "team_alias": text, "metadata": {"x": text}})
        gw.post("/user/new", {"user_id": f"u{i}", "user_alias": text, "auto_create_key": False})
        gw.post("/key/generate", {"key_alias": f"{i}{text}", "metadata": {"x": text}, "team_id": f"t{i}"})
        gw.ask(text)
    for path in ("/team/list", "/user/list", "/key/list", "/spend/logs", "/team/info?team_id=t0", "/<script>alert(1)</script>",
                 "/v1/models/<script>alert(1)</script>", "/key/info?key=<script>"):
        a = gw.get(path.replace("<", "%3C").replace(">", "%3E"), headers={"Accept": "text/html"})
        assert a.headers["content-type"] == "application/json", (path, a)
        a.json
    assert gw.get("/docs", key=False).body == page


# ---- without a master key --------------------------------------------------------------------------

FOREIGN = [{"Origin": "https://evil.example"}, {"Origin": "null"}, {"Origin": "http://localhost.evil.example"},
           {"Host": "evil.example"}, {"Host": "evil.example:4000", "Origin": "http://evil.example:4000"},
           {"Host": "127.0.0.1.nip.io"}, {"Origin": "file://"}]
NEAR = [{}, {"Host": "localhost"}, {"Host": "llmgw:4000"}, {"Origin": "http://localhost:3000"}, {"Origin": "http://[::1]:1"},
        {"Host": "box.local", "Origin": "http://box.local"}, {"Origin": "https://app.example.com"}]


@pytest.fixture
def open_gw(start):
    return start([("m", "plain")], "server: {insecure-dev: true, cors: {origins: ['*', 'https://app.example.com']}}\n",
                 master_key=None)


def ask(gw, call, headers):
    method, path, body = call
    return gw.request(method, path, body, key=False, headers=headers)


@pytest.mark.parametrize("call", [c for c in CALLS if c[1] != "/config/update"], ids=lambda c: c[1])
def test_pages_from_elsewhere_are_not_let_in(open_gw, call):
    for headers in FOREIGN:
        a = ask(open_gw, call, headers)
        assert a.status == 403 and "server.cors.origins" in a.json["error"]["message"], (headers, a)
    for headers in NEAR:
        assert ask(open_gw, call, headers).status == 200, headers
    assert open_gw.get("/health/liveliness", key=False, headers=FOREIGN[0]).status == 200


def test_nor_by_a_socket(open_gw):
    a = open_gw.get("/v1/realtime?model=m", key=False, headers={
        "Origin": "https://evil.example", "Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="})
    assert a.status == 403


def test_with_a_key_pages_may_come_from_anywhere(gw):
    """A page that has a key was given it: LiteLLM's users have such pages."""
    for headers in FOREIGN:
        assert gw.get("/v1/models", headers=headers).status == 200
