# SPDX-License-Identifier: MIT
"""`llmgwctl import litellm --database-url`: what a dump brings, the database itself brings, too; rows
are read as they come; and nobody gets to see a password."""
import json
import os
import pathlib
import subprocess
import time

import pytest

from gateway import PATIENCE
from postgres import PASSWORD, QUOTED, Postgres, programs
from test_ctl import CTL, make, run
from test_import import DUMP, HASH, TEXT

pytestmark = pytest.mark.skipif(programs() is None, reason="PostgreSQL's server is not installed")
sanitizers_take_more = pytest.mark.skipif(PATIENCE != 1, reason="a sanitizer takes memory, and wants to be loaded first")

# LiteLLM's tables, as its migrations make them, as far as somebody looks at them
TABLES = """
CREATE TABLE "LiteLLM_BudgetTable" (budget_id text PRIMARY KEY, max_budget double precision,
 soft_budget double precision, max_parallel_requests integer, tpm_limit bigint, rpm_limit bigint,
 model_max_budget jsonb, budget_duration text, budget_reset_at timestamp(3), created_at timestamp(3) DEFAULT now());
CREATE TABLE "LiteLLM_CredentialsTable" (credential_id text PRIMARY KEY, credential_name text UNIQUE,
 credential_values jsonb, credential_info jsonb);
CREATE TABLE "LiteLLM_EndUserTable" (user_id text PRIMARY KEY, alias text, spend double precision,
 allowed_model_region text, default_model text, budget_id text, blocked boolean);
CREATE TABLE "LiteLLM_ProxyModelTable" (model_id text PRIMARY KEY, model_name text, litellm_params jsonb,
 model_info jsonb);
CREATE TABLE "LiteLLM_SpendLogs" (request_id text PRIMARY KEY, call_type text, api_key text, spend double precision,
 total_tokens integer, prompt_tokens integer, completion_tokens integer, "startTime" timestamp(3), "endTime" timestamp(3),
 "completionStartTime" timestamp(3), model text, model_id text, model_group text, custom_llm_provider text,
 api_base text, "user" text, metadata jsonb, cache_hit text, request_tags jsonb, team_id text, organization_id text,
 end_user text, requester_ip_address text, messages jsonb, response jsonb, status text);
CREATE TABLE "LiteLLM_OrganizationTable" (organization_id text PRIMARY KEY, organization_alias text, budget_id text,
 metadata jsonb, models text[], spend double precision);
CREATE TABLE "LiteLLM_OrganizationMembership" (user_id text, organization_id text, user_role text,
 spend double precision DEFAULT 0, budget_id text, PRIMARY KEY (user_id, organization_id));
CREATE TABLE "LiteLLM_TeamMembership" (user_id text, team_id text, spend double precision, budget_id text,
 PRIMARY KEY (user_id, team_id));
CREATE TABLE "LiteLLM_TeamTable" (team_id text PRIMARY KEY, team_alias text, members_with_roles jsonb,
 metadata jsonb, max_budget double precision, spend double precision, models text[], blocked boolean);
CREATE TABLE "LiteLLM_UserTable" (user_id text PRIMARY KEY, user_alias text, user_email text, user_role text,
 models text[], spend double precision, max_budget double precision, metadata jsonb DEFAULT '{}');
CREATE TABLE "LiteLLM_VerificationToken" (token text PRIMARY KEY, key_name text, key_alias text,
 spend double precision, expires timestamp(3), models text[], aliases jsonb, config jsonb, user_id text, team_id text,
 permissions jsonb, max_parallel_requests integer, metadata jsonb, blocked boolean, tpm_limit bigint,
 rpm_limit bigint, max_budget double precision, budget_duration text, budget_reset_at timestamp(3));
"""


@pytest.fixture(scope="module")
def pg():
    server = Postgres()
    server.sql("CREATE DATABASE litellm; CREATE DATABASE other; CREATE ROLE reader LOGIN PASSWORD 'reads-little'")
    server.sql(TABLES + DUMP, "litellm")
    yield server
    server.close()


@pytest.fixture
def gw(tmp_path, mock_process):
    g = make(tmp_path, mock_process, env={**os.environ, "LLMGW_SALT_KEY": "a salt of the gateway"})
    g.start()
    yield g
    g.stop()


def bring(gw, *args, url=None, **kw):
    env = {"LITELLM_SALT_KEY": "salt of old", **({"DATABASE_URL": url} if url else {}), **kw.pop("env", {})}
    p = run("--socket", gw.tmp / "run" / "control.sock", "--json", "import", "litellm", *args, env=env, **kw)
    for secret in (PASSWORD, QUOTED, "reads-little"):
        assert secret not in p.stdout + p.stderr, p
    return p


def kinds(p):
    assert p.stdout, p
    return {k["kind"]: {n: k[n] for n in ("found", "created", "exists", "refused")} for k in json.loads(p.stdout)["kinds"]}


