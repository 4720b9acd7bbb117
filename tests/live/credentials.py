# SPDX-License-Identifier: MIT
"""A service account made on the spot, and what was asked for it, checked."""
import base64
import contextlib
import http.server
import json
import subprocess
import threading
import time
import urllib.parse

# Nothing of this machine's own may reach a gateway under test.
QUIET = {"HOME": "/nonexistent", "CLOUDSDK_CONFIG": "/nonexistent"}


class Account:
    def __init__(self, tmp):
        self.key_file, self.public = tmp / "account.pem", tmp / "account.pub"
        subprocess.run(["openssl", "genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out",
                        self.key_file], check=True, capture_output=True)
        subprocess.run(["openssl", "pkey", "-in", self.key_file, "-pubout", "-out", self.public], check=True,
                       capture_output=True)
        self.key = self.key_file.read_text()

    def json(self, mock, script="", **more):
        return {"type": "service_account", "project_id": "project-one", "private_key_id": "kid-1",
                "private_key": self.key, "client_email": "robot@project-one.iam.gserviceaccount.com",
                "token_uri": f"{mock.base}/token{script}", **more}

    def secret(self):
        """A line of the key that must be seen nowhere."""
        return self.key.splitlines()[5]

    def check_jwt(self, tmp, form, token_uri):
        fields = dict(urllib.parse.parse_qsl(form))
        assert fields["grant_type"] == "urn:ietf:params:oauth:grant-type:jwt-bearer"
        head, claims, signature = fields["assertion"].split(".")
        assert decode(head) == {"alg": "RS256", "typ": "JWT", "kid": "kid-1"}
        claims_read = decode(claims)
        assert claims_read["aud"] == token_uri and claims_read["iss"] == claims_read["sub"]
        assert claims_read["scope"] == "https://www.googleapis.com/auth/cloud-platform"
        assert abs(claims_read["iat"] - time.time()) < 60 and claims_read["exp"] == claims_read["iat"] + 3600
        (tmp / "signed").write_text(f"{head}.{claims}")
        (tmp / "signature").write_bytes(unpad(signature))
        subprocess.run(["openssl", "dgst", "-sha256", "-verify", self.public, "-signature", tmp / "signature",
                        tmp / "signed"], check=True, capture_output=True)


class TokenServer:
    """Gives its answers one after the other, the last one again and again."""

    def __init__(self):
        self.answers, self.calls, self.headers = [], 0, {}
        server = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                self.rfile.read(int(self.headers["content-length"]))
                status, body = server.answers[min(server.calls, len(server.answers) - 1)]
                server.calls += 1
                server.headers = {k.lower(): v for k, v in self.headers.items()}
                data = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("content-length", str(len(data)))
                self.end_headers()
                with contextlib.suppress(OSError):
                    self.wfile.write(data)

            def log_message(self, *args):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.base = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def unpad(text):
    assert not set(text) & set("+/=")
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def decode(part):
    return json.loads(unpad(part))


def token_calls(mock):
    return [e for e in mock.log() if e["path"].partition("?")[0].endswith("/token")]
