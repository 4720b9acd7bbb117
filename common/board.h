/* SPDX-License-Identifier: MIT
 * board.h - what workers and master tell each other all the time: one shared, writable segment.
 *
 * Each field has one writer or is one atomic word; where several words must move together
 * (budgets) a robust mutex guards a shard and a redo record beside it makes the step whole
 * again after a kill. Any process may be killed at any instruction. To the master everything
 * here is input from a stranger. The segment is a sparse memfd; untouched rows cost nothing. */
#ifndef BOARD_H
#define BOARD_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

#include "common/metrics.h"
#include "common/record.h"
#include "common/str.h"
#include "common/texts.h"
#include "common/times.h"

#define BOARD_MAGIC UINT64_C(0x31304452424d4c47)
enum {
	BOARD_LAYOUT = 14,
	BOARD_WORKERS = 64,
	BOARD_DEPLOYMENTS = 16384,
	BOARD_ENTITIES = 1200000,	/* budget rows: keys, teams, users and their kin */
	BOARD_SLOTS = 4096,		/* requests in flight per worker that hold money */
	BOARD_SHARDS = 64,
	BOARD_SAMPLES = 8,		/* latencies kept of a deployment */
	BOARD_LEVELS = 14,		/* entities that one request may move together */
	BOARD_FAULTS = 32,		/* places where a test makes us fail: fault.h */
	BOARD_RESETS = 96,		/* budget periods that begin at the same time */
	BOARD_SERIES = 8192,		/* what is told apart of requests that ended: series.h */
	SERIES_LABELS = 192,		/* bytes of labels that such a row may have of its own */
	BOARD_QUEUES = 16,		/* places for the order of those that wait: fair.h */
	BOARD_QUEUE_KEYS = 256,
	BOARD_GATES = 65536,		/* of deployments and groups: gate.h */
	BOARD_WINDOWS = 131072,		/* of keys and teams: window.h */
	GATE_WORDS = 64,
	BOARD_RATES = 65536,		/* of keys for models, by default: rates.h */
	BOARD_SUSPECTS = 64,		/* requests that crash workers: suspect.h */
	BOARD_DECISIONS = 512,		/* the last ones of each worker that can be explained */
	DECISION_CANDIDATES = 16, DECISION_ATTEMPTS = 8
};

enum worker_state { WORKER_EMPTY, WORKER_STARTING, WORKER_READY, WORKER_DRAINING, WORKER_GONE };

struct board_worker {			/* written by the worker, unless said otherwise */
	_Atomic uint32_t pid, state;		/* by the master */
	_Atomic uint64_t started_ns;		/* by the master; monotonic */
	_Atomic uint64_t beat_ns;		/* monotonic; each loop turn and each second */
	_Atomic uint64_t generation;		/* newest snapshot adopted */
	_Atomic uint64_t oldest_generation;	/* oldest one that a request still holds */
	_Atomic uint64_t journal_last;		/* last record appended */
	_Atomic uint64_t journal_flushed;	/* last record known to be on disk */
	_Atomic uint64_t journal_committed;	/* by the master: last record in the database */
	_Atomic uint32_t requests, connections, streams;	/* now */
	_Atomic uint32_t slots_high;		/* slots ever used: none at or above this is */
	_Atomic uint64_t loop_lag_ns;		/* longest turn in the last second */
	_Atomic uint32_t waiting;		/* requests that wait for room at a provider */
	uint32_t pad32;
	_Atomic uint64_t decisions;		/* ever begun: decision.h */
	_Atomic uint64_t print, print_key;	/* of the request it works on: suspect.h */
	_Atomic uint64_t memory_held;		/* of its own, in large blocks: mem.h */
};
_Static_assert(sizeof(struct board_worker) == 128, "board_worker");

