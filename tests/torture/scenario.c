/* SPDX-License-Identifier: MIT
 * scenario.c - see scenario.h. */
#include "tests/torture/scenario.h"

#define CHAT_BY(key, model, more)                                                                 \
	"POST /v1/chat/completions", key,                                                         \
		"{'model':'" model "','messages':[{'role':'user','content':'@'}]" more "}"
#define CHAT(model) CHAT_BY(OF_USER, model, "")
#define CHAT_WITH(model, more) CHAT_BY(OF_USER, model, "," more)
#define STREAM(model) CHAT_WITH(model, "'stream':true")
#define RESPOND(more) "POST /v1/responses", OF_USER, "{'model':'mock','input':'@'" more "}"
#define GET(path, key) "GET " path, key, NULL
#define KEPT .master = MASTER_ANSWERS
#define MOCKED 200, "Good day to you"
#define SPOKE 200, "From the provider."
#define BEGUN 200, "From the"
#define DONE 200, "[DONE]"
#define BROKEN 200, "\"error\""
#define UNHEARD 0, NULL
#define STAY .manner = STAYS
#define STRICT .is_strict = true
#define UP .has_upstream = true
#define SWITCH                                                                                    \
	"upgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-version: 13\r\n"               \
	"sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"

const struct scenario scenarios[] = {
	/* mock deployments */
	{ "plain", CHAT("mock"), MOCKED, STAY },
	{ "plain-master", CHAT_BY(OF_MASTER, "alias", ""), MOCKED, STAY },
	{ "plain-strict", CHAT("mock"), MOCKED, STRICT },
	{ "plain-tcp", CHAT("mock"), MOCKED, .manner = CONNECTS },
	{ "plain-dripping", CHAT("mock"), MOCKED, .manner = DRIPS, .prompt = 3000 },
	{ "plain-chunked", CHAT("mock"), MOCKED, .has_chunks = true, .prompt = 5000 },
	{ "plain-64k", CHAT("mock"), MOCKED, .prompt = 65536 },
	{ "stream", CHAT_WITH("mock", "'stream':true,'stream_options':{'include_usage':true}"),
	  DONE, STAY },
	{ "stream-strict", STREAM("mock"), DONE, STRICT },
	{ "wildcard", CHAT_WITH("wild/one", "'n':3"), 200, "Anything goes", STAY },
	{ "tools", CHAT_WITH("mock", "'tools':[{'type':'function','function':{'name':'f',"
				     "'parameters':{}}}],'mock_tool_calls':[{'id':'c1','type':"
				     "'function','function':{'name':'f','arguments':'{}'}}]"),
	  200, "tool_calls", STAY },
	{ "parts", "POST /openai/deployments/mock/chat/completions", OF_USER,
	  "{'messages':[{'role':'user','content':[{'type':'text','text':'@'}]}]}", MOCKED, STAY },
	{ "completions", "POST /v1/completions", OF_USER, "{'model':'mock','prompt':'@'}",
	  MOCKED, STAY },
	{ "embeddings", "POST /v1/embeddings", OF_USER, "{'model':'mock','input':['@','b']}",
	  200, "embedding", STAY },
	{ "embeddings-base64", "POST /v1/embeddings", OF_USER,
	  "{'model':'mock','input':'@','encoding_format':'base64'}", 200, "embedding", STAY },
	{ "pipelined", CHAT("mock"), MOCKED, .times = 2 },
	{ "pipelined-stream", STREAM("mock"), DONE, .times = 2 },
	/* conversations */
	{ "responses", RESPOND(""), MOCKED, KEPT },
	{ "responses-strict", RESPOND(""), MOCKED, STRICT, KEPT },
	{ "responses-stream", RESPOND(",'stream':true"), 200, "response.completed", KEPT },
	{ "responses-goes-on", RESPOND(",'previous_response_id':'resp_kept'"), MOCKED, KEPT },
	{ "responses-64k", RESPOND(",'stream':true"), 200, "response.completed", .prompt = 65536, KEPT },
	{ "responses-unknown", RESPOND(",'previous_response_id':'resp_no'"), 400, "no such response",
	  KEPT },
	{ "responses-alone", RESPOND(""), MOCKED, STAY },
	{ "responses-lost", RESPOND(",'stream':true"), 200, "response.completed",
	  .master = MASTER_DIES },
	{ "responses-lost-before", RESPOND(",'previous_response_id':'resp_kept'"), 503, "cannot be reached",
	  .master = MASTER_DIES },
	{ "responses-leaves", RESPOND(""), UNHEARD, LEAVES_AT_ONCE, KEPT },
	{ "responses-get", GET("/v1/responses/resp_kept", OF_USER), 200, "output", KEPT },
	{ "responses-items", GET("/v1/responses/resp_kept/input_items?limit=1", OF_USER), 200,
	  "before", KEPT },
	{ "responses-nowhere", GET("/v1/responses/resp_no", OF_USER), 404, "not found", KEPT },
	{ "responses-delete", "DELETE /v1/responses/resp_kept", OF_USER, NULL, 200, "deleted", KEPT },
	{ "responses-cancel", "POST /v1/responses/resp_kept/cancel", OF_USER, "{}", 400,
	  "synchronous", KEPT },
	{ "responses-count", "POST /v1/responses/input_tokens", OF_USER,
	  "{'model':'mock','input':'@','previous_response_id':'resp_kept'}", 200, "input_tokens", KEPT },
	/* others take over */
	{ "retry", CHAT("pair"), 200, "The second one", STAY },
	{ "failover", CHAT("chain"), MOCKED, STAY },
	{ "failover-stream", STREAM("chain"), DONE, STAY },
	{ "failover-asked", CHAT_WITH("lost", "'fallbacks':['limited',{'model':'mock'}]"),
	  MOCKED, STAY },
	{ "failover-length", CHAT("long"), MOCKED, STAY },
	{ "lost", CHAT("lost"), 503, "ServiceUnavailableError", STAY },
	/* nobody waits */
	{ "leaves-early", CHAT("mock"), UNHEARD, LEAVES_EARLY, .prompt = 5000 },
	{ "leaves-at-once", CHAT("mock"), UNHEARD, .manner = LEAVES_AT_ONCE },
	{ "leaves-at-once-strict", STREAM("mock"), UNHEARD, LEAVES_AT_ONCE, STRICT },
	{ "leaves-between", CHAT_WITH("lost", "'num_retries':3"), UNHEARD, .manner = LEAVES_LATE },
	/* refused */
	{ "unknown-key", CHAT_BY("sk-nobody-has-it", "mock", ""), 401, "token_not_found", STAY },
	{ "no-key", CHAT_BY(NULL, "mock", ""), 401, "No api key", STAY },
	{ "blocked", CHAT_BY(OF_BLOCKED, "mock", ""), 401, "blocked", STAY },
	{ "expired", CHAT_BY(OF_EXPIRED, "mock", ""), 401, "Expired", STAY },
	{ "poor", CHAT_BY(OF_POOR, "mock", ""), 429, "Budget has been exceeded", STAY },
	{ "denied", CHAT_BY(OF_NARROW, "chain", ""), 403, "key not allowed", STAY },
	{ "unknown-model", CHAT("nobody"), 400, "Invalid model name", STAY },
	{ "bad-json", "POST /chat/completions", OF_USER, "{'model':'mock',]",
	  400, "Invalid JSON", STAY },
	{ "bad-member", "POST /chat/completions", OF_USER, "{'model':'mock','messages':3}",
	  400, "messages", STAY },
	{ "media-type", CHAT("mock"), 415, "application/json",
	  .headers = "content-type: text/html\r\n" },
	{ "too-large", CHAT("mock"), 413, "too large", .prompt = 300000 },
	{ "not-found", GET("/nowhere", OF_USER), 404, "Not Found", STAY },
	{ "method", "DELETE /v1/models", OF_USER, NULL, 405, "Method", STAY },
	{ "bad-http", "GET", OF_USER, NULL, 400, "error", STAY },
	/* the gateway's own answers */
	{ "models", GET("/v1/models", OF_USER), 200, "\"pair\"", STAY },
	{ "models-narrow", GET("/v1/models?return_wildcard_routes=true", OF_NARROW),
	  200, "\"mock\"", STAY },
	{ "model", GET("/v1/models/mock", OF_USER), 200, "\"mock\"", STAY },
	{ "metrics", GET("/metrics", NULL), 200, "llmgw_requests_total", STAY },
	{ "readiness", GET("/health/readiness", NULL), 503, "the master is away",
	  .master = MASTER_GONE },
	{ "liveliness", GET("/health/liveliness", NULL), 200, "alive", STAY },
	{ "preflight", "OPTIONS /v1/chat/completions", NULL, NULL, 200, "OK",
	  .headers = "origin: https://a.example\r\naccess-control-request-method: POST\r\n" },
	/* management calls */
	{ "relay", "POST /key/generate", OF_MASTER, "{'models':['@']}", 200, "called",
	  .master = MASTER_ANSWERS, .prompt = 100000 },
	{ "relay-query", GET("/key/list?page=2&size=%31&page=3&flag", OF_MASTER), 200, "called",
	  .master = MASTER_ANSWERS },
	{ "relay-gone", "POST /key/generate", OF_MASTER, "{}", 503, "is being restarted",
	  .master = MASTER_GONE },
	{ "orphan", CHAT_BY(OF_USER, "mock", ""), 503, "is being restarted",
	  .master = MASTER_GONE },
	{ "relay-dies", GET("/spend/logs?limit=1", OF_MASTER), 503, "went away",
	  .master = MASTER_DIES },
	{ "relay-leaves", GET("/key/list", OF_MASTER), UNHEARD, LEAVES_AT_ONCE,
	  .master = MASTER_ANSWERS },
	/* upstream */
	{ "upstream", CHAT("plain"), SPOKE, UP },
	{ "upstream-64k", CHAT_WITH("plain", "'metadata':{'a':1}"), SPOKE, UP, .prompt = 65536 },
	{ "upstream-pair", CHAT("plain"), SPOKE, UP, .times = 2 },
	{ "upstream-completions", "POST /v1/completions", OF_USER, "{'model':'text','prompt':'@'}",
	  SPOKE, UP },
	{ "upstream-embeddings", "POST /v1/embeddings", OF_USER, "{'model':'vectors','input':'@'}",
	  200, "-0.25", UP },
	{ "upstream-stream", STREAM("stream"), 200, "provider.", UP },
	{ "upstream-wide", STREAM("wide"), 200, "provider.", UP },
	{ "upstream-strict", STREAM("stream"), 200, "provider.", UP, STRICT },
	{ "upstream-plain-for-stream", STREAM("plain"), SPOKE, UP },
	{ "upstream-long-way", CHAT("one-line"), SPOKE, UP },
	{ "upstream-long-way-stream", STREAM("lines"), 200, "provider.", UP },
	{ "upstream-responses-break", "POST /v1/responses", OF_USER,
	  "{'model':'breaks','input':'@','stream':true}", 200, "response.failed", UP, KEPT },
	{ "upstream-reads-late", STREAM("flood"), DONE, READS_LATE, UP },
	{ "upstream-leaves", STREAM("stalls"), BEGUN, LEAVES, UP },
	{ "upstream-leaves-at-once", CHAT("plain"), UNHEARD, LEAVES_AT_ONCE, UP },
	{ "upstream-aborted", STREAM("stalls"), BEGUN, IS_ABORTED, UP },
	{ "upstream-cut", CHAT_BY(OF_SHORT, "dear", ",'stream':true"), BROKEN, UP },
	{ "upstream-breaks", STREAM("breaks"), BROKEN, UP },
	{ "upstream-stops", STREAM("stops"), BROKEN, UP },
	{ "upstream-spoilt", STREAM("spoilt"), BROKEN, UP },
	{ "upstream-resets", CHAT("then-resets"), MOCKED, UP },
	{ "upstream-complains", STREAM("then-complains"), DONE, UP },
	{ "upstream-500", CHAT("then-500"), MOCKED, UP },
	{ "upstream-500-told", STREAM("is-500"), 500, "it broke", UP },
	{ "upstream-429", CHAT("is-429"), 429, "RateLimitError", UP },
	{ "upstream-garbage", CHAT("is-garbage"), 502, "error", UP },
	{ "upstream-no-json", CHAT("is-no-json"), 502, "error", UP },
	{ "upstream-packed", CHAT("is-packed"), 502, "compressed", UP },
	{ "upstream-refused", CHAT("then-refused"), MOCKED, UP },
	{ "upstream-refused-told", CHAT("refused"), 500, "error", UP },
	{ "upstream-heartbeat", STREAM("slow"), 200, ": llmgw", UP, .has_time = true },
	{ "upstream-late", CHAT_WITH("silent", "'timeout':0.02"), 408, "Timeout", UP,
	  .has_time = true },
	/* relayed as it is */
	{ "raw", "POST /v1/audio/speech", OF_USER, "{'model':'plain','input':'@'}", SPOKE, UP },
	{ "raw-strict", "POST /v1/audio/speech", OF_USER, "{'model':'plain','input':'@'}", SPOKE, UP,
	  STRICT },
	{ "raw-pair", "POST /v1/moderations", OF_USER, "{'model':'plain','input':'@'}", SPOKE, UP,
	  .times = 2 },
	{ "raw-stream", "POST /v1/images/generations", OF_USER,
	  "{'model':'stream','prompt':'@','stream':true}", 200, "provider.", UP },
	{ "raw-form", "POST /v1/audio/transcriptions", OF_USER,
	  "--b\r\nContent-Disposition: form-data; name='model'\r\n\r\nplain\r\n--b\r\n"
	  "Content-Disposition: form-data; name='file'; filename='f'\r\n\r\n@\r\n--b--\r\n",
	  SPOKE, UP, .headers = "content-type: multipart/form-data; boundary=b\r\n" },
	{ "raw-reads-late", "POST /v1/audio/speech", OF_USER, "{'model':'flood','input':'@'}",
	  DONE, READS_LATE, UP },
	{ "raw-leaves", "POST /v1/audio/speech", OF_USER, "{'model':'stalls','input':'@'}",
	  BEGUN, LEAVES, UP },
	{ "raw-500", "POST /v1/audio/speech", OF_USER, "{'model':'is-500','input':'@'}", 500,
	  "it broke", UP },
	{ "raw-refused", "POST /v1/audio/speech", OF_USER, "{'model':'refused','input':'@'}", 500,
	  "error", UP },
	{ "raw-garbage", "POST /v1/audio/speech", OF_USER, "{'model':'is-garbage','input':'@'}", 502,
	  "error", UP },
	{ "raw-late", "POST /v1/audio/speech", OF_USER, "{'model':'silent','input':'@'}", 408,
	  "Timeout", UP, .has_time = true, .headers = "x-litellm-timeout: 0.02\r\n" },
	{ "passed", "POST /to-plain/x?a=b", OF_USER, "{'anything':'@'}", SPOKE, UP },
	{ "passed-500", "POST /to-is-500/x", OF_USER, "{'anything':'@'}", 500, "it broke", UP },
	{ "passed-bad", "POST /to-plain/../x", OF_USER, "{}", 400, "may not be passed", STAY },
	{ "switched", GET("/v1/realtime?model=switches", OF_USER), 101, "hello", UP,
	  .headers = SWITCH },
	{ "switched-leaves", GET("/v1/realtime?model=switches", OF_USER), 101, "hello", LEAVES, UP,
	  .headers = SWITCH },
	{ "switch-500", GET("/v1/realtime?model=is-500", OF_USER), 500, "it broke", UP,
	  .headers = SWITCH },
	{ "switch-refused", GET("/v1/realtime?model=refused", OF_USER), 500, "error", UP,
	  .headers = SWITCH },
	/* A heartbeat may or may not have begun the stream when its time is over. */
	{ "upstream-late-stream", CHAT_WITH("silent", "'stream':true,'stream_timeout':0.05"),
	  UNHEARD, UP, .has_time = true },
};
const size_t scenarios_count = COUNT(scenarios);
