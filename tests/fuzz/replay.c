/* SPDX-License-Identifier: MIT
 * replay.c - a main() for a fuzz target: runs it over the files and folders given, so that what a
 * fuzzer once found is a test with any compiler. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "common/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

enum { INPUT_MAX = 1 << 20 };

/* The target gets a block of just its size, so that a sanitizer sees each byte read too many. */
static int run_target(const uint8_t *p, size_t n)
{
	uint8_t *input = mem_alloc(n);
	if (!input)
		return -ENOMEM;
	memcpy(input, p, n);
	int r = LLVMFuzzerTestOneInput(input, n);
	mem_free(input);
	return r;
}

static int replay_file(const char *path)
{
	FILE *f = fopen(path, "rb");
	uint8_t *all = mem_alloc(INPUT_MAX);
	int r = f && all ? 0 : -EIO;
	if (r == 0) {
		size_t n = fread(all, 1, INPUT_MAX, f);
		r = ferror(f) ? -EIO : run_target(all, n);
	}
	if (r)
		fprintf(stderr, "replay: %s: %s\n", path, strerror(-r));
	mem_free(all);
	if (f)
		fclose(f);
	return r;
}

static int replay(const char *path)
{
	struct stat st;
	DIR *d = stat(path, &st) == 0 && S_ISDIR(st.st_mode) ? opendir(path) : NULL;
	int r = 0;
	if (!d)
		return replay_file(path);
	for (struct dirent *e; r == 0 && (e = readdir(d));) {
		char inner[4096];
		snprintf(inner, sizeof inner, "%s/%s", path, e->d_name);
		if (e->d_name[0] != '.')
			r = replay_file(inner);
	}
	closedir(d);
	return r;
}

int main(int argc, char **argv)
{
	if (argc < 2) {
		fprintf(stderr, "usage: %s file or folder ...\n", argv[0]);
		return 2;
	}
	for (int i = 1; i < argc; i++)
		if (replay(argv[i]))
			return 1;
	return 0;
}
