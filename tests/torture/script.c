/* SPDX-License-Identifier: MIT
 * script.c - see script.h. */
#include "tests/torture/script.h"

#define SEND(text) { ACT_SEND, text }
#define CHUNK(text) { ACT_CHUNK, text }
#define FLOOD { ACT_FLOOD, "........................" }
#define PAUSE { ACT_PAUSE, NULL }
#define SLEEP { ACT_SLEEP, NULL }
#define FIN { ACT_FIN, NULL }
#define RESET { ACT_RESET, NULL }
#define SILENCE { ACT_SILENCE, NULL }
#define END { ACT_END, NULL }

#define HEAD(status, type) "HTTP/1.1 " status "\r\ncontent-type: " type "\r\n"
#define JSON                                                                                      \
	HEAD("200 OK", "application/json")                                                        \
	"x-ratelimit-limit: 7\r\nx-request-id: " OF_PROVIDER "\r\n"
#define CHUNKED "transfer-encoding: chunked\r\n\r\n"
#define EVENTS HEAD("200 OK", "text/event-stream") CHUNKED
#define OBJECT(kind) "'id':'c-1','object':'" kind "','created':1,'model':'a-model',"
#define USAGE "'usage':{'prompt_tokens':9,'completion_tokens':3,'total_tokens':12}"
#define EVENT(members) "data: {" OBJECT("chat.completion.chunk") members "}\n\n"
#define DELTA(delta, finish)                                                                      \
	EVENT("'choices':[{'index':0,'delta':{" delta "},'finish_reason':" finish "}]")
#define FIRST DELTA("'role':'assistant','content':'From the '", "null")
#define SECOND DELTA("'content':'provider.'", "'stop'")
#define DONE "data: [DONE]\n\n"
#define LINE(text, more)                                                                          \
	"{'model':'a-model','created_at':'2026-01-01T00:00:00Z','message':{'role':'assistant',"   \
	"'content':'" text "'},'done':" more "}\n"
#define LAST "true,'done_reason':'stop','prompt_eval_count':9,'eval_count':3"

static const struct act plain[] = {
	SEND(JSON CHUNKED),
	CHUNK("{" OBJECT("chat.completion") "'choices':[{'index':0,'message':{'role':'assistant',"),
	PAUSE,
	CHUNK("'content':'From the provider.'},'finish_reason':'stop'}]," USAGE "}"),
	CHUNK(""), END,
};
static const struct act text[] = {
	SEND(JSON CHUNKED),
	CHUNK("{" OBJECT("text_completion") "'choices':[{'index':0,'text':'From the provider.',"
	      "'finish_reason':'stop'}]," USAGE "}"),
	CHUNK(""), END,
};
static const struct act vectors[] = {
	SEND(JSON CHUNKED),
	CHUNK("{'object':'list','model':'a-model','data':[{'object':'embedding','index':0,"
	      "'embedding':[0.5,-0.25,1e-3]}],'usage':{'prompt_tokens':9,'total_tokens':9}}"),
	CHUNK(""), END,
};
static const struct act stream[] = {
	SEND(EVENTS), CHUNK(FIRST), PAUSE, CHUNK(SECOND), CHUNK(EVENT("'choices':[]," USAGE) DONE),
	CHUNK(""), END,
};
static const struct act slow[] = {
	SLEEP, SEND(EVENTS), CHUNK(FIRST), SLEEP, CHUNK(SECOND DONE), CHUNK(""), END,
};
/* Buffers grow amid its events. */
#define TEN(x) x x x x x x x x x x
#define LONG TEN(TEN(TEN("0123456")))
static const struct act wide[] = {
	SEND(EVENTS), CHUNK(FIRST),
	CHUNK("data: {'a':'" LONG "','model':'a-model','choices':[{'index':0,'delta':{'content':"
	      "'provider.'},'finish_reason':null}],'b':'" LONG "'}\n\n"),
	PAUSE, CHUNK(SECOND DONE), CHUNK(""), END,
};
static const struct act flood[] = {
	SEND(EVENTS), FLOOD, CHUNK(SECOND DONE), CHUNK(""), END,
};
static const struct act lines[] = {
	SEND(HEAD("200 OK", "application/x-ndjson") CHUNKED),
	CHUNK(LINE("From the ", "false")), PAUSE, CHUNK(LINE("provider.", LAST)), CHUNK(""), END,
};
static const struct act one_line[] = {
	SEND(JSON CHUNKED), CHUNK(LINE("From the provider.", LAST)), CHUNK(""), END,
};
/* The count that it tells amid the stream is above every budget. */
static const struct act dear[] = {
	SEND(EVENTS), CHUNK(FIRST), PAUSE,
	CHUNK(EVENT("'choices':[{'index':0,'delta':{'content':'provider.'}}],"
		    "'usage':{'prompt_tokens':9,'completion_tokens':9000000}")),
	PAUSE, CHUNK(SECOND DONE), CHUNK(""), END,
};