struct board_deployment {
	/* What a choice among many looks at stands in one line of the cache. */
	_Atomic uint64_t id_hash;		/* by the master; 0 = free row */
	_Atomic uint64_t cooldown_until_ns;	/* monotonic; 0 or past = well */
	_Atomic uint64_t paused_until_ns;	/* the provider said that nothing remains */
	_Atomic uint64_t trial_until_ns;	/* one request tries whether it is well again */
	_Atomic uint64_t failed_ns;		/* monotonic: the last failure that counts */
	_Atomic uint32_t limit_milli; /* learned: requests at a time x 1000; 0 = none */
	_Atomic uint32_t probe_status;		/* by the master: 0 unknown, 1 well, 2 ill */
	_Atomic uint32_t last_status;		/* HTTP status of the last failure */
	uint32_t spare;
	_Atomic uint64_t minute; /* minute number << 40 | failures << 20 | successes */
	_Atomic uint64_t fails;			/* legacy allowed_fails: expiry ms << 16 | count */
	_Atomic uint64_t successes; /* of the requests; what is neither was the client's fault */
	_Atomic uint64_t latency_ns, ttft_ns;	/* means of the samples; 0 = unknown */
	_Atomic uint64_t requests, failures, cooldowns;
	_Atomic uint64_t tokens_in, tokens_out, cost_nano;
	_Atomic uint64_t probed_ns;		/* by the master: last probe, monotonic */
	/* What the strategies go by: minute number << 40 | how many in it. */
	_Atomic uint64_t minute_requests, minute_tokens;
	_Atomic uint64_t sampled_ns;		/* monotonic: the newest sample */
	_Atomic uint32_t in_a_row;		/* failures since the last success */
	_Atomic uint32_t n_samples, n_ttft_samples;	/* ever taken */
	uint32_t pad;
	_Atomic uint32_t samples_us[BOARD_SAMPLES];	/* of an answer, per token */
	_Atomic uint32_t ttft_us[BOARD_SAMPLES];	/* to a stream's first token */
	/* How limit_milli is learned: limiter.h. */
	_Atomic uint64_t cut_ns, successes_at_cut;	/* monotonic: the last cut */
	_Atomic uint32_t ceiling_milli;
	_Atomic uint32_t long_us[2], short_us[2], limiter_samples[2];
	_Atomic uint32_t failures_other;	/* of requests, that series.h had no room for */
	/* 1 + what its provider said last that remains, of requests and of tokens; 0: nothing. */
	_Atomic uint32_t remaining[2];
	uint32_t pad2[2];
};
_Static_assert(sizeof(struct board_deployment) == 320, "board_deployment");

/* The order of those that wait for room in one group, or in several that share the place: of
 * each worker the turn of its next one, and of each key what it has had (fair.h). */
struct board_queue {
	_Atomic uint64_t now;			/* the turn that was served last */
	uint64_t pad[7];
	_Atomic uint64_t head[BOARD_WORKERS];	/* 0: nobody waits there */
	_Atomic uint64_t next[BOARD_QUEUE_KEYS];	/* the first turn that a key may have */
};
_Static_assert(sizeof(struct board_queue) == 2624, "board_queue");

/* A request that has crashed workers; by the master, but for `refused`. See suspect.h. */
struct board_suspect {
	_Atomic uint64_t print;			/* 0 = free */
	_Atomic uint64_t until_ns;		/* monotonic: it is refused until then */
	_Atomic uint64_t refused;		/* how often it was */
	uint64_t key_id, crashed_wall_ns;	/* whose it was, and when, the last time */
	uint32_t crashes, pad;
	uint64_t pad64[2];
};
_Static_assert(sizeof(struct board_suspect) == 64, "board_suspect");

/* Why a request went where it went; written by its worker alone, see decision.h. */
struct board_decision {
	_Atomic uint64_t id;		/* which one it is, never used again; 0: it changes */
	uint64_t call_hash, started_wall_ns;	/* hash_stable() of the whole call id */
	uint64_t generation;			/* of its snapshot */
	char call_id[64], group[64]; /* their beginnings, with a NUL where they are short */
	uint32_t strategy, verdict;		/* enum route_strategy, route_reason */
	uint32_t n_candidates;		/* of the group; the first few stand here */
	_Atomic uint32_t n_attempts;		/* the same */
	struct {
		uint32_t row, reason;		/* of the deployment; enum route_reason */
		uint64_t score;
	} candidates[DECISION_CANDIDATES];
	struct {
		uint32_t row, status;		/* status: the provider's, or 0 */
		uint32_t ms;
		char outcome[20];		/* "UP_TIMEOUT"; cut where it is longer */
	} attempts[DECISION_ATTEMPTS];
};
_Static_assert(sizeof(struct board_decision) == 688, "board_decision");

/* A budget of deployments, a plan's window, or hours: see gate.h. */
struct board_gate {
	_Atomic uint64_t id_hash;		/* by the master; 0 = free row */
	/* By the master; wall: the running budget period. Of a window: given back since from_ns. */
	_Atomic uint64_t from_ns, until_ns;
	_Atomic int64_t booked;			/* by the master: in the database, of that period */
	_Atomic uint64_t hours;	/* by the master; wall: the next change | 1 when open until then */
	uint64_t pad[3];
	/* A budget: what each worker has settled and the database has not, in nano-dollars; the
	 * worker adds, the master subtracts. A plan: a ring, bucket number << 40 | used in it. */
	_Atomic uint64_t words[GATE_WORDS];
};
_Static_assert(sizeof(struct board_gate) == 576, "board_gate");
_Static_assert((int)GATE_WORDS == (int)BOARD_WORKERS, "a word for each worker");