def test_the_database_brings_what_its_dump_brings(gw, pg, tmp_path, mock_process):
    tried = kinds(bring(gw, "--dry-run", url=pg.url()))
    assert tried["key"]["found"] == 4 and tried["key"]["created"] == 0 and gw.ask("m", key=TEXT).status == 401
    p = bring(gw, url=pg.url())
    assert p.returncode == 1                   # six rows cannot be taken, as there
    refused = [(r["kind"], r["name"]) for r in json.loads(p.stdout)["refused"]]
    assert sorted(refused) == [("credential", "broken"), ("key", "nohash"), ("membership", "u-1"), ("membership", "u-2"),
                               ("org-member", "u-1"), ("org-member", "u-9")]
    assert gw.ask("m", key=TEXT).status == 200
    key = gw.ctl_json("keys", "show", HASH)["info"]
    assert (key["key_alias"], key["rpm_limit"], key["max_budget"]) == ("carried", 77, 9.25)
    assert key["expires"].startswith("2099-12-31T23:59:59.5") and key["budget_reset_at"].startswith("2099-02-01")
    team = gw.ctl_json("teams", "show", "team-1")["team_info"]
    assert team["team_alias"] == '"Quoted" \\ team' and team["models"] == ["m", "with, comma"]

    (tmp_path / "second").mkdir()
    other = make(tmp_path / "second", mock_process, env={**os.environ, "LLMGW_SALT_KEY": "a salt of the gateway"})
    other.start()
    (tmp_path / "litellm.sql").write_text(DUMP)
    dumped = kinds(run("--socket", other.tmp / "run" / "control.sock", "--json", "import", "litellm", "--dump",
                       tmp_path / "litellm.sql", env={"LITELLM_SALT_KEY": "salt of old"}))
    other.stop()
    assert kinds(p) == dumped
    again = kinds(bring(gw, url=pg.url()))
    assert not any(k["created"] for k in again.values()) and again["key"]["exists"] == 3


def test_ways_to_give_the_password(gw, pg, tmp_path):
    found = kinds(bring(gw, "--dry-run", url=pg.url()))
    bare = pg.url(password=None)
    p = bring(gw, "--dry-run", "--database-url", bare, env={"PGPASSWORD": PASSWORD})
    assert kinds(p) == found and "command line" not in p.stderr
    (tmp_path / "pgpass").write_text(f"127.0.0.1:{pg.port}:*:litellm:{PASSWORD.replace(':', chr(92) + ':')}\n")
    (tmp_path / "pgpass").chmod(0o600)
    assert kinds(bring(gw, "--dry-run", "--database-url", bare, env={"PGPASSFILE": str(tmp_path / "pgpass")})) == found
    p = bring(gw, "--dry-run", "--database-url", pg.url())
    assert kinds(p) == found and "a password on the command line can be seen" in p.stderr
    p = subprocess.run([CTL, "--socket", gw.tmp / "run" / "control.sock", "--json", "import", "litellm", "--dry-run",
                        "--database-url", "-"], input=pg.url() + "\n", capture_output=True, text=True, timeout=60,
                       env={**os.environ, "LITELLM_SALT_KEY": "salt of old"})
    assert kinds(p) == found
    # as Prisma writes it, with words that libpq does not know
    p = bring(gw, "--dry-run", url=pg.url(more="?connection_limit=5&schema=public&sslmode=disable&pool_timeout=9"))
    assert kinds(p) == found


