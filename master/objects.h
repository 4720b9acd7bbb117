/* SPDX-License-Identifier: MIT
 * objects.h - what all commands share that change objects of the database: one call, from its
 * arguments over the line of changes (publish.h) to its answer. */
#ifndef OBJECTS_H
#define OBJECTS_H

#include "common/json_write.h"
#include "master/commands.h"
#include "master/publish.h"

enum { OBJECT_OPS_MAX = 64 };

struct object_call {
	struct command_call *c;
	struct str name, label;		/* what it is about */
	/* Works out the ops when its turn comes: by object_put(), object_delete(). 0, -ENOMEM, or
	 * what object_refuse() returns. */
	int (*make)(struct object_call *oc);
	void (*answer)(struct object_call *oc);	/* writes c->out; what was made is in force */
	struct publish_change *change;	/* while made */
	int status;			/* of a refusal; 0: none */
	const char *type, *param;
	char why[512];
	unsigned n;			/* for the command's own use */
};

/* A struct of that size that begins with an object_call. NULL: answered already, that nothing is
 * stored or that there is no memory. */
void *object_begin(struct command_call *c, size_t size);
/* Stands in line. `what` and the call's name make the history's line. */
void object_start(struct object_call *oc, const char *what);
/* -EINVAL, with the answer that the call gets. */
int object_refuse(struct object_call *oc, int status, const char *param, const char *fmt, ...)
	PRINTF(4, 5);

/* The object as it is, or NULL; its times and makers kept where it exists. 0 or -ENOMEM. */
const struct config_object *object_now(const struct object_call *oc, enum object_kind kind,
				       struct str name);
int object_put(struct object_call *oc, enum object_kind kind, struct str name, struct str label,
	       struct str secret, struct str info);
int object_delete(struct object_call *oc, enum object_kind kind, struct str name);
/* Whether the call comes without the master key, and not from the machine itself. */
bool object_by_stranger(const struct object_call *oc);
/* Such a call changes where something is, and would take keys there that are kept from before: then
 * it is refused. 0, -ENOMEM, or what object_refuse() returns. */
int object_check_move(struct object_call *oc, const struct config_object *old,
		      const struct json *by);

/* Arguments: the name in the path, else the argument. 0; else answered. */
int object_name(struct command_call *c, const char *arg, struct str *ret);
/* An object or list given as JSON, or as a text with JSON in it. -ENOENT; -EINVAL: answered. */
int object_json(struct command_call *c, const char *arg, enum json_type type,
		const struct json **ret);
/* The members of `old`, and over them those of `by` that are not null. .p NULL: no memory. */
struct str object_merge(struct arena *a, struct str old, const struct json *by);

#endif
