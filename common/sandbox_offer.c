/* SPDX-License-Identifier: MIT
 * sandbox_offer.c - the modes by name, and what this kernel has for them: for those who start
 * workers. */
#include <linux/seccomp.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/sandbox.h"

enum { CREATE_RULESET_VERSION = 1 };	/* headers of older systems lack Landlock's numbers */

static const char *const names[SANDBOX_MODES] = { "auto", "enforce", "log", "off" };

const char *sandbox_mode_name(enum sandbox_mode mode)
{
	return names[mode];
}

enum sandbox_mode sandbox_mode_of(const char *name)
{
	for (unsigned i = 0; name && i < SANDBOX_MODES; i++)
		if (strcmp(name, names[i]) == 0)
			return (enum sandbox_mode)i;
	return SANDBOX_AUTO;
}

int sandbox_landlock_abi(void)
{
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, CREATE_RULESET_VERSION);
	return abi > 0 ? (int)abi : 0;
}

bool sandbox_has_filters(void)
{
	const uint32_t action = SECCOMP_RET_KILL_PROCESS;
	return syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0;
}
