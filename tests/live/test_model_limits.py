# SPDX-License-Identifier: MIT
"""Limits of keys, teams and organizations for single models: requests, tokens, money, over all workers."""
import concurrent.futures
import time

from gateway import until

PRICED = {"input_cost_per_token": 0.001, "output_cost_per_token": 0.002}


def to(mock, name="plain?prompt=50&out=10", **more):
    return {"model": f"openai/{name}", "api_base": mock.base + "/v1", "api_key": "sk-upstream", **PRICED, **more}


def gateway(start, mock, **more):
    return start([("m", to(mock)), ("n", to(mock)), ("openai/p", to(mock))],
                 "router_settings: {num_retries: 0, model_group_alias: {alias: m}}\n", workers=2, **more)


def many(gw, n, key, model="m"):
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        return list(pool.map(lambda _: gw.ask(model, key=key, max_tokens=10), range(n)))


def statuses(answers):
    return sorted(a.status for a in answers)


def info(gw, key):
    return gw.get(f"/key/info?key={key}").json["info"]


def test_requests_of_one_model(start, mock):
    gw = gateway(start, mock)
    made = gw.post("/key/generate", {"model_rpm_limit": {"m": 5, "p": 2}, "rpm_limit": 1000}).json
    assert "llmgw_warnings" not in made and made["metadata"]["model_rpm_limit"] == {"m": 5, "p": 2}
    k = made["key"]
    answers = many(gw, 20, k)
    assert statuses(answers) == [200] * 5 + [429] * 15      # exactly, over both workers
    good = next(a for a in answers if a.status == 200)
    assert good.headers["x-ratelimit-model_per_key-limit-requests"] == "5"
    assert int(good.headers["x-ratelimit-model_per_key-remaining-requests"]) < 5
    assert good.headers["x-litellm-key-remaining-requests-m"] == good.headers["x-ratelimit-model_per_key-remaining-requests"]
    assert not [h for h in good.headers if h.startswith("x-litellm-key-remaining-tokens")]
    assert good.headers["x-ratelimit-api_key-limit-requests"] == "1000"
    bad = next(a for a in answers if a.status == 429)
    assert 0 < int(bad.headers["retry-after"]) <= 60
    assert "Rate limit exceeded for model_per_key: sk-..." in bad.json["error"]["message"]
    assert ":m. Limit type: requests. Current limit: 5" in bad.json["error"]["message"]
    assert gw.ask("alias", key=k).status == 429             # another name for the same group
    n = gw.ask("n", key=k)
    assert n.status == 200 and not [h for h in n.headers if "model_per_key" in h.lower()]
    answers = many(gw, 4, k, "openai/p")
    assert statuses(answers) == [200] * 2 + [429] * 2       # named without its provider
    assert any("x-litellm-key-remaining-requests-openai-p" in a.headers for a in answers)
    other = gw.key(model_rpm_limit={"m": 5})                # each key has its own count
    assert gw.ask("m", key=other).status == 200
    # A refusal costs no other owner anything.
    left = gw.ask("n", key=k).headers["x-ratelimit-api_key-remaining-requests"]
    assert int(left) >= 1000 - 5 - 2 - 2 - 20


def test_update_takes_limits_away_and_a_new_start_keeps_them(start, mock):
    gw = gateway(start, mock)
    k = gw.key(model_rpm_limit={"m": 1})
    assert statuses(many(gw, 3, k)) == [200, 429, 429]
    gw.ctl("reload")
    assert gw.ask("m", key=k).status == 429
    gw.kill()
    gw.start()
    assert info(gw, k)["metadata"]["model_rpm_limit"] == {"m": 1}
    assert statuses(many(gw, 3, k)) == [200, 429, 429]      # the limit, with a new minute
    assert gw.post("/key/update", {"key": k, "model_rpm_limit": {"m": 3}}).status == 200
    assert statuses(many(gw, 5, k)) == [200] * 3 + [429] * 2    # a new limit counts anew
    new = gw.post("/key/regenerate", {"key": k}).json["key"]
    assert gw.ask("m", key=new).status == 429               # the text is another, the key is not
    assert gw.post("/key/update", {"key": new, "model_rpm_limit": None}).status == 200
    assert "model_rpm_limit" not in info(gw, new)["metadata"]
    assert statuses(many(gw, 5, new)) == [200] * 5
    assert gw.post("/key/update", {"key": new, "metadata": {"model_rpm_limit": {"m": 1}, "x": 1}}).status == 200
    assert statuses(many(gw, 3, new)) == [200, 429, 429]    # inside metadata, as LiteLLM keeps it
    assert gw.post("/key/delete", {"keys": [new]}).status == 200