struct board_entity {			/* money words only under the shard's mutex */
	_Atomic uint64_t id;			/* by the master: kind << 56 | row id; 0 = free */
	_Atomic int64_t settled, reserved;	/* nano-dollars in the running budget period */
	_Atomic uint64_t rpm_tat, tpm_tat;	/* words of rate.h: no mutex */
	_Atomic uint32_t parallel;		/* requests in flight; under the mutex */
	_Atomic uint32_t root; /* by the master: 1 + what picks the shard; 0 = its own place does */
	_Atomic uint64_t last_used_ns;		/* wall */
	_Atomic uint64_t requests;
};
_Static_assert(sizeof(struct board_entity) == 64, "board_entity");

enum slot_state { SLOT_FREE, SLOT_HELD };

struct board_slot {			/* one admitted request; written by its worker */
	_Atomic uint32_t state;
	uint32_t n_levels;
	uint32_t level[BOARD_LEVELS];		/* entities, the key first */
	uint8_t request_id[16];
	_Atomic int64_t reserve_nano;		/* what Admit and Extend have set aside */
	_Atomic int64_t running_nano;		/* what has been made so far */
	_Atomic uint32_t dispatched;		/* bytes have gone to a provider */
	_Atomic uint32_t tokens_in, tokens_out;
	uint32_t endpoint;
	uint64_t key_id, start_wall_ns;
	_Atomic uint64_t deployment;		/* id_hash of the attempt under way */
	uint32_t team;				/* its number in the database; 0 = none */
	_Atomic uint32_t step;	/* the last step over several shards that took place */
	uint32_t pad[12];
};
_Static_assert(sizeof(struct board_slot) == 192, "board_slot");

struct board_move { /* the redo record: new values, applied again after a kill */
	uint32_t entity, parallel;
	int64_t settled, reserved;
};
/* What one key had of one deployment, in one way: see series.h. */
struct board_series {
	_Atomic uint64_t name;			/* what finds it; 0 = free */
	_Atomic uint64_t key[4];		/* SHA-256 of the key; 0: none is known */
	_Atomic uint64_t kind, asked;		/* as in struct series_name */
	_Atomic uint64_t deployment;		/* id_hash; 0: none was asked */
	_Atomic uint64_t successes, failures;
	_Atomic uint64_t tokens_in, tokens_out, cost_nano;
	_Atomic uint64_t cache_hits, cache_misses, cached_tokens;
	_Atomic uint64_t labels[SERIES_LABELS / 8];	/* text; NULs behind it */
};
_Static_assert(sizeof(struct board_series) == 320, "board_series");

/* How long the requests that a deployment answered took: for metrics that have it as a label. */
struct board_latency {
	struct metric_histogram duration, upstream, first_token, token;
};

struct board_shard {
	_Alignas(64) pthread_mutex_t mutex;	/* robust, process-shared */
	_Atomic uint32_t pending;		/* moves[0..pending) may be applied in part */
	uint32_t slot_state;			/* what *slot becomes when the moves are done */
	uint64_t slot;				/* worker * BOARD_SLOTS + number */
	int64_t slot_reserve;
	uint32_t ticket;		/* 0, or: the moves count once this is the slot's step */
	uint32_t reset;			/* 1 + the board_reset that is done then; 0 = none */
	struct board_move moves[BOARD_LEVELS];
	_Atomic uint64_t repairs;		/* times a dead owner's step was redone */
};
_Static_assert(sizeof(struct board_shard) == 448, "board_shard");

/* By the master: a budget period that begins in the database first, and then here. */
struct board_reset {
	_Atomic uint64_t period_ns;		/* keys.spend_since from then on; 0 = free */
	int64_t taken;				/* what was settled in the one that is over */
	uint32_t entity, pad;
};
struct board_head {
	uint64_t magic;
	uint32_t layout, pad;
	uint64_t size, epoch;			/* epoch: random, of this board */
	_Atomic uint64_t generation;		/* newest published snapshot; by the master */
	_Atomic uint32_t money_down;		/* enum money_reason; by the master */
	_Atomic uint32_t workers_wanted;	/* by the master */
	_Atomic uint64_t directory_revision;	/* by the master; each change of a key */
	_Atomic uint64_t started_wall_ns;	/* of the service; by the master */
	_Atomic uint64_t reloads, reload_failures, worker_restarts;	/* by the master */
	_Atomic uint64_t last_reload_wall_ns;
	_Atomic uint64_t ledger_rows, ledger_errors;
	_Atomic uint32_t ready_workers;
	uint32_t pad2;
	/* By the master: another number for each one that did not take over from a living one. A
	 * worker that began under another is an orphan, whatever it has noticed yet. */
	_Atomic uint64_t reign;
	/* By the master; monotonic: until then workers leave prints. 0: they need not. */
	_Atomic uint64_t suspects_until_ns;
	/* By the master: bytes that a worker may hold where no setting says it. */
	_Atomic uint64_t memory_share;
	/* Rows of `series` that are taken, and those of them that have labels of their own. */
	_Atomic uint64_t series_used, series_labelled;
	/* By the master: who pays for what no key asked for; 1 + its entity, 0 = nobody yet. */
	_Atomic uint64_t operator_entity;
	struct board_reset resets[BOARD_RESETS];
	_Atomic uint64_t faults[BOARD_FAULTS];	/* 0 but in builds for tests */
};
enum money_reason { MONEY_OK, MONEY_STARTING, MONEY_DISK_FULL, MONEY_DATABASE, MONEY_JOURNAL };

