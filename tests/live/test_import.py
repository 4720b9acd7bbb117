# SPDX-License-Identifier: MIT
"""What a LiteLLM database holds, taken from a dump made by hand: clients keep their keys, rows that
cannot be taken are named, and a second time changes nothing."""
import hashlib
import json
import os

import pytest

from test_ctl import make, run

TEXT = "sk-carried-over-0123"
HASH = hashlib.sha256(TEXT.encode()).hexdigest()
BLOCKED = hashlib.sha256(b"sk-blocked-one").hexdigest()
EXPIRED = hashlib.sha256(b"sk-expired-one").hexdigest()
# openai/plain and sk-provider, sealed as LiteLLM does with the salt key "salt of old"
DUMP = f"""--
-- PostgreSQL database dump
--
SET client_encoding = 'UTF8';

COPY public."LiteLLM_BudgetTable" (budget_id, max_budget, soft_budget, max_parallel_requests, tpm_limit, rpm_limit, model_max_budget, budget_duration, budget_reset_at) FROM stdin;
free	12.5	\\N	\\N	\\N	100	\\N	30d	2099-01-01 00:00:00
of-member	1.5	\\N	\\N	\\N	\\N	\\N	\\N	\\N
\\.

COPY public."LiteLLM_CredentialsTable" (credential_id, credential_name, credential_values, credential_info) FROM stdin;
1	broken	{{"api_key": "bm90IHNlYWxlZA=="}}	{{}}
\\.

COPY public."LiteLLM_EndUserTable" (user_id, alias, spend, allowed_model_region, default_model, budget_id, blocked) FROM stdin;
cust\\ttab	\\N	0.25	\\N	\\N	free	f
\\.

COPY public."LiteLLM_OrganizationMembership" (user_id, organization_id, user_role, spend, budget_id) FROM stdin;
u-1	org-1	org_admin	0.75	of-member
u-1	org-9	org_admin	0	\\N
u-9	org-1	\\N	0	\\N
\\.

COPY public."LiteLLM_OrganizationTable" (organization_id, organization_alias, budget_id, metadata, models, spend) FROM stdin;
org-1	Science	free	{{}}	{{}}	1.25
\\.

COPY public."LiteLLM_ProxyModelTable" (model_id, model_name, litellm_params, model_info) FROM stdin;
model-1	imported	{{"model": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXcts-9klWvslutpw8R66Wf5bSfPqNOBFXIMOFPg==", "api_key": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXgcpcqc_ySkGBCgFsl1F3BIrJNOSePkhOKMee", "rpm": 900}}	{{"id": "x", "mode": "chat"}}
\\.

COPY public."LiteLLM_SpendLogs" (request_id, spend) FROM stdin;
whatever	1
\\.

COPY public."LiteLLM_TeamMembership" (user_id, team_id, spend, budget_id) FROM stdin;
u-1	team-1	0.5	of-member
u-2	team-1	0.25	\\N
u-2	team-9	0	of-member
u-1	team-1-not	0	none-such
\\.

COPY public."LiteLLM_TeamTable" (team_id, team_alias, members_with_roles, metadata, max_budget, spend, models, blocked) FROM stdin;
team-1	"Quoted" \\\\ team	[{{"role": "admin", "user_id": "u-1"}}, {{"role": "user", "user_id": "u-2"}}]	{{"a": "b\\\\nc"}}	100	1.5e-05	{{m,"with, comma"}}	f
\\.

COPY public."LiteLLM_UserTable" (user_id, user_alias, user_email, user_role, models, spend, max_budget) FROM stdin;
u-1	Ünï	u1@example.com	internal_user	{{}}	3.5	50
\\.

COPY public."LiteLLM_VerificationToken" (token, key_name, key_alias, spend, expires, models, aliases, config, user_id, team_id, permissions, max_parallel_requests, metadata, blocked, tpm_limit, rpm_limit, max_budget, budget_duration, budget_reset_at) FROM stdin;
{HASH}	sk-...0123	carried	0.75	2099-12-31 23:59:59.5	{{m}}	{{}}	{{}}	u-1	team-1	{{}}	\\N	{{"tags": ["x"]}}	\\N	1000	77	9.25	1mo	2099-02-01 00:00:00
{BLOCKED}	sk-...-one	\\N	0	\\N	{{}}	{{}}	{{}}	\\N	\\N	{{}}	\\N	{{}}	t	\\N	\\N	\\N	\\N	\\N
{EXPIRED}	sk-...-one	\\N	0	2020-01-01 00:00:00	{{}}	{{}}	{{}}	\\N	\\N	{{}}	\\N	{{}}	f	\\N	\\N	\\N	\\N	\\N
nohash	sk-...	\\N	0	\\N	{{}}	{{}}	{{}}	\\N	\\N	{{}}	\\N	{{}}	f	\\N	\\N	\\N	\\N	\\N
\\.

--
-- PostgreSQL database dump complete
--
"""