def test_tokens_of_one_model(start, mock):
    gw = gateway(start, mock)
    k = gw.key(model_tpm_limit={"m": 130})
    a = gw.ask("m", key=k)
    assert a.status == 200 and a.headers["x-ratelimit-model_per_key-limit-tokens"] == "130"
    assert gw.ask("m", key=k).status == 200                 # 60 each
    assert gw.ask("m", key=k).status == 200                 # its prompt is short, its answer counts as it is
    refused = gw.ask("m", key=k)
    assert refused.status == 429 and "Limit type: tokens" in refused.json["error"]["message"]
    assert gw.ask("n", key=k).status == 200


def test_a_models_budget_is_never_overspent(start, mock):
    gw = gateway(start, mock)
    cost = 50 * 0.001 + 10 * 0.002
    made = gw.post("/key/generate", {"model_max_budget": {"m": {"budget_limit": "2", "time_period": "30d"}}, "max_budget": 100})
    k = made.json["key"]
    assert made.status == 200 and "llmgw_warnings" not in made.json
    answers = many(gw, 60, k)
    n = statuses(answers).count(200)
    assert set(statuses(answers)) == {200, 429} and 0 < n * cost <= 2 + 1e-9
    while gw.ask("m", key=k, max_tokens=10).status == 200:  # until not even one fits
        n += 1
    assert n * cost <= 2 + 1e-9 < n * cost + 0.3
    bad = gw.ask("m", key=k, max_tokens=10)
    assert bad.json["error"]["type"] == "budget_exceeded" and ":m)" in bad.json["error"]["message"]
    assert abs(info(gw, k)["model_spend"]["m"] - n * cost) < 1e-9
    assert info(gw, k)["model_max_budget"]["m"]["budget_limit"] == "2"
    assert gw.ask("n", key=k, max_tokens=10).status == 200
    until(lambda: abs(sum(r["spend"] for r in gw.spend_rows()) - (n + 1) * cost) < 1e-9)
    gw.kill()                                               # what was spent is in the database
    gw.start()
    assert abs(info(gw, k)["model_spend"]["m"] - n * cost) < 1e-9
    assert gw.ask("m", key=k, max_tokens=10).status == 429
    assert gw.post("/key/update", {"key": k, "model_max_budget": {"m": {"max_budget": 3}}}).status == 200
    assert gw.ask("m", key=k, max_tokens=10).status == 200
    assert abs(info(gw, k)["model_spend"]["m"] - (n + 1) * cost) < 1e-9
    assert gw.post("/key/update", {"key": k, "model_max_budget": None}).status == 200
    assert "model_spend" not in info(gw, k) and statuses(many(gw, 20, k)) == [200] * 20


def test_a_models_budget_begins_anew(start, mock):
    gw = gateway(start, mock)
    k = gw.key(model_max_budget={"m": {"budget_limit": 0.3, "time_period": "3s"}})
    assert until(lambda: gw.ask("m", key=k, max_tokens=10).status == 429)
    until(lambda: gw.ask("m", key=k, max_tokens=10).status == 200)
    spent = gw.key(model_max_budget={"m": {"budget_limit": 1000, "rpm_limit": 2}})
    assert statuses(many(gw, 4, spent)) == [200] * 2 + [429] * 2    # rates may stand in it, too


