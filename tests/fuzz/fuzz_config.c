/* SPDX-License-Identifier: MIT
 * fuzz_config.c - any text is either refused with a complaint that names a line, or accepted;
 * what is accepted shows as valid JSON, differs in nothing from itself when it is read again,
 * and no complaint holds a byte that steers a terminal. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/hash.h"
#include "common/json.h"
#include "master/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
const char *__lsan_default_suppressions(void);

/* libfyaml 0.7 forgets a buffer when a quoted scalar that was long never ends. */
const char *__lsan_default_suppressions(void)
{
	return "leak:libfyaml";
}

static struct config *read_from(const char *path)
{
	const struct config_overrides over = { .insecure_dev = true };
	struct config *c = NULL;

	MUST(config_read(path, &over, &c) == 0 && c);
	return c;
}

static void check_complaints(const struct config *c)
{
	bool has_line = false;

	for (size_t i = 0; i < c->complaints.n; i++) {
		unsigned char b = (unsigned char)c->complaints.p[i];
		MUST(b >= 0x20 || b == '\n' || b == '\t');
	}
	MUST(c->complaints.n == 0 || str_is_utf8(buf_str(&c->complaints)));
	for (size_t i = 0; i < c->n_list; i++) {
		MUST(c->list[i].is_error == !c->list[i].code);
		MUST(str_is_utf8(c->list[i].message));
		has_line |= c->list[i].is_error && c->list[i].line > 0 && c->list[i].column > 0;
	}
	MUST(has_line || c->n_errors == 0);
}

static void check_shown(const struct config *c, const struct config *again)
{
	struct arena *a = arena_new(256 << 20);
	struct json_error e;
	struct buf out;

	MUST(a);
	buf_init(&out, 64 << 20);
	config_show(c, true, &out);
	const struct json *j = json_parse(a, buf_str(&out), 0, &e);
	MUST(j && json_get(j, "server") && json_get(j, "model_list")->count == c->n_models);
	buf_reset(&out);
	config_diff(c, again, &out);
	MUST(str_eq(buf_str(&out), STR("[]")));
	buf_done(&out);
	arena_free(a);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static int fd = -1;
	static char path[64];

	if (fd < 0) {
		MUST(hash_init() == 0);
		fd = memfd_create("config", MFD_CLOEXEC);
		MUST(fd >= 0 && fchmod(fd, 0600) == 0);
		snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	}
	MUST(ftruncate(fd, 0) == 0 && pwrite(fd, p, n, 0) == (ssize_t)n);
	struct config *c = read_from(path);
	check_complaints(c);
	if (c->n_errors == 0) {
		struct config *again = read_from(path);
		check_shown(c, again);
		config_free(again);
	}
	config_free(c);
	return 0;
}
