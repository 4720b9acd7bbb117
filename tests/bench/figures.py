# SPDX-License-Identifier: MIT
"""figures.py - what the raw results say: medians beside each other, bars, and what was compared.
Standard library only."""
import statistics


def cells(raw, peer, cell, has=None):
    """Records of a measurement; with `has`, those that have this."""
    return [r for r in raw if r["peer"] == peer and r["cell"] == cell and (has is None or has in r)]


def med(values):
    values = [v for v in values if v is not None]
    return statistics.median(values) if values else None


def latency(raw, peer, cell, key, hist="latency_us"):
    return med(r[hist][key] for r in cells(raw, peer, cell, hist))


def above(raw, peer, cell, floor_peer, floor_cell, key, hist="latency_us"):
    """Median of the differences to another measurement of the same repetition."""
    floor = {r["rep"]: r[hist][key] for r in cells(raw, floor_peer, floor_cell, hist)}
    return med(r[hist][key] - floor[r["rep"]] for r in cells(raw, peer, cell, hist) if r["rep"] in floor)


def added(raw, peer, cell, key, hist="latency_us"):
    return None if peer == "direct" else above(raw, peer, cell, "direct", cell, key, hist)


def failing(raw, peer, cell, key):
    """What a failed attempt costs: more than the same peer takes when none fails."""
    return above(raw, peer, cell, peer, "fail-none", key)


def cpu_per(raw, peer, cell, key):
    return None if peer == "direct" else med(r["cpu_us"] / r[key] for r in cells(raw, peer, cell))


def merged(raw, peer, cell):
    """Events in a thousand that came with the one before, though they were sent apart."""
    return med(1000 * r["merged"] / r["stamped"] for r in cells(raw, peer, cell))


def memory(raw, peer, key, unit=1):
    found = med(r[key] for r in cells(raw, peer, "memory"))
    return found and found / unit


def growth(raw, peer="llmgw"):
    return med(r["growth_kib"] for r in cells(raw, peer, "lengths"))


def full(raw, peer, keys, key, unit=1):
    found = [v for r in cells(raw, peer, f"full-{keys}") for v in (r[key] if isinstance(r[key], list) else [r[key]])]
    return med(found) / unit if found else None


def rate_of(cell):
    return lambda r, p: med(x["requests_per_s"] for x in cells(r, p, cell))


def prompt_rows(name):
    return [
        (f"prompt of {name} tokens, latency us: p50", 0, lambda r, p: latency(r, p, f"prompt-{name}", "p50")),
        ("  added to direct: p50", 0, lambda r, p: added(r, p, f"prompt-{name}", "p50")),
        ("  CPU per request, us", 1, lambda r, p: cpu_per(r, p, f"prompt-{name}", "ok")),
    ]


def jitter_rows(cell):
    """By how much the gap between two events differs from that between their stamps."""
    return [
        ("  gaps differ from the mock's, us: p99", 0, lambda r, p: latency(r, p, cell, "p99", "jitter_us")),
        ("    added to direct: p50", 0, lambda r, p: added(r, p, cell, "p50", "jitter_us")),
        ("    added to direct: p99", 0, lambda r, p: added(r, p, cell, "p99", "jitter_us")),
    ]