def test_teams_and_organizations(start, mock):
    gw = gateway(start, mock)
    org = gw.post("/organization/new", {"organization_alias": "o", "model_rpm_limit": {"n": 3}}).json["organization_id"]
    team = gw.post("/team/new", {"team_id": "t", "organization_id": org, "model_rpm_limit": {"m": 4},
                                 "model_max_budget": {"openai/p": {"budget_limit": 0.5, "time_period": "1d"}}})
    assert team.status == 200 and "llmgw_warnings" not in team.json
    a, b = gw.key(team_id="t"), gw.key(team_id="t", model_rpm_limit={"m": 1})
    assert statuses(many(gw, 3, b)) == [200, 429, 429]
    answers = many(gw, 6, a)
    assert statuses(answers) == [200] * 3 + [429] * 3       # the team's four, one of which b has had
    refused = next(x for x in answers if x.status == 429)
    assert "Rate limit exceeded for model_per_team: t:m" in refused.json["error"]["message"]
    assert next(x for x in answers if x.status == 200).headers["x-ratelimit-model_per_team-limit-requests"] == "4"
    of_org = many(gw, 5, a, "n")
    assert statuses(of_org) == [200] * 3 + [429] * 2
    assert "model_per_organization" in next(x for x in of_org if x.status == 429).json["error"]["message"]
    money = many(gw, 20, a, "openai/p")
    n = statuses(money).count(200)
    assert 0 < n * 0.07 <= 0.5
    shown = gw.get("/team/info?team_id=t").json["team_info"]
    assert abs(shown["model_spend"]["openai/p"] - n * 0.07) < 1e-9 and shown["metadata"]["model_rpm_limit"] == {"m": 4}
    gw.post("/team/update", {"team_id": "t", "model_rpm_limit": None, "model_max_budget": None})
    gw.ctl("orgs", "update", org, "--model-rpm-limit", '{"n": 100}')
    assert statuses(many(gw, 5, a)) == [200] * 5 and statuses(many(gw, 5, a, "n")) == [200] * 5
    assert gw.post("/team/delete", {"team_ids": ["t"]}).status == 200


def test_users_customers_and_tags(start, mock):
    """By all keys of the user; by whoever asks for the customer, or under the tag."""
    gw = gateway(start, mock)
    cost = 0.07
    limit = {"m": {"budget_limit": 0.4, "time_period": "30d"}, "p": 1000}
    for path, body in (("/user/new", {"user_id": "ada", "model_rpm_limit": {"n": 3}}), ("/customer/new", {"user_id": "shop"}),
                       ("/tag/new", {"name": "night"})):
        a = gw.post(path, {**body, "model_max_budget": limit})
        assert a.status == 200 and "llmgw_warnings" not in a.json, a
    gw.post("/team/new", {"team_id": "t"})
    mine, other, of_team = gw.key(user_id="ada"), gw.key(user_id="ada"), gw.key(user_id="ada", team_id="t")
    spender = gw.key()

    def ask(model="m", key=None, **more):
        return gw.ask(model, key=key or spender, max_tokens=10, **more)
    shop, night = {"headers": {"x-litellm-customer-id": "shop"}}, {"metadata": {"tags": ["night"]}}

    def spend_all(noun, key=None, **more):
        n = 0
        while (a := ask(key=key, **more)).status == 200:
            n += 1
        assert a.status == 429 and f"{noun}=" in a.json["error"]["message"] and ":m)" in a.json["error"]["message"], a
        assert n and n * cost <= 0.4 + 1e-9
        assert ask("n", key, **more).status == ask("openai/p", key, **more).status == 200
        return n
    n = spend_all("User", mine)
    assert ask(key=other).status == 429                     # the user's, not the key's
    assert ask(key=of_team).status == 200                   # a team pays; but it counts
    shown = gw.get("/user/info?user_id=ada").json["user_info"]
    assert abs(shown["model_spend"]["m"] - (n + 1) * cost) < 1e-9 and shown["model_max_budget"] == limit
    answers = many(gw, 5, other, "n")
    assert statuses(answers) == [200] * 2 + [429] * 3       # one was asked before
    assert "model_per_user: ada:n" in next(a for a in answers if a.status == 429).json["error"]["message"]
    n = spend_all("EndUser", **shop)
    assert ask().status == 200
    assert abs(gw.get("/customer/info?end_user_id=shop").json["model_spend"]["m"] - n * cost) < 1e-9
    n = spend_all("Tag", **night)
    assert ask().status == 200
    assert abs(gw.post("/tag/info", {"names": ["night"]}).json["night"]["model_spend"]["m"] - n * cost) < 1e-9
    rows = len(gw.spend_rows())
    until(lambda: len(gw.spend_rows()) >= rows)
    gw.stop()
    gw.start()
    assert ask(key=mine).status == ask(**shop).status == ask(**night).status == 429
    gw.post("/user/update", {"user_id": "ada", "model_max_budget": {"m": 100}})
    gw.post("/customer/update", {"user_id": "shop", "model_max_budget": None})
    gw.post("/tag/update", {"name": "night", "model_max_budget": {}})
    assert ask(key=mine).status == ask(**shop).status == ask(**night).status == 200
    for path, body in (("/user/new", {}), ("/customer/new", {"user_id": "c"}), ("/tag/new", {"name": "d"}), ("/budget/new", {})):
        assert gw.post(path, {**body, "model_max_budget": {"m": {"time_period": "soon"}}}).status == 400
    assert gw.post("/user/delete", {"user_ids": ["ada"]}).status == 200


