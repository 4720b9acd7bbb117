/* SPDX-License-Identifier: MIT
 * master.h - the master's state, one struct made in main.c and handed down.
 *
 * Everything here is used on the loop's thread only. */
#ifndef MASTER_H
#define MASTER_H

#include <uv.h>

#include "common/board.h"
#include "common/directory.h"
#include "master/config.h"

struct cache;
struct store;
struct ledger;
struct keys;
struct gates;
struct supervise;
struct control;
struct probe;
struct jwks;
struct userinfo;
struct export;
struct alerts;
struct otlp_metrics;
struct responses;
struct answers;
struct spend_prune;
struct texts;
struct tokenizers;
struct notify;
struct trial;
struct stored;

struct master_options {			/* from the command line and the environment */
	const char *config_path;
	const char *state_dir, *runtime_dir;
	const char *worker_path;	/* llmgw-worker */
	struct config_overrides over;
	bool quiet;			/* warnings and errors only, here and in workers */
	char **argv;			/* for the upgrade in place */
};

struct master {
	uv_loop_t *loop;
	struct master_options opt;
	struct config *config;		/* the one in force */
	uint64_t generation;
	int snapshot_fd;		/* of this generation; -1 before the first */
	struct board board;
	int board_fd;
	struct dir *dir;
	int dir_fd;
	struct cache *cache;		/* of answers; NULL: there is none */
	int cache_fd;			/* -1 then */
	uint64_t cache_bytes;		/* as configured; 0 then */
	int journal_dirfd;
	struct store *store;
	struct ledger *ledger;
	struct gates *gates;
	struct keys *keys;
	struct stored *stored;		/* what the configuration has beside its files */
	struct responses *responses;
	struct answers *answers;
	struct spend_prune *prune;
	struct texts *texts;		/* prompts and answers that are kept */
	struct tokenizers *tokenizers;
	struct supervise *supervise;
	struct control *control;
	struct probe *probe;
	struct jwks *jwks;		/* public keys of who signs tokens */
	struct userinfo *userinfo;	/* who tells of tokens that say nothing themselves */
	struct export *export;		/* who is told of finished requests */
	struct otlp_metrics *otlp;
	struct alerts *alerts;		/* who is told when something goes wrong */
	struct notify *notify;
	struct trial *trial;		/* of the newest configuration */
	uint64_t started_wall_ns;
	bool stopping, is_ready, wants_upgrade;
	unsigned cpus;
};

/* Workers to run: as configured, else one per CPU. */
unsigned master_workers(const struct master *m);

#endif
