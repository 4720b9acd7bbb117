/* SPDX-License-Identifier: MIT
 * export_rows.h - the table of callbacks: what each is called, where its environment says that it
 * is, and how a batch for it is written. Writers are pure. */
#ifndef EXPORT_ROWS_H
#define EXPORT_ROWS_H

#include "common/json_write.h"
#include "common/record.h"
#include "master/config.h"
#include "master/cost_split.h"
#include "master/egress.h"

enum export_kind { EXPORT_OTEL, EXPORT_GENERIC, EXPORT_LANGFUSE, EXPORT_DATADOG, EXPORT_LANGSMITH,
		   EXPORT_S3, EXPORT_S3_V2, EXPORT_SQS, EXPORT_AWS_SQS, EXPORT_HELICONE,
		   EXPORT_SLACK, EXPORT_GCS, EXPORT_GCS_BUCKET, EXPORT_DATADOG_LLM,
		   EXPORT_LANGFUSE_OTEL, EXPORT_RUBRIK, EXPORT_SUMOLOGIC, EXPORT_KINDS };

/* What stands in for variables of the environment, case aside: callback_vars of a key or a team.
 * Texts are the caller's. */
enum { EXPORT_VARS = 16 };
struct export_vars {
	unsigned n;
	struct {
		const char *name, *value;
	} v[EXPORT_VARS];
};

struct export_target {
	const struct export_vars *vars;	/* set by who has it read; NULL: the environment alone */
	char url[1024];
	char headers[4096];		/* SECRET: lines, a '\n' between them */
	char service[128], environment[128], source[128], host[128];
	char attributes[2048];		/* OTEL_RESOURCE_ATTRIBUTES */
	char project[128];
	char version[64], pod[128], app[128];	/* of Datadog */
	char type[96];			/* of bodies; "": as the row has it */
	char queue[1024];
	char aws_key[128], aws_secret[128], aws_token[2048], aws_region[64];	/* SECRET */
	/* Files, or "": who signs the receiver's certificate; ours for it, and the key. */
	char authority[512], certificate[512], key[512];
	bool is_langfuse;		/* of OTLP's: its attributes stand beside the others */
	bool is_each;			/* an object for each record, and not for each batch */
	bool is_packed;			/* bodies go by gzip */
	bool has_service;		/* `service` was said, and goes before `attributes` */
	/* Who has no master key says where it goes: no secret of the environment goes there. */
	bool is_strangers;
	uint64_t wait_ms;		/* how old a batch may become */
	uint64_t timeout_ms;		/* of one call; 0: as for all */
	unsigned records, queued;	/* of one batch, and in memory; 0: as for all */
	struct egress egress;		/* set by who has it read */
};
/* Where one batch goes, for who wants an address or a signature of its own for each. */
struct export_address {
	char url[1400];
	char headers[8192];		/* SECRET */
};

struct export_texts;			/* export_texts.h */

/* What the directory and the board know of who asked, when it is told. */
struct export_owner {
	struct str team_alias, organization_alias;	/* .n 0: it has none */
	bool has_key;
	int64_t spend_nano, max_budget_nano;	/* of the key; below 0: no budget */
};
/* A record, and what the configuration says of the deployments that were tried. */
struct export_view {
	const struct record *r;
	const struct config_model *model[RECORD_ATTEMPTS];	/* NULL: no longer known */
	const struct price_quote *quote;	/* of the one that answered; NULL: none is known */
	const struct export_texts *texts;	/* NULL: it is not told what was said */
	size_t text_most;		/* bytes of the prompt, and of the answer, that are told */
	struct export_owner owner;
	bool agent_is_no_tag;		/* by the configuration */
	uint64_t left_out;		/* fields of the payload: export_payload.h */
	uint32_t langfuse_tags;		/* export_langfuse_tag() */
};

