/* SPDX-License-Identifier: MIT
 * options.c - see options.h. LiteLLM's spellings with '_' work too. */
#include "master/options.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "master/state.h"

enum { O_HOST = 256, O_PORT, O_WORKERS, O_STATE, O_RUNTIME, O_CHECK, O_LOG_FORMAT, O_DEV, O_STRICT,
       O_WORKER_PATH, O_DOCTOR, O_ONLINE, O_DEBUG, O_IGNORED };

static const struct option longs[] = {
	{ "config", required_argument, NULL, 'c' },
	{ "host", required_argument, NULL, O_HOST },
	{ "port", required_argument, NULL, O_PORT },
	{ "num-workers", required_argument, NULL, O_WORKERS },
	{ "num_workers", required_argument, NULL, O_WORKERS },
	{ "state-dir", required_argument, NULL, O_STATE },
	{ "state_dir", required_argument, NULL, O_STATE },
	{ "runtime-dir", required_argument, NULL, O_RUNTIME },
	{ "runtime_dir", required_argument, NULL, O_RUNTIME },
	{ "check", no_argument, NULL, O_CHECK },
	{ "strict", no_argument, NULL, O_STRICT },
	{ "doctor", no_argument, NULL, O_DOCTOR },
	{ "online", no_argument, NULL, O_ONLINE },
	{ "quiet", no_argument, NULL, 'q' },
	{ "debug", no_argument, NULL, O_DEBUG },
	{ "detailed_debug", no_argument, NULL, O_DEBUG },
	{ "log-format", required_argument, NULL, O_LOG_FORMAT },
	{ "log_format", required_argument, NULL, O_LOG_FORMAT },
	{ "insecure-dev", no_argument, NULL, O_DEV },
	{ "worker-path", required_argument, NULL, O_WORKER_PATH },
	{ "foreground", no_argument, NULL, O_IGNORED },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'v' },
	{ 0 },
};

static void print_help(void)
{
	fputs("llmgw - LLM gateway\n"
	      "\n"
	      "Usage: llmgw [--config FILE] [options]\n"
	      "\n"
	      "  -c, --config FILE      configuration, a LiteLLM config.yaml "
	      "(/etc/llmgw/llmgw.yaml)\n"
	      "      --host ADDR        address to listen on (server.listen, else 0.0.0.0)\n"
	      "      --port N           port to listen on (server.listen, else 4000)\n"
	      "      --num-workers N    worker processes (server.workers, else one per CPU)\n"
	      "      --state-dir DIR    database and journals ($STATE_DIRECTORY, /var/lib/llmgw,\n"
	      "                         else ~/.local/state/llmgw)\n"
	      "      --runtime-dir DIR  control socket ($RUNTIME_DIRECTORY, /run/llmgw,\n"
	      "                         $XDG_RUNTIME_DIR/llmgw, else the state directory)\n"
	      "      --check, -t        check the configuration and exit: 0 good, 1 not\n"
	      "      --strict           with --check: warnings fail too\n"
	      "      --doctor           look at machine and configuration: llmgwctl doctor\n"
	      "      --online           with --doctor: connect to providers\n"
	      "  -q, --quiet            say less\n"
	      "      --debug            say more: server.log.level: debug\n"
	      "      --log-format F     text, logfmt or json (text on a terminal, else json)\n"
	      "      --insecure-dev     run without a master key: everybody is admin\n"
	      "  -v, --version          print the version\n"
	      "  -h, --help             this help\n"
	      "\n"
	      "Signals: HUP reload, TERM drain and stop, USR2 upgrade in place.\n"
	      "\n"
	      "Examples:\n"
	      "  llmgw --check --config config.yaml\n"
	      "  LLMGW_MASTER_KEY=sk-... llmgw --config config.yaml --port 4000\n"
	      "\n"
	      "See llmgw(8), llmgw.yaml(5), llmgwctl(1).\n",
	      stdout);
}

static bool is_usable(const char *dir)
{
	return access(dir, W_OK) == 0;
}

static void find_dirs(struct options *o, const char *state, const char *runtime)
{
	const char *xdg = getenv("XDG_RUNTIME_DIR");
	state_find(o->state_dir, state, "STATE_DIRECTORY", "/var/lib/llmgw");
	if (runtime || getenv("RUNTIME_DIRECTORY") || is_usable("/run/llmgw"))
		state_find(o->runtime_dir, runtime, "RUNTIME_DIRECTORY", "/run/llmgw");
	else if (xdg && xdg[0])
		snprintf(o->runtime_dir, sizeof o->runtime_dir, "%s/llmgw", xdg);
	else
		snprintf(o->runtime_dir, sizeof o->runtime_dir, "%s", o->state_dir);
	o->m.state_dir = o->state_dir;
	o->m.runtime_dir = o->runtime_dir;
}