ROWS = [  # what it is, digits, how to get it
    ("CPU per request, us, concurrency 16", 1, lambda r, p: cpu_per(r, p, "c16", "ok")),
    ("requests/s, concurrency 16", 0, rate_of("c16")),
    ("latency us, {rate}/s: p50", 0, lambda r, p: latency(r, p, "open", "p50")),
    ("latency us, {rate}/s: p99", 0, lambda r, p: latency(r, p, "open", "p99")),
    ("latency us, {rate}/s: p99.9", 0, lambda r, p: latency(r, p, "open", "p99.9")),
    ("  added to direct: p50", 0, lambda r, p: added(r, p, "open", "p50")),
    ("  added to direct: p99", 0, lambda r, p: added(r, p, "open", "p99")),
    ("latency us, concurrency 1: p50", 0, lambda r, p: latency(r, p, "c1", "p50")),
    ("latency us, concurrency 1: p99", 0, lambda r, p: latency(r, p, "c1", "p99")),
    ("latency us, concurrency 1: p99.9", 0, lambda r, p: latency(r, p, "c1", "p99.9")),
    ("  added to direct: p50", 0, lambda r, p: added(r, p, "c1", "p50")),
    ("  added to direct: p99", 0, lambda r, p: added(r, p, "c1", "p99")),
    ("CPU per request, us, concurrency 1", 1, lambda r, p: cpu_per(r, p, "c1", "ok")),
    ("first event us: p50", 0, lambda r, p: latency(r, p, "first", "p50", "first_event_us")),
    ("  added to direct: p50", 0, lambda r, p: added(r, p, "first", "p50", "first_event_us")),
    ("one stream, CPU per event, us", 1, lambda r, p: cpu_per(r, p, "one", "events")),
    *jitter_rows("one"),
    ("32 streams, CPU per event, us", 1, lambda r, p: cpu_per(r, p, "events", "events")),
    ("an event's way, us: p50", 0, lambda r, p: latency(r, p, "events", "p50", "delay_us")),
    ("  added to direct: p50", 0, lambda r, p: added(r, p, "events", "p50", "delay_us")),
    ("  added to direct: p99", 0, lambda r, p: added(r, p, "events", "p99", "delay_us")),
    *jitter_rows("events"),
    ("events merged, of 1,000", 2, lambda r, p: merged(r, p, "events")),
    ("32 streams in step, an event's way, us: p50", 0, lambda r, p: latency(r, p, "burst", "p50", "delay_us")),
    *jitter_rows("burst"),
    ("client leaves, mock is told after us: p50", 0, lambda r, p: latency(r, p, "leave", "p50", "gone_us")),
    ("  p99", 0, lambda r, p: latency(r, p, "leave", "p99", "gone_us")),
    ("four tools, two calls: CPU, us", 1, lambda r, p: cpu_per(r, p, "tools", "ok")),
    ("  latency us, concurrency 16: p50", 0, lambda r, p: latency(r, p, "tools", "p50")),
    *prompt_rows("1k"), *prompt_rows("10k"), *prompt_rows("100k"),
    ("beside prompts of 1 MB, latency us: p50", 0, lambda r, p: latency(r, p, "behind", "p50")),
    ("  p99", 0, lambda r, p: latency(r, p, "behind", "p99")),
    ("  added to direct: p50", 0, lambda r, p: added(r, p, "behind", "p50")),
    ("  added to direct: p99", 0, lambda r, p: added(r, p, "behind", "p99")),
    ("failover, connection refused, us: p50", 0, lambda r, p: failing(r, p, "fail-refused", "p50")),
    ("  p99", 0, lambda r, p: failing(r, p, "fail-refused", "p99")),
    ("failover, answer 500, us: p50", 0, lambda r, p: failing(r, p, "fail-broken", "p50")),
    ("  p99", 0, lambda r, p: failing(r, p, "fail-broken", "p99")),
    ("CPU per refused request, us (wrong key)", 1, lambda r, p: cpu_per(r, p, "flood", "ok")),
    ("refused requests/s, concurrency 16", 0, rate_of("flood")),
    ("memory per idle connection, KiB", 1, lambda r, p: memory(r, p, "connection_kib")),
    ("memory per open stream, KiB", 1, lambda r, p: memory(r, p, "stream_kib")),
    ("memory with all of them open, MiB", 1, lambda r, p: memory(r, p, "peak_kib", 1024)),
    ("memory kept 3 s after them, MiB", 1, lambda r, p: memory(r, p, "left_kib", 1024)),
    ("more memory, 1,000 to 100,000 tokens, KiB", 0, growth),
    ("idle memory (PSS), MiB", 1, lambda r, p: memory(r, p, "idle_kib", 1024)),
    ("  with 100 models and 1,000 keys", 1, lambda r, p: full(r, p, 1_000, "idle_kib", 1024)),
    ("  with 100 models and 100,000 keys", 1, lambda r, p: full(r, p, 100_000, "idle_kib", 1024)),
    ("start to READY, ms", 0, lambda r, p: memory(r, p, "ready_ms")),
    ("  with 100 models and 1,000 keys", 0, lambda r, p: full(r, p, 1_000, "ready_ms")),
    ("  with 100 models and 100,000 keys", 0, lambda r, p: full(r, p, 100_000, "ready_ms")),
]


def times_llmgw(get):
    """The same of a peer, in times of llmgw's; what noise has made negative has no ratio."""
    def value(raw, peer):
        its, ours = get(raw, peer), get(raw, "llmgw")
        return its / ours if its and ours and its > 0 and ours > 0 and peer != "direct" else None
    return value


def peer_memory(key):
    def value(raw, peer):
        found = med(r[key] for r in cells(raw, peer, "peer-memory"))
        return found / 1024 if found else None
    return value


def peer_added(cell, key, hist="latency_us"):
    return lambda raw, peer: added(raw, peer, cell, key, hist)


def peer_cpu(cell, key):
    return lambda raw, peer: cpu_per(raw, peer, cell, key)