static const struct act switches[] = {
	SEND("HTTP/1.1 101 Switching\r\nupgrade: websocket\r\nconnection: upgrade\r\n"
	     "sec-websocket-accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n\r\n"),
	PAUSE, SEND("\x81\x05hello\x81\x52{'response':{" USAGE "}}"), PAUSE, FIN,
};

/* ---- what goes wrong ---- */

static const struct act resets[] = { RESET };
static const struct act breaks[] = { SEND(EVENTS), CHUNK(FIRST), PAUSE, RESET };
static const struct act stops[] = { SEND(EVENTS), CHUNK(FIRST), PAUSE, CHUNK(""), END };
static const struct act stalls[] = { SEND(EVENTS), CHUNK(FIRST), SILENCE };
static const struct act silent[] = { SILENCE };
static const struct act spoilt[] = {
	SEND(EVENTS), CHUNK(FIRST), PAUSE, CHUNK("data: {'choices': what?\n\n"), CHUNK(""), END,
};
static const struct act complains[] = {
	SEND(EVENTS),
	CHUNK("data: {'error':{'message':'too busy','type':'overloaded','code':503}}\n\n"),
	CHUNK(""), END,
};
static const struct act is_500[] = {
	SEND(HEAD("500 Oh", "application/json") CHUNKED),
	CHUNK("{'error':{'message':'it broke: " OF_PROVIDER "','type':'server_error'}}"),
	CHUNK(""), END,
};
static const struct act is_429[] = {
	SEND(HEAD("429 Slow", "application/json")
	     "retry-after: 1\r\ncontent-length: 26\r\n\r\n{'error':{'message':'no'}}"),
	END,
};
static const struct act is_garbage[] = { SEND("\1\2\3 this is no HTTP at all\r\n\r\n"), FIN };
static const struct act is_no_json[] = {
	SEND(JSON "content-length: 12\r\n\r\n<html></html"), END,
};
static const struct act is_packed[] = {
	SEND(JSON "content-encoding: gzip\r\ncontent-length: 4\r\n\r\nabcd"), END,
};

/* ---- who gives tokens ---- */

static const struct act token[] = {
	SEND(JSON CHUNKED), CHUNK("{'access_token':'tok"), PAUSE, CHUNK("en-1','expires_in':3600}"),
	CHUNK(""), END,
};
static const struct act is_401[] = {
	SEND(HEAD("401 No", "application/json")
	     "content-length: 26\r\n\r\n{'error':'invalid_client'}"),
	END,
};

static const struct script {
	const char *name;
	const struct act *acts;
} scripts[] = {
	{ "plain", plain }, { "text", text }, { "vectors", vectors }, { "stream", stream },
	{ "wide", wide }, { "slow", slow }, { "flood", flood }, { "lines", lines },
	{ "one-line", one_line }, { "dear", dear }, { "then-resets", resets }, { "breaks", breaks }, { "stops", stops },
	{ "stalls", stalls }, { "silent", silent }, { "spoilt", spoilt },
	{ "then-complains", complains }, { "then-breaks", breaks }, { "then-500", is_500 }, { "is-500", is_500 },
	{ "is-429", is_429 }, { "is-garbage", is_garbage }, { "is-no-json", is_no_json },
	{ "is-packed", is_packed }, { "switches", switches },
	{ "token", token }, { "is-401", is_401 }, { "by-token", plain },
	{ "by-token-stream", stream }, { "then-by-token-is-401", is_401 },
};

#define SHORT_WAY(name) { name, FAMILY_OPENAI, NULL }
#define LONG_WAY(name) { name, FAMILY_OLLAMA_CHAT, NULL }

const struct setting_upstream script_upstreams[] = {
	SHORT_WAY("plain"), SHORT_WAY("text"), SHORT_WAY("vectors"), SHORT_WAY("stream"),
	SHORT_WAY("wide"), SHORT_WAY("slow"), SHORT_WAY("flood"), LONG_WAY("lines"),
	LONG_WAY("one-line"), SHORT_WAY("dear"), SHORT_WAY("then-resets"), SHORT_WAY("breaks"), SHORT_WAY("stops"),
	SHORT_WAY("stalls"), SHORT_WAY("silent"), SHORT_WAY("spoilt"),
	SHORT_WAY("then-complains"), SHORT_WAY("then-breaks"), SHORT_WAY("then-500"), SHORT_WAY("is-500"),
	SHORT_WAY("is-429"), SHORT_WAY("is-garbage"), SHORT_WAY("is-no-json"),
	SHORT_WAY("by-token"), SHORT_WAY("by-token-stream"), SHORT_WAY("then-by-token-is-401"),
	{ "then-by-none", FAMILY_OPENAI, "is-401" }, { "by-silence", FAMILY_OPENAI, "silent" },
	SHORT_WAY("is-packed"), SHORT_WAY("refused"), SHORT_WAY("then-refused"),
	SHORT_WAY("switches"),
	{ NULL, FAMILY_OPENAI, NULL },
};

const struct act *script_named(struct str name)
{
	for (size_t i = 0; i < COUNT(scripts); i++)
		if (str_eq_z(name, scripts[i].name))
			return scripts[i].acts;
	MUST(false);
	return NULL;
}