@pytest.fixture
def gw(tmp_path, mock_process):
    g = make(tmp_path, mock_process, env={**os.environ, "LLMGW_SALT_KEY": "a salt of the gateway"})
    g.start()
    yield g
    g.stop()


@pytest.fixture
def dump(tmp_path):
    path = tmp_path / "litellm.sql"
    path.write_text(DUMP)
    return path


def bring(gw, dump, *args):
    r = run("--socket", gw.tmp / "run" / "control.sock", "--json", "import", "litellm", "--dump", dump, *args,
            env={"LITELLM_SALT_KEY": "salt of old"})
    assert r.stdout, r
    answer = json.loads(r.stdout)
    return r.returncode, {k["kind"]: k for k in answer["kinds"]}, answer["refused"]


def test_keys_and_all_above_them_are_taken_once(gw, dump):
    _, kinds, _ = bring(gw, dump, "--dry-run")
    assert kinds["key"]["found"] == 4 and kinds["key"]["created"] == 0
    assert gw.ask("m", key=TEXT).status == 401

    code, kinds, refused = bring(gw, dump)
    assert code == 1
    assert [(r["kind"], r["name"]) for r in refused] == [
        ("org-member", "u-1"), ("org-member", "u-9"), ("membership", "u-2"), ("membership", "u-1"), ("key", "nohash"),
        ("credential", "broken")]
    assert [r["why"] for r in refused[:3]] == ["there is no such organization", "there is no such user",
                                               "there is no such team"]
    assert "credential_values.api_key cannot be decrypted" in refused[5]["why"]
    assert {k: v["created"] for k, v in kinds.items()} == {
        "budget": 2, "organization": 1, "user": 1, "org-member": 1, "team": 1, "member": 2, "membership": 1, "key": 3, "customer": 1, "tag": 0,
        "credential": 0, "model": 1}
    model = next(m for m in gw.ctl_json("models")["models"] if m["model_name"] == "imported")
    assert (model["id"], model["upstream_model"], model["provider"]) == ("model-1", "plain", "openai")

    assert gw.ask("m", key=TEXT).status == 200
    assert gw.ask("m", key="sk-blocked-one").status in (401, 403)
    assert gw.ask("m", key="sk-expired-one").status in (400, 401)
    science = gw.ctl_json("orgs", "show", "org-1")
    assert [(m["user_id"], m["user_role"], m["budget_id"]) for m in science["members"]] == [("u-1", "org_admin", "of-member")]
    key = gw.ctl_json("keys", "show", HASH)["info"]
    assert (key["key_alias"], key["user_id"], key["team_id"], key["rpm_limit"]) == ("carried", "u-1", "team-1", 77)
    assert key["max_budget"] == 9.25 and key["spend"] >= 0.75
    assert key["expires"].startswith("2099-12-31T23:59:59.5") and key["budget_reset_at"].startswith("2099-02-01")
    team = gw.ctl_json("teams", "show", "team-1")["team_info"]
    assert team["team_alias"] == '"Quoted" \\ team' and team["models"] == ["m", "with, comma"]
    assert team["metadata"]["a"] == "b\nc"
    assert [m["user_id"] for m in team["members_with_roles"]] == ["u-1", "u-2"]

    code, kinds, _ = bring(gw, dump)
    assert not any(k["created"] or k["replaced"] for k in kinds.values())
    assert kinds["key"]["exists"] == 3 and kinds["member"]["exists"] == 2

    gw.ctl_json("keys", "update", HASH, "--rpm-limit", "5")
    _, kinds, _ = bring(gw, dump, "--overwrite")
    assert kinds["key"]["replaced"] == 3
    assert gw.ctl_json("keys", "show", HASH)["info"]["rpm_limit"] == 77