struct board {				/* a mapping: pointers of this process */
	struct board_head *head;
	struct board_worker *workers;		/* BOARD_WORKERS */
	struct metric_row *metrics; /* BOARD_WORKERS + 1; the last: of the dead, by the master */
	struct board_deployment *deployments;	/* BOARD_DEPLOYMENTS */
	_Atomic uint16_t *inflight; /* [BOARD_WORKERS][BOARD_DEPLOYMENTS], one writer each */
	struct board_shard *shards;		/* BOARD_SHARDS */
	struct board_entity *entities;		/* BOARD_ENTITIES */
	/* BOARD_ENTITIES, by the master: when the budget period ends, wall clock; 0: never. */
	_Atomic uint64_t *periods;
	struct board_slot *slots;		/* BOARD_WORKERS * BOARD_SLOTS */
	struct times *times;	/* BOARD_DEPLOYMENTS: how long each takes */
	struct board_latency *latencies;	/* BOARD_DEPLOYMENTS */
	struct board_series *series; /* BOARD_SERIES + 1; the last: whoever found no room */
	struct board_queue *queues;		/* BOARD_QUEUES */
	struct board_gate *gates;		/* BOARD_GATES */
	struct board_gate *windows;		/* BOARD_WINDOWS */
	struct board_entity *rates;		/* BOARD_RATES: rates.h */
	struct board_decision *decisions; /* BOARD_WORKERS * BOARD_DECISIONS */
	struct board_suspect *suspects;		/* BOARD_SUSPECTS */
	struct record_ring *records;	/* BOARD_WORKERS: finished requests, for callbacks */
	struct text_ring *texts;	/* BOARD_WORKERS: what was said, where it is kept */
	struct text_ring *told;		/* BOARD_WORKERS: the same, for callbacks */
	size_t size;
};

/* Master: a fresh board. 0 or -errno; *ret_fd is what workers map. */
int board_create(struct board *ret, int *ret_fd) MUST_USE;
/* Both: maps; the descriptor stays the caller's. 0, -EBADMSG (another layout), -errno. */
int board_map(int fd, struct board *ret) MUST_USE;
void board_unmap(struct board *b);

/* A deployment's row, by its name on the board; UINT32_MAX: it has none. */
uint32_t board_find_deployment(const struct board *b, uint64_t id_hash);
/* Its row, or a free one taken for it. 0, or -ENOSPC. The master's. */
int board_place_deployment(struct board *b, uint64_t id_hash, uint32_t *ret_row) MUST_USE;
/* A gate's row, or a free one taken for it, as above. 0, or -ENOSPC. The master's. */
int board_place_gate(struct board *b, uint64_t id_hash, uint32_t *ret_row) MUST_USE;
/* The same of a window; *ret_is_new: it counts from nothing. Its name is above BOARD_GONE. */
#define BOARD_GONE UINT64_C(1)
int board_place_window(struct board *b, uint64_t id_hash, uint64_t wall_ns, uint32_t *ret_row,
		       bool *ret_is_new) MUST_USE;
/* It is another's, at the earliest BOARD_GONE_NS later: until then somebody may know it. */
#define BOARD_GONE_NS UINT64_C(60000000000)
void board_free_window(struct board *b, uint32_t row, uint64_t wall_ns);
/* What a deployment is called on the board and in journals: never 0. */
uint64_t board_deployment_hash(struct str id);
/* Whether a worker's rows tell of something: else an untouched page may stay untouched. */
static inline bool board_worker_lives(const struct board_worker *w)
{
	uint32_t state = atomic_load_explicit(&w->state, memory_order_relaxed);
	return state != WORKER_EMPTY && state != WORKER_GONE;
}
/* The counters of all workers and the master together: to be freed with mem_free(), or NULL. */
struct metric_row *board_sum_metrics(const struct board *b) MUST_USE;
/* In-flight attempts at a deployment, over the workers that live. */
uint32_t board_inflight(const struct board *b, uint32_t deployment);
static inline _Atomic uint16_t *board_inflight_own(const struct board *b, uint32_t worker,
						   uint32_t deployment)
{
	return &b->inflight[(size_t)worker * BOARD_DEPLOYMENTS + deployment];
}
const char *money_reason_text(enum money_reason r);

#endif
