# SPDX-License-Identifier: MIT
"""X3: where the gateway connects to, whatever a name resolves to or however an address is written.
Who has the master key, or writes the configuration, may name private hosts; others may not."""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

import pytest

from gateway import until
from egress_inside import QUICK, STORE, add, refused, stranger
from sink import Sink
from test_export import env_of, told

NETWORK = """
set -e
ip link set lo up
for a in 93.184.215.14/32 93.184.215.15/32 10.9.8.7/32 169.254.169.254/32 100.100.100.200/32; do ip addr add $a dev lo; done
for a in fd12::7/128 fd00:ec2::254/128 fd20:ce::254/128; do ip -6 addr add $a dev lo nodad; done
mount --bind "$1/resolv.conf" /etc/resolv.conf
mount --bind "$1/nsswitch.conf" /etc/nsswitch.conf
shift
exec "$@"
"""
UNSHARE = ["unshare", "--net", "--mount", "--propagation", "private", "sh", "-c"]


def can_unshare():
    return shutil.which("unshare") and shutil.which("ip") and subprocess.run(
        [*UNSHARE, "ip link set lo up && mount --bind /dev/null /etc/resolv.conf"], capture_output=True).returncode == 0


def test_in_a_network_of_its_own(tmp_path):
    if not can_unshare():
        pytest.skip("no namespaces for networks and mounts here, or no iproute2")
    (tmp_path / "resolv.conf").write_text("nameserver 127.0.0.53\noptions timeout:2 attempts:1\n")
    (tmp_path / "nsswitch.conf").write_text("hosts: files dns\npasswd: files\ngroup: files\n")
    base = tempfile.mkdtemp(prefix="lg")     # names of sockets are short
    inside = pathlib.Path(__file__).with_name("egress_inside.py")
    got = subprocess.run([*UNSHARE, NETWORK, "sh", tmp_path, sys.executable, "-m", "pytest", inside, "-q", "-p", "no:cacheprovider",
                          "-p", "no:xdist", "--basetemp", base + "/t"],
                         capture_output=True, text=True, env={**os.environ, "PYTEST_ADDOPTS": ""})
    shutil.rmtree(base, ignore_errors=True)
    assert got.returncode == 0 and " passed" in got.stdout and "skipped" not in got.stdout, got.stdout + got.stderr


@pytest.fixture
def gw(start, mock):
    g = start([("m", "plain")], QUICK + STORE, workers=1)
    g.mock = mock
    return g


def at(gw, host, **more):
    return {"model": "openai/plain", "api_base": f"http://{host}:{gw.mock.port}/v1", "api_key": "sk-x", **more}


HOSTS = ["127.0.0.1", "localhost", "0x7f000001", "0x7f.1", "0177.0.0.1", "017700000001", "2130706433", "127.1", "127.0.1",
         "0.0.0.0", "0", "[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::127.0.0.1]", "[::]", "169.254.169.254",
         "10.0.0.1", "192.168.1.1", "172.16.0.1", "[fe80::1]", "[fd00:ec2::254]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]"]


@pytest.mark.parametrize("host", HOSTS)
def test_an_administrator_without_the_master_key_stays_outside(gw, host):
    a = gw.post("/model/new", {"model_name": "x", "litellm_params": at(gw, host)}, key=stranger(gw))
    assert a.status in (200, 400), a         # some are no hosts at all
    if a.status == 200:
        refused(gw, "x", "")
        assert "does not name it" in gw.wait_log("upstream.address_refused")["why"]
        until(lambda: gw.metric("llmgw_upstream_addresses_refused_total") >= 1)
    assert gw.mock.log() == []


