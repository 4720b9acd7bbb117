# SPDX-License-Identifier: MIT
"""An identity provider made on the spot: keys by openssl, a server for JWKS and for the document that
says where they are, tokens of any kind."""
import base64
import contextlib
import http.server
import json
import subprocess
import threading
import time


def b64(data):
    return base64.urlsafe_b64encode(data if isinstance(data, bytes) else data.encode()).decode().rstrip("=")


def openssl(*args, data=None):
    return subprocess.run(["openssl", *map(str, args)], input=data, check=True, capture_output=True).stdout


def read_der(data, at=0):
    """Tag, content and end of the element that begins at `at`."""
    tag, n, at = data[at], data[at + 1], at + 2
    if n & 0x80:
        width = n & 0x7F
        n, at = int.from_bytes(data[at:at + width], "big"), at + width
    return tag, data[at:at + n], at + n


class Key:
    """RSA, a curve ("P-256", "P-384") or "Ed25519"; its public half as a JWK."""

    CURVES = {"P-256": ("ES256", 32), "P-384": ("ES384", 48)}
    PSS = ["-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:digest"]

    def __init__(self, tmp, kid, kind="RSA"):
        self.kid, self.kind, self.file = kid, kind, tmp / f"{kid}.pem"
        options = {"RSA": ["RSA", "-pkeyopt", "rsa_keygen_bits:2048"], "Ed25519": ["ED25519"]}.get(
            kind, ["EC", "-pkeyopt", f"ec_paramgen_curve:{kind}"])
        openssl("genpkey", "-algorithm", *options, "-out", self.file)
        self.alg = {"RSA": "RS256", "Ed25519": "EdDSA"}.get(kind) or self.CURVES[kind][0]

    def jwk(self):
        if self.kind == "RSA":
            n = openssl("rsa", "-in", self.file, "-noout", "-modulus").decode().strip().split("=")[1]
            return {"kty": "RSA", "kid": self.kid, "use": "sig", "e": "AQAB", "n": b64(bytes.fromhex(n))}
        public = openssl("pkey", "-in", self.file, "-pubout", "-outform", "DER")
        if self.kind == "Ed25519":
            return {"kty": "OKP", "kid": self.kid, "use": "sig", "crv": "Ed25519", "x": b64(public[-32:])}
        size = self.CURVES[self.kind][1]
        point = public[-2 * size:]
        return {"kty": "EC", "kid": self.kid, "use": "sig", "crv": self.kind, "x": b64(point[:size]),
                "y": b64(point[size:])}

    def sign_bytes(self, data, is_pss):
        if self.kind == "Ed25519":
            text = self.file.with_suffix(".text")     # openssl wants to know its length first
            text.write_bytes(data)
            return openssl("pkeyutl", "-sign", "-rawin", "-inkey", self.file, "-in", text)
        signature = openssl("dgst", f"-sha{self.alg[2:]}", *(self.PSS if is_pss else []), "-sign", self.file,
                            data=data)
        if self.kind == "RSA":
            return signature
        size = self.CURVES[self.kind][1]
        inner = read_der(signature)[1]
        _, r, at = read_der(inner)
        _, s, _ = read_der(inner, at)
        return b"".join(int.from_bytes(v, "big").to_bytes(size, "big") for v in (r, s))

    def sign(self, claims, **header):
        """A token; members of its header may be given, None leaves one out."""
        head = {"alg": self.alg, "kid": self.kid, "typ": "JWT", **header}
        text = b64(json.dumps({k: v for k, v in head.items() if v is not None})) + "." + b64(json.dumps(claims))
        return text + "." + b64(self.sign_bytes(text.encode(), head["alg"] == "PS256"))


class Issuer:
    """Serves the keys it is given; `status` may be another than 200, `pause` is how long it takes."""

    def __init__(self):
        self.keys, self.status, self.calls, self.body, self.pause = [], 200, 0, None, 0
        self.asked = 0          # where the keys are
        self.says = {}          # in that document, other than usual
        self.users = {}         # what /userinfo says of which token
        self.told = []          # the tokens that it was asked about
        issuer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                if self.path.endswith("/.well-known/openid-configuration"):
                    issuer.asked += 1
                    body = {"issuer": issuer.name, "jwks_uri": issuer.url, **issuer.says}
                elif self.path == "/userinfo":
                    token = self.headers["authorization"].removeprefix("Bearer ")
                    issuer.told.append(token)
                    body = issuer.users.get(token)
                else:
                    issuer.calls += 1
                    body = {"keys": [k.jwk() for k in issuer.keys]}
                status = issuer.status if body is not None else 401
                body = issuer.body if issuer.body is not None else json.dumps(body).encode()
                time.sleep(issuer.pause)
                self.send_response(status)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.base = f"http://127.0.0.1:{self.server.server_port}"
        self.url = f"{self.base}/jwks"
        self.name = "https://issuer.test"

    def claims(self, life=300, **more):
        return {"iss": self.name, "aud": "llmgw", "sub": "ann", "exp": int(time.time()) + life, **more}


@contextlib.contextmanager
def issuer():
    one = Issuer()
    threading.Thread(target=one.server.serve_forever, daemon=True).start()
    try:
        yield one
    finally:
        one.server.shutdown()
        one.server.server_close()