struct export_row {
	const char *name;		/* in callbacks */
	/* Fills *ret, which is empty but for `vars`, from those, the environment and the
	 * settings; or what is missing there. */
	const char *(*read)(const struct config *c, struct export_target *ret);
	void (*begin)(const struct export_target *t, struct buf *to);
	void (*put)(const struct export_target *t, const struct export_view *v, struct buf *to);
	const char *between, *end;	/* of the records of a batch */
	unsigned records;		/* of one batch */
	bool sampled_only;
	const char *doc;
	const char *method, *type;	/* NULL: a POST of application/json */
	/* NULL: the target's own url and headers. False: no memory. */
	bool (*address)(const struct export_target *t, struct str body, uint64_t wall_ns,
			struct export_address *ret);
	/* Of a receiver that takes only so many records with each call: how many, and how many
	 * bytes. Its batch is a line a record, and `begin`, `between` and `end` are of a call. 0:
	 * a batch is one call. */
	unsigned call_rows;
	size_t call_bytes;
	/* Of an answer that may say that some were not taken: appends the lines of those that
	 * shall be sent again. NULL: there is no such. */
	void (*judge)(struct str answer, struct str lines, struct buf *left, uint32_t *ret_left,
		      uint32_t *ret_refused);
	bool failures_only;		/* it is not told of what went well */
	bool has_texts;			/* it is told what was asked and answered */
};
extern const struct export_row export_rows[EXPORT_KINDS];
int export_row_find(struct str name);	/* case aside; -1: there is none */
/* Rows for webhooks of the configuration: how the records of a batch are put together. */
extern const struct export_row export_formats[HOOK_FORMATS];
/* Whose texts a row's are: its own number, and of a webhook that of generic_api. */
unsigned export_kind_of(const struct export_row *row);
/* Whether it is told what was asked and answered; otel where it is asked for alone. */
bool export_wants_texts(const struct config *c, unsigned kind);
/* Whether it is by some configuration. */
bool export_may_want_texts(unsigned kind);

/* The bit of such a name in langfuse_default_tags; 0: it is none. */
uint32_t export_langfuse_tag(struct str name);
/* Percent-encoding taken off, as far as there is room; how many bytes it has become. */
size_t export_decode(struct str value, char *to, size_t room);
/* Whether a name and a value may stand in a header: nothing that would end its line. */
bool export_is_header(struct str name, struct str value);
/* False: it may not, or there is no room; nothing was added. */
bool export_add_header(struct export_target *t, struct str name, struct str value);
bool export_set_url(struct export_target *t, struct str url);	/* false: it is too long */
/* How old a batch may become, where no variable of its own says that. */
void export_read_flush(struct export_target *t);
/* The value that stands for a variable; NULL: there is none. */
const char *export_variable(const struct export_target *t, const char *name);
/* Whether one of them says where something goes, and not only who is there. */
bool export_vars_say_where(const struct export_vars *vars);
/* Where OpenTelemetry's traces or metrics go, from the environment; or what is missing there. */
const char *export_read_otlp(struct export_target *ret, bool metrics);
/* How an answer ended, in OpenAI's words; .n 0: it has none. */
struct str export_finish(const struct record *r);
/* A number of a record as it was given: 0.7, and not what a float makes of it. */
double export_short(float v);
/* LiteLLM's standard logging payload. */
void export_put_payload(struct json_out *o, const char *key, const struct export_view *v);
void export_begin_otlp(const struct export_target *t, struct buf *to);
void export_put_otlp(const struct export_target *t, const struct export_view *v, struct buf *to);
void export_put_langfuse(const struct export_target *t, const struct export_view *v,
			 struct buf *to);
/* What OTLP's attributes are called there; inside a list of them. */
void export_put_langfuse_attributes(struct json_out *o, const struct export_target *t,
				    const struct export_view *v);
void export_put_langsmith(const struct export_target *t, const struct export_view *v,
			  struct buf *to);
/* -- export_s3.c -- */
const char *export_read_s3(const struct config *c, struct export_target *ret);
/* Google's storage, by the calls of S3. */
const char *export_read_gcs(const struct config *c, struct export_target *ret);
bool export_address_s3(const struct export_target *t, struct str body, uint64_t wall_ns,
		       struct export_address *ret);
/* -- export_datadog.c -- */
void export_put_datadog(const struct export_target *t, const struct export_view *v,
			struct buf *to);
void export_begin_datadog_llm(const struct export_target *t, struct buf *to);
void export_put_datadog_llm(const struct export_target *t, const struct export_view *v,
			    struct buf *to);
/* -- others -- */
void export_put_helicone(const struct export_target *t, const struct export_view *v,
			 struct buf *to);
void export_begin_slack(const struct export_target *t, struct buf *to);
void export_put_slack(const struct export_target *t, const struct export_view *v, struct buf *to);
/* A request's id as a UUID, with its dashes. */
void export_write_uuid(char out[37], const uint8_t id[16]);
/* -- export_sqs.c -- */
const char *export_read_sqs(const struct config *c, struct export_target *ret);
void export_begin_sqs(const struct export_target *t, struct buf *to);
void export_put_sqs(const struct export_target *t, const struct export_view *v, struct buf *to);
bool export_address_sqs(const struct export_target *t, struct str body, uint64_t wall_ns,
			struct export_address *ret);
void export_judge_sqs(struct str answer, struct str lines, struct buf *left, uint32_t *ret_left,
		      uint32_t *ret_refused);
/* How traces are sampled, by OTEL_TRACES_SAMPLER and its argument. False: it names none. */
bool export_read_sampler(const char *sampler, const char *argument, uint32_t *ret_flags,
			 uint64_t *ret_share);

#endif
