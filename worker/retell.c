/* SPDX-License-Identifier: MIT
 * retell.c - see retell.h. */
#include "worker/retell.h"

#include <errno.h>

#include "common/sse.h"
#include "common/texts.h"
#include "worker/exchange/provider.h"

struct retold {
	struct request *r;
	struct dialect_answer *an;
	struct provider_reader reader;	/* of a dialect that nothing is forwarded in */
	const struct provider *provider;
	struct buf nothing;		/* what would go to the client: it has it */
};

static int take(void *data, const struct llm_event *ev)
{
	struct retold *t = data;
	llm_tally_event(&t->an->tally, ev);
	return 0;
}

static int take_event(struct retold *t, struct arena *scratch, const struct sse_event *ev)
{
	const struct dialect *d = t->r->dialect;
	buf_reset(&t->nothing);
	t->nothing.failed = false;
	return d->forward_event ? d->forward_event(t->an, scratch, ev, &t->nothing)
				: provider_read_event(t->provider, &t->reader, scratch, ev, take,
						      t);
}

static int on_event(void *data, const struct sse_event *ev)
{
	struct retold *t = data;
	if (ev->oversize)
		return -EFBIG;
	if (!ev->data.p)
		return 0;		/* a heartbeat */
	struct arena *scratch = request_take_arena(t->r->w);
	if (!scratch)
		return -ENOMEM;
	int err = take_event(t, scratch, ev);
	request_give_arena(t->r->w, scratch);
	return err ? err : t->an->tally.has_error ? -ECANCELED : 0;
}

/* Who reads what a client is given where no dialect does: Ollama's alone have no twin. */
static const struct provider *reader_of(const struct dialect *d)
{
	bool is_chat = str_eq(str_z(d->name), STR("ollama.chat"));
	return provider_of(is_chat ? FAMILY_OLLAMA_CHAT : FAMILY_OLLAMA_GENERATE);
}

bool retell_stream(struct request *r, struct dialect_answer *an, struct str bytes)
{
	struct str type = str_z(r->dialect->stream_type);
	bool is_lines = str_eq(type, STR("application/x-ndjson"));
	struct retold t = { .r = r, .an = an, .provider = reader_of(r->dialect),
			    .reader = { .mem = r->mem, .q = &r->q } };
	struct sse sse;
	if (!is_lines && !str_eq(type, STR("text/event-stream")))
		return false;		/* a list that a stream makes */
	buf_init(&t.nothing, 2 * TEXT_MOST);
	sse_init(&sse, is_lines ? FRAMING_NDJSON : FRAMING_SSE, TEXT_MOST);
	int err = sse_feed(&sse, bytes, on_event, &t);
	if (!err)
		err = sse_end(&sse, on_event, &t);
	sse_done(&sse);
	buf_done(&t.nothing);
	return err == 0;
}