PEER_ROWS = [  # what it is, digits, how to get it, whether its ratio to llmgw's is a row too
    ("latency us added to direct, {rate}/s: p50", 0, peer_added("peer-low", "p50"), True),
    ("latency us added to direct, {rate}/s: p99", 0, peer_added("peer-low", "p99"), True),
    ("requests/s, concurrency 16", 0, rate_of("peer-c16"), True),
    ("CPU per request, us, concurrency 16", 1, peer_cpu("peer-c16", "ok"), True),
    ("first event us added to direct: p50", 0, peer_added("peer-first", "p50", "first_event_us"), True),
    ("CPU per event, us, 8 streams", 1, peer_cpu("peer-events", "events"), True),
    ("an event's way, us added to direct: p50", 0, peer_added("peer-events", "p50", "delay_us"), True),
    ("an event's way, us added to direct: p99", 0, peer_added("peer-events", "p99", "delay_us"), True),
    ("events merged, of 1,000", 2, lambda r, p: merged(r, p, "peer-events"), False),
    ("memory idle (RSS), MiB", 1, peer_memory("idle_rss_kib"), True),
    ("memory after load (RSS), MiB", 1, peer_memory("after_rss_kib"), True),
    ("memory after load (PSS), MiB", 1, peer_memory("after_pss_kib"), False),
]


def peer_rows():
    for text, digits, get, has_ratio in PEER_ROWS:
        yield text, digits, get
        if has_ratio:
            yield "  times llmgw's", 2, times_llmgw(get)


def noise_of(raw):
    """How much of the machine other programs used, in the median and at most; None: nobody looked."""
    used = [r["others_cpu"] for r in raw if "others_cpu" in r]
    return used and (statistics.median(used), max(used))


EVENTS = ("reload", "roll", "upgrade")
EVENT_ROWS = [  # of what was done under load: what it is, digits, how to get it of one record
    ("how often", 0, lambda r: r["times"]),
    ("it took, ms: median", 0, lambda r: statistics.median(r["took_ms"])),
    ("  at most", 0, lambda r: max(r["took_ms"])),
    ("answers meanwhile", 0, lambda r: r["ok"]),
    ("  of them streams of 2 s", 0, lambda r: r["streams"]),
    ("failed or cut", 0, lambda r: r["failed"]),
    ("latency us, open loop: p50", 0, lambda r: r["load"]["kept"]["latency_us"]["p50"]),
    ("  p99", 0, lambda r: r["load"]["kept"]["latency_us"]["p99"]),
]


def event_records(raw):
    return {what: found[-1] for what in EVENTS if (found := cells(raw, "llmgw", f"event-{what}"))}


def events_failed(raw):
    """Requests that failed, and rows that the ledger lacks or has too many."""
    records, rows = event_records(raw), cells(raw, "llmgw", "event-rows")
    return sum(r["failed"] for r in records.values()) + sum(abs(r["off"]) for r in rows) if records and rows else None


def ratio(cell):
    """CPU per request in times of nginx's, of the same run."""
    def value(raw):
        mine, floor = cpu_per(raw, "llmgw", cell, "ok"), cpu_per(raw, "nginx", cell, "ok")
        return mine / floor if mine and floor else None
    return value


def beyond_nginx(cell, key, hist):
    """What llmgw adds to what nginx has, in the same repetitions."""
    return lambda raw: above(raw, "llmgw", cell, "nginx", cell, key, hist)


def per_core(raw):
    """How many requests one core would answer that does nothing else."""
    cpu = cpu_per(raw, "llmgw", "c16", "ok")
    return cpu and 1e6 / cpu


def worst(cell, name, key):
    """The dearest of what a part measured by itself, without a network."""
    return lambda raw: max((c[key] for r in raw if r["cell"] == cell for c in r[name]), default=None)


def of_books(key):
    """What the master does alone: ledger_bench, spend_bench, keys_create.py."""
    return lambda raw: max((c[key] for r in raw if "books" in r for c in r["books"] if key in c), default=None)


def refused_share(raw):
    refused, answered = cpu_per(raw, "llmgw", "flood", "ok"), cpu_per(raw, "llmgw", "c16", "ok")
    return refused / answered if refused and answered else None


def ours(get, *args):
    return lambda raw: get(raw, "llmgw", *args)


def in_ms(get):
    def value(raw):
        found = get(raw)
        return None if found is None else found / 1000
    return value


