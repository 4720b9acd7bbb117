/* SPDX-License-Identifier: MIT
 * export_hooks.h - webhooks of callback_settings, each a callback by a name of its own; and one
 * numbering of those with the table of callbacks, for bits in sets of them. */
#ifndef EXPORT_HOOKS_H
#define EXPORT_HOOKS_H

#include "common/json.h"
#include "master/export_rows.h"

/* callback_settings with variables as they are: config_teams.c. */
#define EXPORT_PLAIN "plain_settings"

enum { EXPORT_HOOK = 32, EXPORT_ALL = EXPORT_HOOK + CONFIG_HOOKS };
_Static_assert(EXPORT_KINDS <= (int)EXPORT_HOOK && (int)EXPORT_ALL <= 64, "bits of one number");

/* The number of who is called that, case aside: a webhook of the configuration, from EXPORT_HOOK
 * on, or else a row of the table. -1: nobody. c NULL: it has no webhooks. */
int export_find(const struct config *c, struct str name);
/* Its name, and how a batch for it is written. It is one that export_find() has given. */
struct str export_name(const struct config *c, unsigned who);
const struct export_row *export_row_of(const struct config *c, unsigned who);
/* Where it is: as the row's own function does. */
const char *export_read(const struct config *c, unsigned who, struct export_target *ret);

/* What is wrong with the settings of a webhook; NULL: *ret has them. */
const char *export_hook_read(struct arena *a, const struct json *settings,
			     struct config_hook *ret);

#endif