/* Beside this program (a build directory), else where the package puts it. */
static void find_worker(struct options *o, const char *given)
{
	char self[2048];
	ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
	if (given) {
		snprintf(o->worker_path, sizeof o->worker_path, "%s", given);
	} else {
		self[n > 0 ? n : 0] = 0;
		char *slash = strrchr(self, '/');
		if (slash)
			*slash = 0;
		snprintf(o->worker_path, sizeof o->worker_path, "%s/llmgw-worker", self);
		if (access(o->worker_path, X_OK) != 0)
			snprintf(o->worker_path, sizeof o->worker_path, "%s",
				 LLMGW_LIBEXECDIR "/llmgw-worker");
	}
	o->m.worker_path = o->worker_path;
}

static bool read_number(const char *text, const char *what, uint64_t max, uint32_t *ret)
{
	uint64_t v;
	if (str_read_u64(str_z(text), &v) < 0 || v > max) {
		fprintf(stderr, "llmgw: %s wants a number from 0 to %llu, not '%s'\n", what,
			(unsigned long long)max, text);
		return false;
	}
	*ret = (uint32_t)v;
	return true;
}

int options_make_dir(const char *path)
{
	char part[4096];
	size_t n = strlen(path);
	if (n >= sizeof part)
		return -ENAMETOOLONG;
	memcpy(part, path, n + 1);
	for (size_t i = 1; i <= n; i++) {
		if (part[i] != '/' && part[i] != 0)
			continue;
		part[i] = 0;
		if (mkdir(part, 0700) < 0 && errno != EEXIST)
			return -errno;
		part[i] = path[i];
	}
	return 0;
}

static void find_config(struct options *o, const char *given)
{
	if (!given)
		given = getenv("CONFIG_FILE_PATH");
	snprintf(o->config_path, sizeof o->config_path, "%s",
		 given ? given : "/etc/llmgw/llmgw.yaml");
	o->m.config_path = o->config_path;
}

enum options_verdict options_read(int argc, char **argv, struct options *o)
{
	const char *state = NULL, *runtime = NULL, *worker = NULL, *config = NULL;
	enum options_verdict verdict = OPTIONS_RUN;
	struct config_overrides *over = &o->m.over;
	int c;
	*o = (struct options){ 0 };
	while ((c = getopt_long(argc, argv, "c:qtvh", longs, NULL)) != -1) {
		switch (c) {
		case 'c':
			config = optarg;
			break;
		case O_HOST:
			over->host = str_z(optarg);
			break;
		case O_PORT:
			if (!read_number(optarg, "--port", 65535, &over->port))
				return OPTIONS_EXIT_USAGE;
			over->has_port = true;
			break;
		case O_WORKERS:
			if (!read_number(optarg, "--num-workers", BOARD_WORKERS / 2,
					 &over->workers))
				return OPTIONS_EXIT_USAGE;
			break;
		case O_STATE:
			state = optarg;
			break;
		case O_RUNTIME:
			runtime = optarg;
			break;
		case 't':
		case O_CHECK:
			verdict = OPTIONS_CHECK;
			break;
		case O_DOCTOR:
			verdict = OPTIONS_DOCTOR;
			break;
		case O_ONLINE:
			o->online = true;
			break;
		case O_STRICT:
			o->strict = true;
			break;
		case 'q':
			o->quiet = o->m.quiet = true;
			break;
		case O_DEBUG:
			over->debug = true;
			break;
		case O_LOG_FORMAT:
			o->log_format = optarg;
			break;
		case O_DEV:
			over->insecure_dev = true;
			break;
		case O_WORKER_PATH:
			worker = optarg;
			break;
		case O_IGNORED:
			break;
		case 'h':
			print_help();
			return OPTIONS_EXIT_OK;
		case 'v':
			puts("llmgw " LLMGW_VERSION);
			return OPTIONS_EXIT_OK;
		default:
			fputs("llmgw: see llmgw --help\n", stderr);
			return OPTIONS_EXIT_USAGE;
		}
	}
	if (optind < argc) {
		fprintf(stderr, "llmgw: '%s' is not an option; see llmgw --help\n", argv[optind]);
		return OPTIONS_EXIT_USAGE;
	}
	find_config(o, config);
	o->m.argv = argv;
	o->colour = isatty(STDERR_FILENO) && !getenv("NO_COLOR");
	over->colour = o->colour;
	find_dirs(o, state, runtime);
	find_worker(o, worker);
	return verdict;
}