def test_who_stores_it_counts(gw):
    root = stranger(gw)
    mine = add(gw, None, "mine", at(gw, "127.0.0.1"))
    theirs = add(gw, root, "theirs", at(gw, "127.0.0.1"))
    assert gw.ask("mine").status == 200
    refused(gw, "theirs", "loopback")        # though a connection to that very address stands
    assert len(gw.mock.log()) == 1
    # Nothing in the call says otherwise, and neither does a name for who changes it.
    for more in ({"model_info": {"id": theirs, "given_without_master_key": False, "db_model": False}},
                 {"model_info": {"id": theirs}, "litellm_params": {"rpm": 100}}):
        a = gw.post("/model/update", more, key=root, headers={"litellm-changed-by": "default_user_id"})
        assert a.status == 200, a
        refused(gw, "theirs", "loopback")
    # The operator vouches for what the operator changes, and no longer once somebody else does.
    assert gw.post("/model/update", {"model_info": {"id": theirs}, "litellm_params": {"rpm": 1000}}).status == 200
    assert gw.ask("theirs").status == 200
    assert gw.post("/model/update", {"model_info": {"id": mine}, "litellm_params": {"rpm": 1000}}, key=root).status == 200
    refused(gw, "mine", "loopback")
    gw.ctl("workers", "restart")
    gw.stop()
    gw.start()
    refused(gw, "mine", "loopback")
    assert gw.ask("theirs").status == 200
    gw.config.write_text(gw.config.read_text() + "server: {allow-private: [127.0.0.1]}\n")
    gw.ctl("reload")
    assert gw.ask("mine").status == 200


def test_credentials_of_others_say_no_more(gw):
    root = stranger(gw)
    body = {"credential_name": "c", "credential_values": {"api_base": gw.mock.base + "/v1", "api_key": "sk-x"}, "credential_info": {}}
    assert gw.post("/credentials", body, key=root).status == 200
    add(gw, None, "x", {"model": "openai/plain", "litellm_credential_name": "c"})
    refused(gw, "x", "loopback")
    assert gw.post("/credentials", {**body, "credential_name": "d"}).status == 200
    add(gw, None, "y", {"model": "openai/plain", "litellm_credential_name": "d"})
    assert gw.ask("y").status == 200


def test_health_checks_go_no_further(gw):
    add(gw, stranger(gw), "x", at(gw, "127.0.0.1"))
    gw.mock.clear()
    gw.ctl("health", "probe", "x")
    page = str(gw.get("/health?model=x").json)
    assert "loopback" in page and "server.allow-private" in page, page
    assert gw.mock.log() == []


def test_passed_through_no_further(gw):
    root = stranger(gw)
    rows = [{"path": "/there", "target": gw.mock.base + "/v1/chat/completions", "headers": {}}]
    for key, status in ((root, 502), (None, 200)):
        a = gw.post("/config/field/update", {"config_type": "general_settings", "field_name": "pass_through_endpoints",
                                             "field_value": rows}, key=key)
        assert a.status == 200, a
        a = gw.post("/there", {"model": "plain", "messages": [{"role": "user", "content": "x"}]})
        assert a.status == status, a
    assert len(gw.mock.log()) == 1


def test_callbacks_of_keys_stay_outside(start):
    common, own = Sink(), Sink()
    try:
        gw = start([("m", "plain")], told("generic_api", "langfuse"),
                   env={**env_of(common), "LANGFUSE_HOST": common.base, "DEFAULT_FLUSH_INTERVAL_SECONDS": "0.1"})

        def ask(name, **variables):
            k = gw.key(logging=[{"callback_name": name, "callback_type": "success", "callback_vars": variables}])
            assert gw.ask("m", key=k).status == 200

        ask("generic_api", generic_logger_endpoint=own.base + "/hook")
        assert "loopback" in gw.wait_log("export.failing")["why"]
        # Where it goes says the operator's environment, and only who is there says the key.
        ask("langfuse", langfuse_public_key="pk", langfuse_secret_key="sk")
        until(lambda: common.sent("/api/public/ingestion"))
        assert own.tries == 0
    finally:
        common.close()
        own.close()


def test_stores_and_userinfo_of_who_has_no_master_key_stay_outside(gw):
    root, sink = stranger(gw), Sink()
    params = {"s3_bucket_name": "b", "s3_region_name": "eu-west-1", "s3_endpoint_url": sink.base,
              "s3_aws_access_key_id": "AKIA-OWN", "s3_aws_secret_access_key": "own"}
    said = {"litellm_settings": {"s3_callback_params": params, "success_callback": ["s3"]},
            "general_settings": {"enable_jwt_auth": True, "litellm_jwtauth": {
                "oidc_userinfo_enabled": True, "oidc_userinfo_endpoint": sink.base + "/userinfo"}}}
    try:
        assert gw.post("/config/update", said, key=root).status == 200
        assert gw.ask("m").status == 200
        assert "loopback" in gw.wait_log("export.failing", callback="s3")["why"]
        assert gw.post("/jwt/userinfo", {"token": "x"}).status == 503
        assert "loopback" in gw.wait_log("userinfo.failed")["why"] and sink.tries == 0
    finally:
        sink.close()
