/* SPDX-License-Identifier: MIT
 * journal.h - how spend crosses from a worker to the master: a ring of records in a file.
 *
 * One preallocated, memory-mapped file per worker start ("epoch"). Record number `seq` (from 1)
 * stands at place (seq - 1) % count. A record is filled, its CRC-32C (seeded with epoch and seq,
 * so that a stale record in a recycled place or file never validates) is set, and `seq` is stored
 * last with release. The writer may be at most `count` records ahead of what the master has
 * committed (journal_room()), so nothing is overwritten before it is in the database. A flusher
 * thread in the worker calls fdatasync. The master reads with pread, not through a mapping, so
 * that a worker which cuts its file off cannot end the master by SIGBUS. A record is 256 bytes
 * and never straddles a sector. */
#ifndef JOURNAL_H
#define JOURNAL_H

#include <stdatomic.h>
#include <stddef.h>

#include "common/str.h"

#define JOURNAL_MAGIC UINT64_C(0x31304e524a4d4c47)
enum { JOURNAL_LAYOUT = 1, JOURNAL_HEAD = 4096, JOURNAL_COUNT_DEFAULT = 16384 };

enum journal_kind {
	JOURNAL_INTENT = 1,		/* admitted: reserve_nano is set aside */
	JOURNAL_SETTLE = 2,		/* over: everything below is final */
	JOURNAL_LEVELS = 3, /* who pays, too, for the record behind it: journal_levels */
	JOURNAL_TAGS = 4,		/* of the SETTLE behind it: see journal_tags() */
	JOURNAL_ATTEMPT = 5, /* of the SETTLE behind it, too: another attempt, and what it cost */
	JOURNAL_KINDS
};
enum journal_call {			/* what was asked for; the same numbers in every release */
	JOURNAL_CALL_OTHER, JOURNAL_CALL_CHAT, JOURNAL_CALL_TEXT, JOURNAL_CALL_EMBED,
	JOURNAL_CALL_RERANK,
	JOURNAL_CALL_MODERATION = 32, JOURNAL_CALL_IMAGE, JOURNAL_CALL_IMAGE_EDIT,
	JOURNAL_CALL_SPEECH, JOURNAL_CALL_TRANSCRIPTION, JOURNAL_CALL_RESOURCE, JOURNAL_CALL_PASS,
	JOURNAL_CALL_REALTIME
};
enum {					/* flags */
	JF_STREAM = 1,
	JF_ESTIMATED = 2,		/* tokens counted by us */
	JF_CUT = 4,			/* client or provider broke off; billed for what was made */
	JF_FAILED = 8,			/* no answer: cost 0 unless something was made */
	JF_UNPRICED = 16,		/* the model has no price: cost 0 is ignorance */
	JF_CACHE_HIT = 32,
	JF_SILENT = 64,			/* a copy whose answer nobody sees: silent_model */
	JF_ATTEMPT = 128,		/* not the attempt that gave the end of the answer */
	/* Of a batch that a provider works off: the id is the batch's. An INTENT says who made it;
	 * a SETTLE, with its LEVELS, what it cost, which its maker pays and that once. */
	JF_BULK = 256,
	JF_IMPORTED = 8192		/* another gateway's; in the database alone */
};
/* How many attempts of a request may have a record each: in `attempts` is its number, from 1. What
 * they cost is not in the SETTLE. Further ones are in there, with the last. */
enum { JOURNAL_ATTEMPTS_MAX = 8 };

struct journal_record {
	_Atomic uint64_t seq;		/* stored last; 0 = empty */
	uint32_t crc;			/* over everything behind it */
	uint8_t kind, endpoint;		/* enum journal_kind, journal_call */
	uint16_t status;		/* HTTP status given to the client; 0 = it left before */
	uint8_t request_id[16];
	uint64_t key_id;		/* dir_key.id */
	uint64_t deployment;		/* snap_deployment.id_hash; 0 = none was asked */
	uint64_t start_ns, first_token_ns, end_ns;	/* wall clock */
	int64_t cost_nano, reserve_nano;
	uint32_t input, output, cache_read, cache_write, reasoning;	/* tokens */
	uint16_t flags, outcome;	/* JF_*; enum outcome */
	uint8_t attempts, fallbacks, pad[2];
	uint32_t team;			/* its number in the database; 0 = none */
	uint8_t client_ip[16];		/* IPv4 as ::ffff:a.b.c.d */
	char model[64];			/* as asked, cut; NUL-padded */
	char end_user[56];		/* cut; NUL-padded */
};
_Static_assert(sizeof(struct journal_record) == 256, "journal_record");