BARS = [  # what must hold for llmgw: text, limit, how to get it; a limit below zero is the least
    ("CPU per request, times nginx's", 2.0, ratio("c16")),
    ("requests/s of one core", -30_000, per_core),
    ("added at concurrency 1, p50, us", 70, ours(added, "c1", "p50")),
    ("added at concurrency 1, p99, us", 120, ours(added, "c1", "p99")),
    ("added to the first event, p50, us", 100, ours(added, "first", "p50", "first_event_us")),
    ("gaps of one stream, p99, beyond nginx's, us", 10, beyond_nginx("one", "p99", "jitter_us")),
    ("client gone to upstream cancelled, p99, ms", 10, in_ms(ours(latency, "leave", "p99", "gone_us"))),
    ("failed or cut, reloads, rolls, upgrades under load", 0, events_failed),
    ("refusing a wrong key, CPU, times nginx's 401", 1.5, ratio("flood")),
    ("failover, connection refused, p50, ms", 1, in_ms(ours(failing, "fail-refused", "p50"))),
    ("failover, answer 500, p50, ms", 5, in_ms(ours(failing, "fail-broken", "p50"))),
    ("memory per open stream, KiB", 40, ours(memory, "stream_kib")),
    ("memory per idle connection, KiB", 8, ours(memory, "connection_kib")),
    ("more memory, 1,000 to 100,000 tokens, KiB", 256, growth),
    ("idle, 100 models, 1,000 keys (PSS), MiB", 24, ours(full, 1_000, "idle_kib", 1024)),
    ("start to READY, 100 models, 1,000 keys, ms", 50, ours(full, 1_000, "ready_ms")),
    ("start to READY, 100 models, 100,000 keys, ms", 200, ours(full, 100_000, "ready_ms")),
    ("p99 at concurrency 1, us (no 40 ms plateau)", 20000, ours(latency, "c1", "p99")),
    ("translating a prompt of 100 KB, CPU us, worst", 400, worst("translate", "pairs", "request_us")),
    ("translating an event of a stream, CPU us, worst", 5, worst("translate", "pairs", "event_us")),
    ("choosing among 1,000 deployments, CPU us, p99", 20, worst("route", "choices", "p99_us")),
    ("check, limits, reservation, 1,000,000 keys, us, p99", 3, worst("keys", "keys", "p99_us")),
    ("memory of one of 1,000,000 keys, bytes", 300, worst("keys", "keys", "bytes")),
    ("CPU of an unknown key, times an answered request", 1, refused_share),
    ("a key made by the API, us (2,000/s), 64 at a time", 500, of_books("us_each")),
    ("booking a record, CPU us (50,000/s on one core)", 20, of_books("record_cpu_us")),
    ("slowest report, sums of 36,000,000 requests, ms", 300, of_books("worst_ms")),
]


def is_missed(value, limit):
    return value < -limit if limit < 0 else value > limit


def print_table(raw, names, rate, rows=ROWS):
    print(f"\n{'':42}" + "".join(f"{n:>13}" for n in names))
    for text, digits, get in rows:
        values = [get(raw, n) for n in names]
        print(f"{text.format(rate=rate):42}"
              + "".join(f"{'-' if v is None else format(v, f'.{digits}f'):>13}" for v in values))


def print_peers(raw, compared, rate):
    """The other gateways' table, and what each of them was really doing."""
    names = [n for n in compared["doing"] if n not in compared["void"]]
    print(f"\nbeside other gateways, each alone and freshly started, {rate}/s and concurrency 16")
    print_table(raw, names, rate, list(peer_rows()))
    print("\nwhat each was doing")
    for name, doing in compared["doing"].items():
        print(f"  {name}: {doing}")
    for name, why in compared["void"].items():
        print(f"  {name}: VOID: {why}")
    for name, why in compared["silent"].items():
        print(f"  {name}: streams not compared: {why}")
    for name, why in compared["skipped"].items():
        print(f"  {name}: skipped: {why}")


def compared_figures(raw, compared, rate):
    """The table as numbers, for those who read the JSON."""
    return {name: {text.format(rate=rate): {"value": get(raw, name)}
                   | ({"times_llmgw": times_llmgw(get)(raw, name)} if has_ratio else {})
                   for text, _, get, has_ratio in PEER_ROWS}
            for name in compared["doing"] if name not in compared["void"]}


def print_events(raw):
    records = event_records(raw)
    print(f"\n{'under load':42}" + "".join(f"{what:>13}" for what in records))
    for text, digits, get in EVENT_ROWS:
        print(f"{text:42}" + "".join(f"{get(r):>13.{digits}f}" for r in records.values()))
    for r in cells(raw, "llmgw", "event-rows"):
        print(f"the mock had {r['requests']} requests; rows of the ledger that are missing or too many: {abs(r['off'])}")


def print_bars(raw, all_of_them=True):
    missed = 0
    print("\nbars for llmgw")
    for text, limit, get in BARS:
        value, side = get(raw), ">=" if limit < 0 else "<="
        if value is None:
            if all_of_them:
                print(f"  {text:51} {'-':>9}  {side} {abs(limit):<7g} not measured")
            continue
        missed += is_missed(value, limit)
        print(f"  {text:51} {value:9.1f}  {side} {abs(limit):<7g} {'MISSED' if is_missed(value, limit) else 'met'}")
    return missed
