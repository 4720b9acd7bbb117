/* SPDX-License-Identifier: MIT
 * refusal.h - why a file may not be read, where strerror() says "Permission denied" only.
 *
 * Three refuse: the modes of folders and files, AppArmor's profile of the service, and what its
 * unit hides. Each wants something else to be done, and nobody sees from the two words which. */
#ifndef REFUSAL_H
#define REFUSAL_H

#include <stdbool.h>
#include <stddef.h>

#include "common/check.h"
#include "common/str.h"

/* The service's: packaging/llmgw.apparmor.in. */
#define REFUSAL_PROFILE "llmgw"
enum { REFUSAL_ROOM = 1024, REFUSAL_NAME_ROOM = 128 };

/* What there is to say of an error (a negative errno) while reading `path`: strerror(), and for a
 * refusal who refuses and what to do. Returns `text`. */
const char *refusal_text(int err, const char *path, char text[REFUSAL_ROOM]);

/* The folder above `path` that the unit of the service hides by ProtectHome= or PrivateTmp=, or
 * NULL. */
const char *refusal_hidden(const char *path);
/* Whether the kernel, asked for it, says that a profile which is loaded refuses to read `path`.
 * False also where there is no AppArmor, or no such profile, or no answer. */
bool refusal_by_profile(const char *profile, const char *path);
/* What is to be done about that; `real` is the path without links. */
void refusal_put_rule(const char *path, const char *real, char *text, size_t room);

/* -- pure -- */

/* The profile that is enforced, out of /proc/self/attr/current. False: none is. */
bool refusal_read_profile(struct str attr, char ret_name[REFUSAL_NAME_ROOM]);
/* The kernel's answer to a question for permissions: whether reading is not among them. */
bool refusal_read_answer(struct str answer);

#endif