def test_what_is_no_limit_is_refused(start, mock):
    gw = gateway(start, mock)
    for body in ({"model_rpm_limit": {"m": 0}}, {"model_rpm_limit": {"m": "many"}}, {"model_tpm_limit": [5]},
                 {"model_max_budget": {"m": {"budget_limit": -1}}}, {"model_max_budget": {"m": {"time_period": "1y"}}},
                 {"model_rpm_limit": {"": 1}}, {"metadata": {"model_tpm_limit": {"m": 1.5}}},
                 {"model_rpm_limit": {f"m{i}": 1 for i in range(257)}}):
        a = gw.post("/key/generate", body)
        assert a.status == 400 and "model_" in a.json["error"]["message"], (body, a)
        assert gw.post("/team/new", body).status == 400
    assert gw.ctl_json("keys", "create", "--model-rpm-limit", '{"m": 2}')["metadata"] == {"model_rpm_limit": {"m": 2}}
    # Who is held to such limits makes no key that is not.
    gw.post("/user/new", {"user_id": "u", "user_role": "internal_user", "auto_create_key": False})
    k = gw.key(user_id="u", model_rpm_limit={"m": 1})
    assert gw.post("/key/generate", {}, key=k).status == 403
    assert gw.post("/key/generate", {}, key=gw.key(user_id="u")).status == 200


def test_killed_in_between_nothing_is_lost(start, mock):
    gw = start([("m", to(mock, "plain?prompt=50&out=10&ttft=200"))], "router_settings: {num_retries: 0}\n", workers=2)
    k = gw.key(model_max_budget={"m": 1000})
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(gw.ask, "m", key=k, max_tokens=10) for _ in range(8)]
        time.sleep(0.1)
        gw.kill()
        for a in asked:
            try:
                a.result()
            except OSError:
                pass
    gw.start()
    until(lambda: abs(info(gw, k)["model_spend"]["m"] - sum(r["spend"] for r in gw.spend_rows())) < 1e-9
          and len(gw.spend_rows()) == 8)


def test_which_tokens_count(start, mock):
    config = "general_settings:\n  token_rate_limit_type: {}\nrouter_settings: {{num_retries: 0}}\n"

    for which, n in (("total", 60), ("input", 50), ("output", 10)):
        gw = start([("m", to(mock))], config.format(which))
        k = gw.key(model_tpm_limit={"m": 10000}, tpm_limit=1000)
        assert gw.ask("m", key=k).status == 200
        until(lambda: len(gw.spend_rows()) == 1)
        h = gw.ask("m", key=k, headers={"x-litellm-num-retries": "0"}).headers
        for owner, limit in (("api_key", 1000), ("model_per_key", 10000)):
            got = limit - int(h[f"x-ratelimit-{owner}-remaining-tokens"])
            # 60, 50 or 10 of the first, less what came back meanwhile; of the second as many, or its estimate.
            assert n - limit // 60 - 2 <= got <= 2 * n + 20, (which, owner, got)
        gw.stop()
    for which, limit, want in (("output", 25, [200, 200, 200, 429]), ("input", 115, [200, 200, 200, 429]),
                               ("total", 115, [200, 200, 429, 429])):
        gw = start([("m", to(mock))], config.format(which))
        k = gw.key(model_tpm_limit={"m": limit})
        assert [gw.ask("m", key=k).status for _ in range(4)] == want, which
        gw.stop()


