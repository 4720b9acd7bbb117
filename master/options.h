/* SPDX-License-Identifier: MIT
 * options.h - the command line of llmgw (a stable contract), and where things are. */
#ifndef OPTIONS_H
#define OPTIONS_H

#include "master/master.h"

enum options_verdict {
	OPTIONS_RUN, OPTIONS_CHECK, OPTIONS_DOCTOR, OPTIONS_EXIT_OK, OPTIONS_EXIT_USAGE
};

struct options {
	struct master_options m;
	const char *log_format;		/* NULL: text on a terminal, else JSON */
	bool quiet, strict, online;
	bool colour;
	char state_dir[4096], runtime_dir[4096], worker_path[4096], config_path[4096];
};

/* Prints help, version or what is wrong itself. `o` must outlive the process's use of o->m. */
enum options_verdict options_read(int argc, char **argv, struct options *o);
/* Makes a directory with its parents, 0700. 0 or -errno. */
int options_make_dir(const char *path) MUST_USE;

#endif