@pytest.mark.parametrize("text,says", [
    ("PGDMP\x01\x0e", "--format=plain"),
    ("INSERT INTO x VALUES (1);\n", "COPY"),
    (DUMP[:DUMP.index("\\.")], "cut off"),
    (DUMP.replace("\tf\n\\.", "\tf\textra\n\\.", 1), "not as many values"),
])
def test_what_is_no_such_dump_is_told(gw, tmp_path, text, says):
    path = tmp_path / "other"
    path.write_text(text)
    r = run("--socket", gw.tmp / "run" / "control.sock", "import", "litellm", "--dump", path)
    assert r.returncode != 0 and says in r.stderr, r


def spend_row(request, key, spend, start, **more):
    row = {"request_id": request, "call_type": "acompletion", "api_key": key, "spend": spend, "prompt_tokens": 10,
           "completion_tokens": 5, "startTime": start, "endTime": start, "completionStartTime": "\\N", "model": "gpt-x",
           "model_id": "", "model_group": "x", "custom_llm_provider": "openai", "api_base": "https://api.example",
           "user": "", "metadata": "{}", "cache_hit": "False", "request_tags": "[]", "team_id": "\\N",
           "organization_id": "\\N", "end_user": "", "requester_ip_address": "", "status": "success",
           "messages": "{}", "response": "{}"}
    return {**row, **more}


GONE = hashlib.sha256(b"sk-long-gone").hexdigest()
SPENT = [
    spend_row("chatcmpl-1", HASH, "0.25", "2024-05-01 10:00:00", team_id="team-1", request_tags='["red", "blue"]'),
    spend_row("8f14e45f-ceea-467f-9a1c-000000000001", HASH, "1.5e-05", "2024-05-01 11:00:00", end_user="cust",
              requester_ip_address="10.1.2.3", call_type="embedding"),
    spend_row("chatcmpl-2", GONE, "2", "2024-05-02 10:00:00", user="u-1", status="failure"),
    spend_row("chatcmpl-3", "litellm_proxy_master_key", "0.5", "2024-05-02 12:00:00", cache_hit="True"),
    spend_row("chatcmpl-4", HASH, "-1", "2024-05-02 12:00:00"),
]


def with_spending():
    columns = SPENT[0].keys()
    block = 'COPY public."LiteLLM_SpendLogs" (%s) FROM stdin;\n' % ", ".join(f'"{c}"' for c in columns)
    block += "".join("\t".join(str(r[c]) for c in columns) + "\n" for r in SPENT) + "\\.\n"
    start = DUMP.index('COPY public."LiteLLM_SpendLogs"')
    return DUMP[:start] + block + DUMP[DUMP.index("\\.\n", start) + 3:]


def spent(gw):
    told = gw.get("/user/daily/activity?start_date=2024-05-01&end_date=2024-05-03").json["metadata"]
    return {k: told[k] for k in ("total_spend", "total_api_requests", "total_failed_requests", "total_tokens")}


