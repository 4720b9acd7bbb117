#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""layers - who may include whom.

common/ sees common/; master/ sees common/ and itself; worker/X/ sees common/, the headers that
stand directly in worker/, and itself. What goes beyond is listed here with its reason; an entry
that is not needed any more is a complaint too, so that the list stays true."""
import re

from source import PRODUCT, Complaints, files, line_of, name, text

MAP = "request.c is the map: it calls every stage"
BOOT = "main.c starts and ends everything"
MONEY = "an attempt is covered, followed and charged while it runs"
COUNTED = "what an attempt says is counted where it is heard"
LAST = "the last bytes of an answer may have to wait for the disk"
TABLES = "a program of the build, which makes a document of the tables"
ROOM = "who finds everybody full waits for room, and an attempt that ends makes some"
PARTS = "struct request holds them by value or by type"
EXCEPTIONS = {
    ("worker/request.c", "worker/admin/relay.h"): MAP,
    ("worker/request.c", "worker/client/intake.h"): MAP,
    ("worker/request.c", "worker/client/recall.h"): MAP,
    ("worker/request.c", "worker/decide/bearer.h"): MAP,
    ("worker/request.c", "worker/decide/decide.h"): MAP,
    ("worker/request.c", "worker/decide/queue.h"): MAP,
    ("worker/request.c", "worker/exchange/exchange.h"): MAP,
    ("worker/request.c", "worker/exchange/silent.h"): MAP,
    ("worker/request.c", "worker/settle/access_log.h"): MAP,
    ("worker/request.c", "worker/settle/account.h"): MAP,
    ("worker/request.c", "worker/settle/hold.h"): MAP,
    ("worker/request.c", "worker/settle/usage.h"): MAP,
    ("worker/request.c", "worker/settle/export.h"): MAP,
    ("master/alert_requests.c", "worker/outcome.h"): "alerts name the ends of attempts; the list alone",
    ("master/spend_errors.c", "worker/outcome.h"): "spend logs name the ends of requests; the list alone",
    ("master/export_otlp.c", "worker/outcome.h"): "spans name the ends of attempts; the list alone, nothing is linked",
    ("worker/flight.c", "worker/settle/account.h"): "an answer that is given again is written down",
    ("worker/retell.c", "worker/exchange/provider.h"): "what Ollama's clients are given no dialect reads",
    ("worker/cached.c", "worker/settle/account.h"): "an answer is kept with what it cost",
    ("worker/cached.c", "worker/exchange/client_headers.h"): "headers that go on tell answers apart",
    ("worker/known.c", "worker/exchange/client_headers.h"): "headers that go on tell answers apart",
    ("worker/request.h", "worker/client/connection.h"): PARTS,
    ("worker/request.h", "worker/client/dialect.h"): PARTS,
    ("worker/request.h", "worker/client/endpoint.h"): PARTS,
    ("worker/request.h", "worker/decide/wish.h"): PARTS,
    ("worker/decide/wish.c", "worker/client/http.h"): "wishes come in headers, too",
    ("worker/exchange/retry.c", "worker/decide/own_router.h"): "policies may be a key's own",
    ("worker/exchange/exchange.c", "worker/decide/own_router.h"): "fallbacks may be a key's own",
    ("worker/exchange/retry.c", "worker/decide/route.h"): "policies go by the router's classes of errors",
    ("worker/main.c", "worker/client/tls.h"): BOOT,
    ("worker/main.c", "worker/exchange/exchange.h"): BOOT,
    ("worker/main.c", "worker/exchange/silent.h"): BOOT,
    ("worker/main.c", "worker/exchange/upstream.h"): BOOT,
    ("worker/main.c", "worker/exchange/warm.h"): BOOT,
    ("worker/main.c", "worker/settle/flusher.h"): BOOT,
    ("worker/main.c", "worker/settle/hold.h"): "what the flusher tells goes to who waits for it",
    ("worker/link.c", "worker/decide/bearer.h"): "public keys come over the link",
    ("worker/admin/metrics_gateway.c", "worker/client/tls.h"): "tells when the certificate for clients ends",
    ("worker/link.c", "worker/admin/relay.h"): "answers of management calls come over the link",
    ("worker/client/endpoint.c", "worker/admin/admin.h"): "the endpoint table names the gateway's own answers",
    ("worker/client/endpoint.c", "worker/admin/relay.h"): "the endpoint table names the relay",
    ("worker/client/endpoint.c", "worker/exchange/dry_run.h"): "the endpoint table names the dry run",
    ("worker/openapi/openapi.h", "worker/client/endpoint.h"): TABLES,
    ("worker/openapi/openapi.h", "master/commands.h"): TABLES,
    ("worker/openapi/bodies.c", "worker/client/dialect.h"): TABLES,
    ("worker/openapi/document.c", "worker/client/dialect.h"): TABLES,
    ("worker/exchange/dry_run.c", "worker/client/intake.h"): "a dry run reads a request as a real one is read",
    ("worker/exchange/dry_run.c", "worker/decide/decide.h"): "a dry run is only for who may use the model",
    ("worker/exchange/attempt.c", "worker/settle/account.h"): MONEY,
    ("worker/exchange/exchange.c", "worker/settle/account.h"): MONEY,
    ("worker/exchange/pass.c", "worker/settle/account.h"): MONEY,
    ("worker/exchange/pass_bulk.c", "worker/settle/account.h"): MONEY,
    ("worker/exchange/pass_bulk.c", "worker/decide/decide.h"): "prices by a model's name, as where a call goes",
    ("worker/exchange/tunnel.c", "worker/settle/account.h"): MONEY,
    ("worker/exchange/attempt_answer.c", "worker/settle/account.h"): MONEY,
    ("worker/exchange/attempt_answer.c", "worker/settle/hold.h"): LAST,
    ("worker/exchange/exchange.c", "worker/settle/hold.h"): LAST,
    ("worker/exchange/pass.c", "worker/settle/hold.h"): LAST,
    ("worker/client/count.c", "worker/decide/decide.h"): "a key counts for the models that it may use",
    ("worker/client/recall.c", "worker/decide/decide.h"): "a key counts for the models that it may use",
    ("worker/decide/bearer_owner.c", "worker/admin/relay.h"): "the master makes users and teams that tokens name",
    ("worker/decide/bearer_userinfo.c", "worker/admin/relay.h"): "the master asks identity providers",
    ("worker/decide/bearer_sync.c", "worker/admin/relay.h"): "and is told of their roles and members",
    ("worker/admin/routes.c", "worker/client/endpoint.h"): "/routes lists the table of endpoints",
    ("worker/admin/names.c", "worker/decide/decide.h"): "a key sees the models that it may use",
    ("worker/admin/names.c", "worker/decide/claims.h"): "the teams that a token names",
    ("worker/admin/names.c", "worker/decide/owners.h"): "and of a token's teams those that any of them may",
    ("worker/admin/ollama.c", "worker/client/intake.h"): "bodies are read in one place",
    ("worker/exchange/hedge.c", "worker/settle/account.h"): MONEY,
    ("worker/exchange/recover.c", "worker/settle/account.h"): MONEY,
    ("worker/exchange/exchange.c", "worker/settle/usage.h"): COUNTED,
    ("worker/exchange/hedge.c", "worker/settle/usage.h"): COUNTED,
    ("worker/exchange/attempt_answer.c", "worker/settle/usage.h"): COUNTED,
    ("worker/exchange/exchange_private.h", "worker/decide/route.h"): "each attempt asks the router where to go",
    ("worker/exchange/exchange.c", "worker/decide/queue.h"): ROOM,
    ("worker/exchange/attempt.c", "worker/decide/queue.h"): ROOM,
}
_INCLUDE = re.compile(r'^\s*#\s*include\s*"([^"]+)"', re.M)


def may_see(who, what):
    a, b = who.split("/"), what.split("/")
    if b[0] == "common":
        return True
    if a[0] != b[0]:
        return False
    return a[0] != "worker" or len(b) == 2 or (len(a) == 3 and a[1] == b[1])


complaints = Complaints()
used = set()
for source in files(*PRODUCT):
    whole = text(source)
    for m in _INCLUDE.finditer(whole):
        pair = (name(source), m.group(1))
        if may_see(*pair):
            continue
        if pair in EXCEPTIONS:
            used.add(pair)
        else:
            complaints.add(source, line_of(whole, m.start()), f"may not include {pair[1]} (tests/lint/layers.py)")
for who, what in sorted(set(EXCEPTIONS) - used):
    complaints.add("tests/lint/layers.py", 1, f"the exception {who} -> {what} is not needed any more")
complaints.done()
