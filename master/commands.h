/* SPDX-License-Identifier: MIT
 * commands.h - one table of verbs: what llmgwctl takes, what the management API answers to.
 *
 * A command gets its arguments as one JSON object, whoever calls: llmgwctl builds it from
 * flags, a worker relays the HTTP body merged with the query. It answers with a status and a
 * JSON text, now or later. Commands run on the master's loop and never block: what needs the
 * database is a job of the store: command_job.h. */
#ifndef COMMANDS_H
#define COMMANDS_H

#include "common/arena.h"
#include "common/buf.h"
#include "common/json.h"

struct audit_origin;
struct master;
struct command_call;
struct dir_key;
struct key_makers;

enum command_role { ROLE_ANY_KEY, ROLE_VIEW, ROLE_ADMIN };

enum command_arg_type {
	ARG_STRING,
	ARG_INT,
	ARG_MONEY,
	ARG_BOOL,
	ARG_LIST,
	ARG_JSON,
	ARG_DURATION
};
enum {
	ARG_REQUIRED = 1,
	ARG_POSITIONAL = 2,
	ARG_REPEATED = 4,
	ARG_FILE = 8	/* llmgwctl takes a file's name, or -, and gives what is in it */
};
struct command_arg {
	const char *name;		/* "max_budget": the JSON member and --max-budget */
	enum command_arg_type type;
	unsigned flags;
	const char *doc;
};
enum {
	CMD_DESTROYS = 1,
	CMD_NO_CTL = 2,
	CMD_NO_HTTP = 4,
	CMD_LOCAL = 8, /* llmgwctl alone does it */
	CMD_PAGES = 16, /* llmgwctl asks for one page of text after the other: `next` is `cursor` */
	CMD_READS = 32,	/* an administrator's, not by GET, and yet it changes nothing */
	/* What a command changes in the database goes into the audit log by itself. */
	CMD_LIVE = 128,	/* llmgwctl can go on asking, and show what is new: ctl_live.c */
	CMD_ACTS = 64,	/* it changes what runs, beside the database: noted before it begins */
	CMD_LARGE = 256	/* its arguments may have COMMAND_ARGS_LARGE bytes */
};
enum { COMMAND_ARGS_MAX = 1 << 20, COMMAND_ARGS_LARGE = 16 << 20 };

struct command_column {			/* how llmgwctl shows an answer as a table */
	const char *title, *path;	/* dotted path in a row of the answer */
	enum {
		COL_TEXT,
		COL_INT,
		COL_MONEY,
		COL_TIME,
		COL_AGE,
		COL_BOOL,
		COL_LIST,
		COL_PROSE,		/* sentences: they go on in the next lines */
		COL_BRIEF		/* what may be very long: its beginning; --json has all */
	} kind;
};

struct command {
	const char *words;		/* "keys create" */
	const char *method, *path;	/* "POST", "/key/generate"; NULL: not by HTTP */
	enum command_role role;
	unsigned flags;			/* CMD_* */
	void (*run)(struct command_call *c);
	const struct command_arg *args;	/* ends with name NULL */
	const struct command_column *columns;	/* ends with title NULL; NULL: key/value view */
	const char *rows; /* dotted path to the array of rows; NULL: the answer itself */
	const char *doc;		/* one line for help and manual */
	const char *example;		/* a whole command line */
};
extern const struct command commands[];
extern const size_t commands_count;

enum caller_kind { CALLER_SOCKET, CALLER_HTTP };

struct command_call {
	struct master *master;
	const struct command *command;
	struct arena *mem;		/* lives to the end of the call */
	const struct json *args;	/* an object, never NULL */
	enum caller_kind kind;
	bool is_admin, is_viewer;	/* what the caller may do */
	bool has_master_key;		/* CALLER_HTTP: and it is no token's or user's right */
	uint64_t caller_key;		/* id of the calling key; 0 = master key or socket */
	struct sha256 *caller_hash;	/* of the calling key, or NULL */
	uint32_t caller_uid;		/* of the socket's peer */
	uint8_t address[16];		/* of the client, as IPv6; zeroes: of the socket */
	struct audit_origin *origin;	/* for whom the audit log notes what is changed; or NULL */
	struct str own_user;		/* .n: only what is this user's may be reached: roles.h */
	const struct dir_key *own_key;	/* then: the calling key */
	const struct key_makers *makers; /* and which ones it may make; NULL: any */
	struct str changed_by;		/* litellm-changed-by */
	struct str path_name;		/* what stood for {name} or {id} in the path, decoded */
	int status;			/* HTTP status of the answer; 200 to begin with */
	struct buf out;			/* JSON */
	/* Set by who started the call; command_finish() calls it exactly once, then frees. */
	void (*answer)(struct command_call *c);
	void *answer_data;
	bool is_import; /* a row of another gateway's: keys by their hashes, times as they are */
	bool is_refused; /* arguments that could not be read; command_run() says so */
	bool is_noted;			/* the audit log has that it ran, not yet how it ended */
	struct str text;		/* the arguments' bytes, wiped at the end */
};

/* By words ("keys create") or by method and path (without query). A path of the table may have one
 * {name} or {id}: some bytes, slashes among them. A row without such a mark goes before one with
 * it. NULL: none. */
const struct command *command_by_words(struct str words);
const struct command *command_by_path(struct str method, struct str path, bool *ret_other_method);
/* What stands for the mark in a path that fits the command's; .p NULL: it has none. Not decoded. */
struct str command_path_name(const struct command *cmd, struct str path);
/* A call with an empty answer. Copies args_json into its arena and parses it ("" = {}).
 * NULL when out of memory; a bad JSON gives a call that command_run() answers with 400. */
struct command_call *command_new(struct master *m, const struct command *cmd, struct str args_json,
				 void (*answer)(struct command_call *), void *answer_data) MUST_USE;
/* One that is made for another: of its caller, with an answer of its own. NULL as above. */
struct command_call *command_derive(const struct command_call *from, const struct command *cmd,
				    struct str args_json, void (*answer)(struct command_call *),
				    void *answer_data) MUST_USE;
/* Checks role and required arguments, then runs. The answer may come before this returns. */
void command_run(struct command_call *c);
/* The one way to end a call. */
void command_finish(struct command_call *c);
/* Ends it with {"error":{"message","type","param","code"}}; code is the status as a string. */
void command_fail(struct command_call *c, int status, const char *type, const char *param,
		  const char *fmt, ...) PRINTF(5, 6);
/* The same for what a job of the store has come back with. */
void command_fail_store(struct command_call *c, int err);
/* Arguments. A missing or null one leaves *ret alone and returns -ENOENT; a wrong type or
 * value has been answered with 400 naming it and returns -EINVAL: the caller just returns. */
int command_str(struct command_call *c, const char *name, struct str *ret) MUST_USE;
/* The same of the positional argument that a path may have in its place. */
int command_named(struct command_call *c, const char *name, struct str *ret) MUST_USE;
int command_u64(struct command_call *c, const char *name, uint64_t *ret) MUST_USE;
/* `page`, which counts from 1, and the size of one under its own name; what stands in both before
 * are the defaults. False: one of them is wrong, and that has been answered. */
bool command_page(struct command_call *c, const char *size_name, uint64_t most, uint64_t *page,
		  uint64_t *size) MUST_USE;
int command_money(struct command_call *c, const char *name, int64_t *ret_nano) MUST_USE;
int command_bool(struct command_call *c, const char *name, bool *ret) MUST_USE;

#endif