def test_single_requests_come_once_and_nobody_pays_again(gw, tmp_path):
    path = tmp_path / "spending.sql"
    path.write_text(with_spending())
    _, kinds, _ = bring(gw, path)
    assert "spend" not in kinds and gw.spend_rows() == []
    before = gw.ctl_json("keys", "show", HASH)["info"]["spend"]
    _, kinds, refused = bring(gw, path, "--spend-logs", "--dry-run")
    assert kinds["spend"]["found"] == 5 and gw.spend_rows() == []
    _, kinds, refused = bring(gw, path, "--spend-logs")
    assert {k: kinds["spend"][k] for k in ("found", "created", "exists", "refused")} == {
        "found": 5, "created": 4, "exists": 0, "refused": 1}
    assert [r["why"] for r in refused if r["kind"] == "spend"] == ["spend is no amount of dollars"]
    assert gw.ctl_json("keys", "show", HASH)["info"]["spend"] == before

    rows = {r["startTime"][:16]: r for r in gw.spend_rows()}
    one = rows["2024-05-01T10:00"]
    assert (one["api_key"], one["spend"], one["team_id"], one["call_type"]) == (HASH, 0.25, "team-1", "acompletion")
    assert sorted(one["request_tags"]) == ["blue", "red"] and one["model_group"] == "x" and one["model"] == "gpt-x"
    two = rows["2024-05-01T11:00"]
    assert two["request_id"] == "8f14e45f-ceea-467f-9a1c-000000000001" and two["requester_ip_address"] == "10.1.2.3"
    assert (two["end_user"], two["spend"], two["call_type"]) == ("cust", 1.5e-05, "aembedding")
    assert rows["2024-05-02T10:00"]["api_key"] == GONE and rows["2024-05-02T10:00"]["user"] == "u-1"
    assert rows["2024-05-02T12:00"]["api_key"] not in (HASH, GONE)
    sums = spent(gw)
    assert sums == {"total_spend": 2.750015, "total_api_requests": 4, "total_failed_requests": 1, "total_tokens": 60}

    _, kinds, _ = bring(gw, path, "--spend-logs", "--overwrite")
    assert kinds["spend"]["created"] == 0 and kinds["spend"]["exists"] == 4
    assert spent(gw) == sums
    audit = gw.ctl_json("audit", "list", "--table-name", "LiteLLM_SpendLogs")["audit_logs"]
    assert [a["updated_values"]["rows"] for a in audit] == [4]
    made = gw.key(key_alias="made-after")         # whose number is nobody else's
    assert gw.ask("m", key=made).status == 200
    assert [r["key_alias"] for r in gw.spend_rows(wait_for=5)].count("made-after") == 1


def test_rows_that_retention_has_deleted_do_not_come_again(tmp_path, mock_process):
    g = make(tmp_path, mock_process, env={**os.environ, "LLMGW_SALT_KEY": "a salt of the gateway"})
    g.start()
    (tmp_path / "spending.sql").write_text(with_spending())
    _, kinds, _ = bring(g, tmp_path / "spending.sql", "--spend-logs")
    assert kinds["spend"]["created"] == 4
    sums = spent(g)
    g.stop()
    g.config.write_text(g.config.read_text().replace("general_settings:\n", "general_settings:\n"
        "  maximum_spend_logs_retention_period: 1d\n"))
    g.start()
    g.wait_log("spend.pruned", rows=4)
    assert sums["total_api_requests"] == 4 and g.spend_rows() == []
    _, kinds, _ = bring(g, tmp_path / "spending.sql", "--spend-logs")
    assert kinds["spend"]["created"] == 0 and kinds["spend"]["exists"] == 4
    assert spent(g) == sums
    g.stop()


def test_what_members_may_spend_of_a_team(gw, dump):
    """Their budgets and what they have spent hold from the first request on."""
    _, kinds, _ = bring(gw, dump)
    assert kinds["membership"] == {"kind": "membership", "found": 4, "created": 1, "replaced": 0, "exists": 1, "refused": 2}
    shown = gw.ctl_json("teams", "show", "team-1")["team_memberships"]
    mine = next(m for m in shown if m["user_id"] == "u-1")
    assert mine["spend"] == 0.5 and mine["budget_id"] == "of-member", shown
    assert gw.ask("m", key=TEXT).status == 200
    dump.write_text(DUMP.replace("u-1\tteam-1\t0.5\t", "u-1\tteam-1\t2\t"))
    _, kinds, _ = bring(gw, dump)
    assert kinds["membership"]["exists"] == 2 and gw.ask("m", key=TEXT).status == 200
    _, kinds, _ = bring(gw, dump, "--overwrite")
    assert kinds["membership"]["replaced"] == 1
    refused = gw.ask("m", key=TEXT)
    assert refused.status in (400, 429) and "budget" in refused.json["error"]["type"], refused
    gw.stop()
    gw.start()
    assert gw.ask("m", key=TEXT).status == refused.status
