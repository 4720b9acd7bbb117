/* SPDX-License-Identifier: MIT
 * export_helicone.c - a request for Helicone's log of calls that went elsewhere: what was sent,
 * what came back, and when. It takes one with each call. Its properties say who asked. */
#include "common/clock.h"
#include "master/export_texts.h"

static void put_moment(struct json_out *o, const char *key, uint64_t wall_ns)
{
	json_open(o, key);
	json_put_u64(o, "seconds", wall_ns / NS_PER_S);
	json_put_u64(o, "milliseconds", wall_ns % NS_PER_S / NS_PER_MS);
	json_close(o);
}

static void put_meta(struct json_out *o, const struct record *r)
{
	static const struct {
		const char *name;
		enum record_text text;
	} properties[] = {
		{ "Helicone-Property-Key-Alias", RT_ALIAS }, { "Helicone-Property-Team", RT_TEAM },
		{ "Helicone-Property-Organization", RT_ORGANIZATION },
		{ "Helicone-Property-Model-Group", RT_GROUP },
		{ "Helicone-Property-Deployment", RT_DEPLOYMENT },
		{ "Helicone-Property-Outcome", RT_OUTCOME },
		{ "Helicone-Property-Call-Id", RT_CALL_ID },
	};
	struct str user = record_text(r, RT_END_USER);
	char id[37];
	json_open(o, "meta");
	export_write_uuid(id, r->request_id);
	json_put_z(o, "Helicone-Request-Id", id);
	if (!user.n)
		user = record_text(r, RT_USER);
	if (user.n)
		json_put_str(o, "Helicone-User-Id", user);
	for (size_t i = 0; i < COUNT(properties); i++)
		if (record_text(r, properties[i].text).n)
			json_put_str(o, properties[i].name, record_text(r, properties[i].text));
	json_close(o);
}

static void put_request(struct json_out *o, const struct export_view *v)
{
	const struct record *r = v->r;
	json_open(o, "providerRequest");
	json_put_str(o, "url", record_text(r, RT_BASE));
	json_open(o, "json");
	json_put_str(o, "model", export_model_of(r));
	json_put_bool(o, "stream", r->flags & RF_STREAM);
	if (v->texts)
		export_put_messages(o, "messages", v);
	export_put_texts_note(o, v);
	json_close(o);
	put_meta(o, r);
	json_close(o);
}

/* Where nothing else is told of it. */
static void put_answer(struct json_out *o, const struct export_view *v)
{
	const struct record *r = v->r;
	json_put_str(o, "id", record_text(r, RT_CALL_ID));
	json_put_str(o, "model", export_model_of(r));
	export_put_usage(o, r);
	if (v->texts)
		export_put_response(o, "response", v);
	if (!(r->flags & RF_FAILED))
		return;
	json_open(o, "error");
	json_put_str(o, "type", record_text(r, RT_ERROR));
	json_close(o);
}

static void put_response(struct json_out *o, const struct export_view *v)
{
	json_open(o, "providerResponse");
	json_open(o, "json");
	if (v->r->flags & RF_FAILED || !export_put_response_members(o, v))
		put_answer(o, v);
	json_close(o);
	json_put_u64(o, "status", v->r->status);
	json_open(o, "headers");
	json_close(o);
	json_close(o);
}

void export_put_helicone(const struct export_target *t, const struct export_view *v,
			 struct buf *to)
{
	const struct record *r = v->r;
	struct json_out o = json_out(to);
	(void)t;
	json_open(&o, NULL);
	put_request(&o, v);
	put_response(&o, v);
	json_open(&o, "timing");
	put_moment(&o, "startTime", r->start_ns);
	put_moment(&o, "endTime", r->end_ns);
	json_close(&o);
	json_close(&o);
}