def test_limits_of_every_key_for_a_deployment(start, mock):
    gw = start([("m", to(mock, default_api_key_rpm_limit=4)), ("m", to(mock, "other", default_api_key_rpm_limit=9)),
                ("t", to(mock, default_api_key_tpm_limit=115)), ("n", to(mock))],
               "router_settings: {num_retries: 0, model_group_alias: {alias: m}}\n", workers=2)
    a, b, own = gw.key(), gw.key(max_budget=100), gw.key(model_rpm_limit={"m": 6})
    answers = many(gw, 12, a)
    assert statuses(answers) == [200] * 4 + [429] * 8       # exactly, over both workers
    assert next(x for x in answers if x.status == 200).headers["x-ratelimit-model_per_key-limit-requests"] == "4"
    refused = next(x for x in answers if x.status == 429)
    assert "model_per_key: sk-..." in refused.json["error"]["message"] and 0 < int(refused.headers["retry-after"]) <= 60
    assert gw.ask("alias", key=a).status == 429 and gw.ask("n", key=a).status == 200
    assert statuses(many(gw, 6, b)) == [200] * 4 + [429] * 2    # each key for itself; money goes its way beside
    assert statuses(many(gw, 9, own)) == [200] * 6 + [429] * 3  # its own word is above it, more or less
    assert [gw.ask("t", key=a).status for _ in range(4)] == [200, 200, 429, 429]
    assert statuses(many(gw, 9, None)) == [200] * 9         # the administrator's key has no limits
    until(lambda: len(gw.spend_rows()) == 4 + 4 + 6 + 1 + 2 + 9)
    gw.ctl("reload")
    assert gw.ask("m", key=a).status == 429


def spend_all(gw, key, **extra):
    """How many requests are answered until one is refused."""
    for n in range(20):
        a = gw.ask("m", key=key, max_tokens=10, **extra)
        if a.status == 429:
            return n
        assert a.status == 200, a
    return None


def test_a_budgets_models_hold_for_whoever_has_it(start, mock):
    """Each spends by itself what the budget says; 50 + 10 tokens cost 0.07."""
    gw = gateway(start, mock)
    small = {"m": {"budget_limit": 0.3, "time_period": "30d"}, "n": {"rpm_limit": 1}}
    made = gw.post("/budget/new", {"budget_id": "b", "model_max_budget": small})
    assert made.status == 200 and "llmgw_warnings" not in made.json and made.json["model_max_budget"] == small
    one, two, free = gw.key(budget_id="b"), gw.key(budget_id="b"), gw.key()
    n = spend_all(gw, one)
    assert 2 <= n <= 4 and spend_all(gw, two) == n, "each for itself"
    assert [gw.ask("n", key=one).status for _ in range(2)] == [200, 429] and gw.ask("openai/p", key=one).status == 200
    assert info(gw, one)["model_spend"] == {"m": round(0.07 * n, 2)} and info(gw, one)["model_max_budget_of_budget"] == small
    gw.post("/team/new", {"team_id": "t", "budget_id": "b"})
    gw.post("/customer/new", {"user_id": "c", "budget_id": "b"})
    in_team = gw.key(team_id="t")
    assert spend_all(gw, in_team) == spend_all(gw, free, user="c") == n and gw.ask("m", key=free).status == 200
    own = gw.key(budget_id="b", model_max_budget={"m": {"budget_limit": 0.2}})
    assert 0 < spend_all(gw, own) < n, "a limit of its own goes before"
    assert [gw.ask("n", key=own).status for _ in range(2)] == [200, 429], "what it does not limit the budget does"

    assert gw.post("/budget/update", {"budget_id": "b", "model_max_budget": {"m": {"budget_limit": 0.65}}}).status == 200
    assert spend_all(gw, one) == spend_all(gw, in_team) == spend_all(gw, free, user="c") == 5, "all see it at once"
    assert gw.ask("n", key=one).status == 200 and spend_all(gw, own) == 0
    gw.kill()
    gw.start()
    assert spend_all(gw, one) == spend_all(gw, in_team) == spend_all(gw, free, user="c") == 0, "and so does a new start"
    assert spend_all(gw, own) == 0

    gw.post("/key/update", {"key": one, "budget_id": None})
    assert gw.ask("m", key=one).status == 200 and "model_max_budget_of_budget" not in info(gw, one)
    gw.post("/key/update", {"key": one, "budget_id": "b"})
    assert 0 < spend_all(gw, one) < 20, "it is lent again"
    assert gw.post("/budget/delete", {"id": "b"}).status == 200
    assert spend_all(gw, two) is spend_all(gw, in_team) is spend_all(gw, free, user="c") is None
    assert spend_all(gw, own) == 0
    for wrong in ({"m": {"budget_limit": -1}}, {"m": {"time_period": "soon"}}, []):
        assert gw.post("/budget/new", {"budget_id": "w", "model_max_budget": wrong}).status == 400, wrong
