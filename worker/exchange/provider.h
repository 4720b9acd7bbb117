/* SPDX-License-Identifier: MIT
 * provider.h - what the gateway needs to know to speak to one family of providers.
 *
 * An adapter is pure: no socket, clock or log. */
#ifndef PROVIDER_H
#define PROVIDER_H

#include "common/snapshot.h"
#include "common/sse.h"
#include "worker/llm.h"

struct provider_call {			/* what goes out, made by write_request() */
	struct buf path;		/* behind the deployment's base: "/chat/completions" */
	struct buf body;
	struct buf headers;		/* "name: value\r\n" lines of this call alone */
	enum stream_framing framing;	/* of a streamed answer */
};
struct provider_target {
	struct str model;		/* upstream's name, wildcards filled */
	struct str provider;		/* its name in etc/providers.tsv; may be .p NULL */
	struct str paths;		/* of the deployment: see provider_put_path() */
	struct str params, extra_body;	/* JSON objects of the deployment, or .p NULL */
	struct str mock_response;
	bool drop_params;
	enum provider_site site;
	struct str api_version, project, location;	/* of the site; may be .p NULL */
	uint64_t max_output_tokens;	/* of the model; 0 = unknown */
};
struct provider_reader {		/* the state of reading one answer */
	struct arena *mem;		/* the request's */
	const struct llm_request *q;
	const struct provider_target *target;	/* what write_request() was given; may be NULL */
	bool is_started, is_ended;
	void *state;			/* the adapter's own; NULL to begin with */
};
struct provider {
	const char *name;
	enum provider_family family;
	/* 0; -EINVAL with *reterr (a parameter this provider cannot do, named); -ENOMEM. */
	int (*write_request)(struct arena *a, const struct llm_request *q,
			     const struct provider_target *t, struct provider_call *ret,
			     struct llm_error *reterr);
	/* One stream event, called by provider_read_event() alone, or the whole plain body, to
	 * neutral events; one of them ends with
	 * EV_END or EV_ERROR. A stream that ends without either is whole if EV_FINISH was seen:
	 * some never send their closing event. 0; -EBADMSG (not what the provider should say);
	 * -ENOMEM; or what emit returned. */
	int (*read_event)(struct provider_reader *rd, struct arena *scratch,
			  const struct sse_event *ev, llm_emit_fn *emit, void *data);
	int (*read_answer)(struct provider_reader *rd, struct str body, llm_emit_fn *emit,
			   void *data);
	/* For the short way, which has the body already: appends the path behind the base. The
	 * site may replace it (site.h). NULL: no dialect is this family's twin. */
	void (*write_path)(const struct llm_request *q, const struct provider_target *t,
			   struct buf *out);
	bool reranks;			/* takes LLM_RERANK; all others need not look for it */
};
extern const struct provider provider_openai, provider_ollama_chat, provider_ollama_generate,
	provider_mock, provider_anthropic, provider_gemini, provider_bedrock,
	provider_responses, provider_cohere, provider_tgi, provider_fim, provider_rerank,
	provider_replicate;
const struct provider *provider_of(enum provider_family family);	/* NULL: none yet */
/* The family's own, or who serves that kind in its place. */
const struct provider *provider_for(enum provider_family family, enum llm_kind kind);

/* p->read_event() for an event that there is something to read in: 0 where its data is blank,
 * -EBADMSG where it was too large to be kept, for it cannot be translated without a look. */
int provider_read_event(const struct provider *p, struct provider_reader *rd, struct arena *scratch,
			const struct sse_event *ev, llm_emit_fn *emit, void *data);

/* The path that t->paths ("chat=/a text=/b/{model}/c") has under that name, else `preset`; the
 * model is put where "{model}" stands. */
void provider_put_path(const struct provider_target *t, const char *name, const char *preset,
		       struct buf *out);

/* Any provider's error body to a neutral error: finds message, type, code wherever they stand
 * in a body, refines the outcome (context length, content policy, quota), reads
 * retry-after values that stand in the body, scrubs. */
void provider_read_error(struct arena *a, int status, struct str body, struct str key,
			 struct llm_error *ret);

#endif