def test_a_password_leaves_the_process_list(gw, pg):
    pg.sql("CREATE SCHEMA IF NOT EXISTS locked; CREATE TABLE IF NOT EXISTS locked.\"LiteLLM_VerificationToken\" (token text)",
           "litellm")
    holder = subprocess.Popen([pg.bin / "psql", "-qAt", "-h", "127.0.0.1", "-p", str(pg.port), "-U", "litellm", "-d",
                               "litellm"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                              env={**os.environ, "PGPASSWORD": PASSWORD})
    holder.stdin.write('BEGIN; LOCK TABLE locked."LiteLLM_VerificationToken"; SELECT 1;\n')
    holder.stdin.flush()
    assert holder.stdout.readline() == "1\n"
    p = subprocess.Popen([CTL, "--socket", gw.tmp / "run" / "control.sock", "--timeout", "3s", "import", "litellm",
                          "--database-url", pg.url(more="?schema=locked")], stderr=subprocess.PIPE, text=True)
    time.sleep(1)
    shown = pathlib.Path(f"/proc/{p.pid}/cmdline").read_text()
    assert "import" in shown and QUOTED not in shown
    _, err = p.communicate(timeout=20)
    assert p.returncode == 7 and "has said nothing for 3 s" in err and "--timeout" in err, err
    holder.stdin.close()
    holder.wait(10)


def test_what_is_wrong_is_told_with_what_to_do(gw, pg):
    pg.sql("GRANT CONNECT ON DATABASE litellm TO reader", "litellm")
    for url, code, says, to_do in (
            (pg.url(password="reads-little"), 4, "authentication failed", "PGPASSWORD"),
            (pg.url(password=None), 4, "password", ".pgpass"),
            (pg.url(database="other"), 1, "not LiteLLM's database", "?schema=NAME"),
            (pg.url(database="none-such"), 1, "does not exist", "pg_hba.conf"),
            (pg.url(more="?schema=nowhere"), 1, "another schema", "?schema=NAME"),
            (pg.url(user="reader", password="reads-little"), 4, "permission denied", "GRANT USAGE"),
            ("postgresql://litellm:reads-little@127.0.0.1:1/x", 1, "refused", "reachable"),
            ("postgresql://litellm:reads-little@127.0.0.1:port/x", 2, "it is not shown", "%40"),
            ("postgresql://litellm:reads@little@127.0.0.1/x", 2, "it is not shown", "%40"),
            ("postgresql://litellm:reads/little@127.0.0.1/x", 2, "it is not shown", "%40"),
            ("mysql://litellm:reads-little@127.0.0.1/x", 2, "it is not shown", "postgresql://"),
            ("host=x password=reads-little", 2, "it is not shown", "postgresql://")):
        p = bring(gw, url=url, env={"PGPASSFILE": "/nonexistent"})
        assert p.returncode == code and says in p.stderr and to_do in p.stderr, (url, p)
        assert "reads" not in p.stderr and "little" not in p.stderr
    p = bring(gw)
    assert p.returncode == 2 and "--dump FILE" in p.stderr and "DATABASE_URL" in p.stderr, p


@sanitizers_take_more
def test_without_the_library_it_says_which(gw, pg, tmp_path):
    (tmp_path / "shim.c").write_text("#include <stddef.h>\nvoid *dlopen(const char *n, int f)\n"
                                     "{ (void)n; (void)f; return NULL; }\n")
    subprocess.run(["cc", "-shared", "-fPIC", "-o", tmp_path / "shim.so", tmp_path / "shim.c"], check=True)
    p = bring(gw, url=pg.url(), env={"LD_PRELOAD": str(tmp_path / "shim.so")})
    assert p.returncode == 1 and "libpq.so.5" in p.stderr and "libpq5" in p.stderr, p


@sanitizers_take_more
def test_many_rows_take_no_memory(gw, pg):
    pg.sql("CREATE SCHEMA many; SET search_path = many;" + TABLES + """INSERT INTO "LiteLLM_EndUserTable"
        SELECT 'customer-' || n, repeat('x', 1000), 0, NULL, NULL, NULL, false FROM generate_series(1, 200000) n""",
           "litellm")
    p = subprocess.Popen([CTL, "--socket", gw.tmp / "run" / "control.sock", "--json", "import", "litellm", "--dry-run"],
                         stdout=subprocess.PIPE, text=True,
                         env={**os.environ, "DATABASE_URL": pg.url(more="?schema=many")})
    most = 0                    # of this program: what wait4() tells may be of the one that started it
    while p.poll() is None:
        status = pathlib.Path(f"/proc/{p.pid}/status").read_text()
        if "llmgwctl" in status.splitlines()[0] and "VmHWM" in status:
            most = max(most, int(status.split("VmHWM:")[1].split()[0]))
        time.sleep(0.01)
    assert p.returncode == 0 and {k["kind"]: k["found"] for k in json.load(p.stdout)["kinds"]}["customer"] == 200000
    assert 0 < most < 64 * 1024, "kilobytes; the rows are 200 megabytes"


def test_single_requests_by_the_thousand(gw, pg):
    pg.sql("CREATE SCHEMA spending; SET search_path = spending;" + TABLES + """INSERT INTO "LiteLLM_SpendLogs"
        (request_id, call_type, api_key, spend, prompt_tokens, completion_tokens, "startTime", "endTime", model,
         model_group, custom_llm_provider, request_tags, messages, response, status)
        SELECT 'chatcmpl-' || n, 'acompletion', encode(sha256(('key' || n % 50)::bytea), 'hex'), 0.001, 100, 20,
         timestamp '2024-05-01' + n * interval '1 second', timestamp '2024-05-01' + n * interval '1 second', 'gpt-x', 'x',
         'openai', '["red"]', '{}', '{}', 'success' FROM generate_series(1, 5000) n""", "litellm")
    for created in (5000, 0):
        p = bring(gw, "--spend-logs", url=pg.url(more="?schema=spending"))
        told = kinds(p)["spend"]
        assert p.returncode == 0 and told == {"found": 5000, "created": created, "exists": 5000 - created, "refused": 0}
        sums = gw.get("/user/daily/activity?start_date=2024-05-01&end_date=2024-05-02").json["metadata"]
        assert (sums["total_spend"], sums["total_api_requests"], sums["total_tokens"]) == (5, 5000, 600000)
