/* SPDX-License-Identifier: MIT
 * log.h - event names and typed fields; text, logfmt or JSON is the writer's business.
 *
 * There are no format strings, so there is nothing to inject into and nothing to redact. One
 * record is at most 8 KiB, and goes out by one write(2) that no other one interrupts; a log that is
 * full, slow or closed never holds the caller: what does not go out at once is dropped and counted.
 * Code in common/ never logs. */
#ifndef LOG_H
#define LOG_H

#include "common/str.h"

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };
enum log_format { LOG_TEXT, LOG_LOGFMT, LOG_JSON };

struct log_field {
	const char *name;
	enum { LF_STR, LF_INT, LF_MONEY } kind;
	struct str s;
	int64_t i;
};
#define F_STR(n, v) { .name = (n), .kind = LF_STR, .s = (v) }
#define F_Z(n, v) { .name = (n), .kind = LF_STR, .s = str_z(v) }
#define F_INT(n, v) { .name = (n), .kind = LF_INT, .i = (int64_t)(v) }
#define F_MONEY(n, v) { .name = (n), .kind = LF_MONEY, .i = (v) }	/* nano-dollars */

extern enum log_level log_threshold;	/* the one global: read by the macro */

/* who: "master" or "worker.3", kept by pointer. Makes fd non-blocking only where it is a pipe
 * or socket of its own; journald priorities ("<6>") where prefix_priority is set. */
void log_start(int fd, enum log_format format, enum log_level threshold, const char *who,
	       bool prefix_priority);
void log_emit(enum log_level lv, const char *event, const struct log_field *f, size_t n);
/* From now on what this thread logs at LOG_INFO and above waits for log_flush(), or for company
 * that fills a write: a loop that calls it before it sleeps saves a write a record. */
void log_gather(void);
void log_flush(void);
/* One record as text, without the write: for tests and for `logs tail`. Returns bytes. */
size_t log_render(char *out, size_t room, enum log_format format, enum log_level lv,
		  const char *event, const struct log_field *f, size_t n, uint64_t wall_ns);
/* How log_start() was called, for processes that are started alike. */
void log_settings(enum log_format *ret_format, bool *ret_prefix);
enum { LOG_RECENT = 500 };
struct log_kept {
	uint64_t number;	/* from 1, in order */
	enum log_level level;
	const char *event;
	struct str line;	/* without its end; .p NULL: there is none */
};
/* The i-th newest record, 0 the newest. Kept only after log_keep_recent(); on the thread that
 * logs. */
void log_keep_recent(void);
struct log_kept log_recent(unsigned i);
uint64_t log_dropped(void);
const char *log_level_name(enum log_level lv);	/* "warn" */
int log_read_level(struct str s, enum log_level *ret) MUST_USE;
int log_read_format(struct str s, enum log_format *ret) MUST_USE;

#define LOG(lv, event, ...)                                              \
	do {                                                             \
		if ((lv) <= log_threshold) {                             \
			const struct log_field f_[] = { __VA_ARGS__ };   \
			log_emit((lv), (event), f_, COUNT(f_));          \
		}                                                        \
	} while (0)

#endif
