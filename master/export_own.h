/* SPDX-License-Identifier: MIT
 * export_own.h - callbacks of a key's or a team's own: LiteLLM's metadata.logging, from the rule
 * that keys_logging.c puts into the directory to batches on their way.
 *
 * What a rule says is worked out when its first request ends, and kept. A callback without
 * variables is the gateway's own of that name; one with variables is an address of its own, of
 * which there are at most OWN_OUTPUTS; requests for one more are dropped and counted. */
#ifndef EXPORT_OWN_H
#define EXPORT_OWN_H

#include "master/export_rows.h"
#include "master/master.h"

enum { OWN_OUTPUTS = 64, OWN_CALLBACKS = 16 /* of one key or team */ };

struct export_own;
/* dir: the folder for what waits; it stays the caller's. NULL: no memory. */
struct export_own *export_own_new(struct master *m, const char *dir);
/* Tells those that the record's key or team names, but for the bits of `skip`. *who: bits of the
 * gateway's own that are told, which may become more, or fewer. */
void export_own_tell(struct export_own *o, const struct export_view *v, uint64_t skip,
		     uint64_t *who);
void export_own_tick(struct export_own *o, uint64_t now_ns);
/* After a reload: everything is worked out again. */
void export_own_configure(struct export_own *o);
/* As export_stop(). NULL is fine. */
void export_own_stop(struct export_own *o, uint64_t until_ns);

/* ---- what a rule says; pure ---- */

struct own_callback {
	uint8_t who;			/* by export_find() */
	bool success, failure;		/* of which ends it is told */
	const struct json *vars;	/* an object, or NULL: it has none but turn_off_... */
	bool is_plain;			/* of the configuration: they are not sealed */
};
struct own_rule {
	struct own_callback v[OWN_CALLBACKS];
	unsigned n;
	bool has_others;		/* it names some that nobody knows */
	uint64_t disabled;		/* bits of those that are not told of its requests */
};
/* The JSON that key_logging_add() has written, or config_teams.c, under EXPORT_PLAIN, which no
 * key's or team's rule has. What nobody knows is left out. c NULL: there are
 * no webhooks of the configuration. */
void export_own_read(struct arena *a, const struct config *c, const struct json *rule,
		     struct own_rule *ret);

#endif
