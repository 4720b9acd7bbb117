/* SPDX-License-Identifier: MIT
 * export_join.c - see export_join.h. To who reads, everything in a ring is a stranger's. */
#include "master/export_join.h"

#include <errno.h>

#include "common/mem.h"
#include "master/texts_redact.h"

enum { ROOM = TEXT_KINDS * TEXT_MOST, TREE_MAX = 64 << 20 };

struct export_join {
	struct metric_row *metrics;
	const struct config *config;
	struct redactor *redactor;	/* NULL: made when it is needed */
	struct arena *mem;		/* of the request under way */
	char *room;			/* ROOM bytes; NULL: nobody has said anything yet */
};

struct export_join *export_join_new(struct metric_row *m)
{
	struct export_join *j = mem_alloc(sizeof *j);
	if (j)
		j->metrics = m;
	return j;
}

struct export_join *export_join_free(struct export_join *j)
{
	if (!j)
		return NULL;
	redactor_free(j->redactor);
	arena_free(j->mem);
	if (j->room)
		mem_wipe(j->room, ROOM);
	mem_free(j->room);
	mem_free(j);
	return NULL;
}

void export_join_configure(struct export_join *j, const struct config *c)
{
	j->config = c;
	j->redactor = redactor_free(j->redactor);
}

/* Without what hides secrets nothing is told. */
static bool has_tools(struct export_join *j)
{
	if (!j->room)
		j->room = mem_alloc(ROOM);
	if (!j->mem)
		j->mem = arena_new(TREE_MAX);
	if (!j->redactor && j->config)
		j->redactor = redactor_new(j->config);
	return j->room && j->mem && j->redactor;
}

/* Those of the record; what stands before them has lost its own. */
static bool find(struct export_join *j, struct text_ring *ring, const struct record *r,
		 struct text_head *ret)
{
	for (;;) {
		int err = text_take(ring, ret, j->room, ROOM);
		if (err == -ENOENT)
			return false;
		if (!err && memcmp(ret->request_id, r->request_id, sizeof r->request_id) == 0)
			return true;
		METRIC_ADD(j->metrics, texts_untold, 1);
		if (err)
			return false;
	}
}

static void read_texts(struct export_join *j, const struct text_head *h, struct export_texts *ret)
{
	struct json_error e;
	size_t at = 0;
	for (unsigned i = 0; i < TEXT_KINDS; at += h->n[i], i++) {
		ret->text[i] = str_of(j->room + at, h->n[i]);
		ret->cut[i] = h->cut[i];
		redactor_hide(j->redactor, j->room + at, h->n[i]);
		if (h->n[i])		/* a stream's answer is JSON though it was cut */
			ret->root[i] = json_parse(j->mem, ret->text[i], 0, &e);
	}
}

bool export_join_take(struct export_join *j, struct text_ring *ring, const struct record *r,
		      struct export_texts *ret, size_t *ret_bytes)
{
	struct text_head h;
	*ret = (struct export_texts){ .is_hidden = r->flags & RF_TEXTS_HIDDEN };
	*ret_bytes = 0;
	if (!(r->flags & (RF_TEXTS | RF_TEXTS_HIDDEN | RF_TEXTS_LOST)))
		return false;
	if (ret->is_hidden)
		return true;
	if (j->mem)
		arena_reset(j->mem);
	if (!(r->flags & RF_TEXTS) || !has_tools(j) || !find(j, ring, r, &h)) {
		ret->is_lost = true;
		METRIC_ADD(j->metrics, texts_untold, r->flags & RF_TEXTS ? 1 : 0);
		return true;
	}
	ret->mem = j->mem;
	read_texts(j, &h, ret);
	*ret_bytes = (size_t)h.n[TEXT_PROMPT] + h.n[TEXT_ANSWER];
	return true;
}
