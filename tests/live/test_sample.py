# SPDX-License-Identifier: MIT
"""etc/llmgw.yaml: with the comments taken off all its keys, it is a good configuration."""
import os
import subprocess
import sys

from gateway import BUILD
from test_metrics import ROOT
from test_tls import Files, authority       # noqa: F401, a fixture

SECRETS = ("LLMGW_MASTER_KEY", "OPENAI_API_KEY", "GROQ_API_KEY", "LANGFUSE_PUBLIC_KEY", "LANGFUSE_SECRET_KEY", "SMTP_HOST")


def test_every_key_of_the_sample_is_good(tmp_path, authority):      # noqa: F811
    files, path = Files(tmp_path, authority), tmp_path / "llmgw.yaml"
    p = subprocess.run([sys.executable, ROOT / "tests/lint/sample.py", "--bare"], capture_output=True, text=True, check=True)
    text = p.stdout.replace("/etc/llmgw/tls.crt", str(files.cert)).replace("/etc/llmgw/tls.key", str(files.key))
    assert str(files.cert) in text and "house-model" in text and "  issuer:" in text
    path.write_text(text)
    env = {**os.environ, **{name: "sk-x" for name in SECRETS}, "SLACK_WEBHOOK_URL": "https://hooks.example/x"}
    p = subprocess.run([BUILD / "llmgw", "--check", "--config", path], capture_output=True, text=True, timeout=20, env=env)
    assert p.returncode == 0 and "0 errors, 0 warnings" in p.stderr, p.stderr