/* The same bytes of a record of JOURNAL_LEVELS: owners other than key and team, of which there
 * are seldom any. It stands right before the INTENT and the SETTLE of its request. */
enum { JOURNAL_LEVELS_MAX = 16 };
struct journal_levels {
	_Atomic uint64_t seq;
	uint32_t crc;
	uint8_t kind, n;
	uint16_t pad;
	uint8_t request_id[16];
	uint64_t level[JOURNAL_LEVELS_MAX];	/* board_entity.id */
	uint8_t pad2[96];
};
_Static_assert(sizeof(struct journal_levels) == sizeof(struct journal_record), "journal_levels");

/* A request's tags stand in records of their own, so that a request without any pays nothing for
 * them: up to JOURNAL_TAG_RECORDS, each with its request's id and, behind that, whole tags with a
 * NUL behind each. What does not fit is left out. */
enum { JOURNAL_TAGS_AT = 32, JOURNAL_TAGS_ROOM = 224, JOURNAL_TAG_RECORDS = 4 };
_Static_assert(offsetof(struct journal_record, key_id) == JOURNAL_TAGS_AT &&
	       JOURNAL_TAGS_AT + JOURNAL_TAGS_ROOM == sizeof(struct journal_record), "tags");
static inline struct str journal_tags(const struct journal_record *r)
{
	return str_of((const char *)r + JOURNAL_TAGS_AT, JOURNAL_TAGS_ROOM);
}
/* Packs tags into records that are zero but for kind and id. Returns how many it took. */
unsigned journal_put_tags(struct journal_record to[JOURNAL_TAG_RECORDS], const uint8_t id[16],
			  const struct str *tags, size_t n_tags);

struct journal;				/* an open file, in either process */

/* Master: makes dir/<slot>-<epoch>.j, preallocated, synced, 0600. *ret_fd is for the worker.
 * 0, -ENOSPC, or another -errno; nothing is left behind on failure. */
int journal_create(int dirfd, unsigned slot, uint64_t epoch, uint32_t count, int *ret_fd) MUST_USE;
/* Both; takes fd. A writer's place is behind the last valid record. 0, -EBADMSG, or -errno. */
int journal_map(int fd, bool writable, struct journal **ret) MUST_USE;
struct journal *journal_free(struct journal *j);
uint64_t journal_epoch(const struct journal *j);
unsigned journal_slot(const struct journal *j);
uint32_t journal_count(const struct journal *j);

/* Worker. Records that may still be appended, given what the master has committed. */
uint64_t journal_room(const struct journal *j, uint64_t committed_seq);
/* Copies *r (seq and crc are set here) and returns its number. The caller saw room. */
uint64_t journal_append(struct journal *j, struct journal_record *r);
uint64_t journal_last(const struct journal *j);
/* fdatasync; from the flusher thread. Full pages leave the mapping. 0 or -errno, after which the
 * file is not to be trusted. */
int journal_flush(struct journal *j) MUST_USE;

/* Master. Copies record `seq`. 0; -ENOENT (not written yet, or a stale one); -EBADMSG (its
 * number is right and its sum is not, or the file was cut); or -errno of pread. */
int journal_read(const struct journal *j, uint64_t seq, struct journal_record *ret) MUST_USE;
/* The same for many: copies records from number `seq` on, up to `n`, and returns how many of them,
 * from the first on, are there and whole. What is wrong with the next one, journal_read() says.
 * All of `ret` may be written to. */
size_t journal_read_many(const struct journal *j, uint64_t seq, struct journal_record *ret,
			 size_t n) MUST_USE;
/* The same for who looks for one behind others that are not there. Begins with zeros, and is for
 * one journal. */
enum { JOURNAL_AHEAD = 32 };
struct journal_ahead {
	uint64_t from, n;
	struct journal_record r[JOURNAL_AHEAD];
};
int journal_read_on(const struct journal *j, struct journal_ahead *a, uint64_t seq,
		    struct journal_record *ret) MUST_USE;

#endif
