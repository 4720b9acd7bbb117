# SPDX-License-Identifier: MIT
"""A receiver of callbacks: keeps what it is sent, and may be down, slow, or refuse."""
import base64
import gzip
import http.server
import json
import pathlib
import subprocess
import sys
import threading
import time

from gateway import BUILD, until

PROTO = "opentelemetry-proto==1.38.0"


class Sink:
    def __init__(self, port=0, tls=None):
        sink = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                time.sleep(sink.delay)
                is_packed = self.headers["Content-Encoding"] == "gzip"
                text = (gzip.decompress(body) if is_packed else body).decode()
                is_lines = self.headers["Content-Type"] == "application/x-ndjson"
                read = [json.loads(line) for line in text.splitlines()] if is_lines else json.loads(text)
                status = sink.status(read) if callable(sink.status) else sink.status
                with sink.lock:
                    sink.tries += 1
                    if status < 300:
                        sink.bodies.append((self.path, dict(self.headers.items()), read))
                        sink.raw[self.path] = (self.command, dict(self.headers.items()), body)
                answer = json.dumps(sink.answer(read)).encode() if status < 300 else b"{}"
                self.send_response(status)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            do_PUT = do_POST

            def log_message(self, *a):
                pass

        self.lock, self.bodies, self.tries, self.raw = threading.Lock(), [], 0, {}
        self.status, self.delay = 200, 0
        self.answer = lambda read: {}       # what an accepted body is answered with
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        self.base = f"http://127.0.0.1:{self.port}"
        if tls:
            self.server.socket = tls.wrap_socket(self.server.socket, server_side=True, do_handshake_on_connect=False)
            self.base = f"https://localhost:{self.port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def sent(self, path):
        with self.lock:
            return [b for p, _, b in self.bodies if p == path]

    def headers(self, path):
        with self.lock:
            return next(h for p, h, _ in self.bodies if p == path)

    def payloads(self, n, path="/hook", timeout=30):
        """The rows of JSON arrays sent there, once there are n."""
        return until(lambda: (rows := [r for b in self.sent(path) for r in b]) and len(rows) >= n and rows, timeout)

    def spans(self, n, timeout=30):
        return until(lambda: (s := [x for b in self.sent("/v1/traces") for x in spans_of(b)]) and len(s) >= n and s,
                     timeout)


def value_of(v):
    kind, x = next(iter(v.items()))
    if kind == "intValue":
        assert isinstance(x, str)
        return int(x)
    return [value_of(y) for y in x["values"]] if kind == "arrayValue" else x


def spans_of(body):
    found = []
    for resource in body["resourceSpans"]:
        shared = {a["key"]: value_of(a["value"]) for a in resource["resource"]["attributes"]}
        for scope in resource["scopeSpans"]:
            for s in scope["spans"]:
                assert len(s["traceId"]) == 32 and len(s["spanId"]) == 16
                assert int(s["startTimeUnixNano"]) <= int(s["endTimeUnixNano"])
                s["at"] = {a["key"]: value_of(a["value"]) for a in s["attributes"]}
                assert len(s["at"]) == len(s["attributes"]), "an attribute twice"
                s["resource"] = shared
                found.append(s)
    return found


def metrics_of(body):
    """{name: {"kind", "points": [(attributes, point)]}}, held to what OTLP says of each."""
    found = {}
    for resource in body["resourceMetrics"]:
        for scope in resource["scopeMetrics"]:
            for m in scope["metrics"]:
                kind = "sum" if "sum" in m else "histogram"
                assert m["name"] not in found and m[kind]["aggregationTemporality"] == 2
                points = []
                for p in m[kind]["dataPoints"]:
                    assert int(p["startTimeUnixNano"]) <= int(p["timeUnixNano"])
                    if kind == "histogram":
                        assert sum(map(int, p["bucketCounts"])) == int(p["count"])
                        assert len(p["bucketCounts"]) == len(p["explicitBounds"]) + 1
                    points.append(({a["key"]: value_of(a["value"]) for a in p.get("attributes", [])}, p))
                found[m["name"]] = {"kind": kind, "points": points, "unit": m["unit"]}
    return found


def official(body):
    """The body read by OpenTelemetry's own library; None: it is not to be had."""
    where = BUILD / "otlp-python"
    if not (where / "opentelemetry").exists():
        try:
            subprocess.run([sys.executable, "-m", "pip", "install", "-q", "--target", where, PROTO],
                           capture_output=True, check=True, timeout=120)
        except subprocess.SubprocessError:
            return None
    sys.path.insert(0, str(pathlib.Path(where)))
    try:
        from google.protobuf import json_format
        from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
        from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
    except ImportError:
        return None
    finally:
        sys.path.pop(0)
    if "resourceMetrics" in body:
        return json_format.ParseDict(body, ExportMetricsServiceRequest())
    text = json.loads(json.dumps(body))     # OTLP writes ids in hex, protobuf's JSON in base64
    for resource in text["resourceSpans"]:
        for scope in resource["scopeSpans"]:
            for s in scope["spans"]:
                for k in ("at", "resource"):
                    s.pop(k, None)
                for k in ("traceId", "spanId", "parentSpanId"):
                    if k in s:
                        s[k] = base64.b64encode(bytes.fromhex(s[k])).decode()
    return json_format.ParseDict(text, ExportTraceServiceRequest())
