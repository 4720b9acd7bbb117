/* SPDX-License-Identifier: MIT
 * check.c - the last words of a program that found itself wrong. */
#include "common/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

void must_fail(const char *expr, const char *file, int line, const char *func)
{
	char text[512];
	int n = snprintf(text, sizeof text, "llmgw: MUST failed: %s at %s:%d in %s()\n", expr, file,
			 line, func);
	if (n > 0 &&
	    write(STDERR_FILENO, text, (size_t)n < sizeof text ? (size_t)n : sizeof text - 1) < 0)
		_exit(134);
	abort();
}
