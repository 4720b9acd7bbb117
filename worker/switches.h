/* SPDX-License-Identifier: MIT
 * switches.h - whether the master, and callbacks, are told of a request when it has ended. What may
 * be kept of its texts is decided in texts.c. */
#ifndef SWITCHES_H
#define SWITCHES_H

#include "worker/request.h"

/* Whether the body's `no-log` keeps the request from callbacks, and its texts from being kept,
 * which litellm_settings.global_disable_no_log_param forbids. Good while the request lives. */
bool switches_no_log(const struct request *r);

/* Whether the master is told of the request when it ends: where the configuration names callbacks
 * or alerts, or its key or team says anything of them. */
static inline bool switches_want_record(const struct request *r)
{
	return snap_settings(r->snap)->flags & SET_RECORDS ||
	       (r->key.flags | r->team.flags) & KEY_LOGGED;
}

/* Whether callbacks are to be given what it asks and is answered, unless somebody is against it:
 * those of the configuration, or of its key or team. */
static inline bool switches_tell_texts(const struct request *r)
{
	return snap_settings(r->snap)->flags & SET_TEXTS_TOLD ||
	       (r->key.flags | r->team.flags) & KEY_TOLD;
}

/* The same, or it is to be kept. */
static inline bool switches_want_texts(const struct request *r)
{
	return snap_settings(r->snap)->flags & (SET_TEXTS | SET_TEXTS_TOLD) ||
	       (r->key.flags | r->team.flags) & KEY_TOLD;
}

#endif
