/* SPDX-License-Identifier: MIT
 * test_dialect_openai.c - what the OpenAI dialects accept and refuse, what of a request they
 * change on the short way, and what they write.
 *
 * A row that is refused names the place; one that is accepted is written by the provider adapter,
 * read again, and must say the same. */
#include "worker/client/dialect.h"

#include "common/mem.h"
#include "tests/unit/llm_fixture.h"
#include "worker/exchange/provider.h"
#include "worker/openai.h"

static const struct dialect *dialect_of(enum llm_kind kind)
{
	for (size_t i = 0; dialects[i]; i++)
		if (dialects[i]->kind == kind)
			return dialects[i];
	return NULL;
}

/* --- what is refused --- */

#define M "\"model\":\"m\","
#define U "\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]"
#define CHAT(more) "{" M U "," more "}"
#define MSG(message) "{" M "\"messages\":[" message "]}"
#define TEXT(more) "{" M more "}"

static const struct {
	enum llm_kind kind;
	const char *body, *param, *says;
} refused[] = {
	{ LLM_CHAT, "{" U "}", "model", "is missing" },
	{ LLM_CHAT, "{\"model\":null," U "}", "model", "is missing" },
	{ LLM_CHAT, "{\"model\":\"\"," U "}", "model", "must not be empty" },
	{ LLM_CHAT, "{\"model\":7," U "}", "model", "must be a string, not a number" },
	{ LLM_CHAT, "{\"model\":\"m\"}", "messages", "is missing" },
	{ LLM_CHAT, "{\"model\":\"m\",\"messages\":null}", "messages", "is missing" },
	{ LLM_CHAT, "{\"model\":\"m\",\"messages\":[]}", "messages", "must not be empty" },
	{ LLM_CHAT, "{\"model\":\"m\",\"messages\":\"hi\"}", "messages", "must be an array, not a string" },
	{ LLM_CHAT, "{\"model\":\"m\",\"messages\":{}}", "messages", "must be an array" },
	{ LLM_CHAT, MSG("7"), "messages[0]", "must be an object, not a number" },
	{ LLM_CHAT, MSG("{}"), "messages[0].role", "is missing" },
	{ LLM_CHAT, MSG("{\"role\":7,\"content\":\"\"}"), "messages[0].role", "must be a string" },
	{ LLM_CHAT, MSG("{\"role\":\"robot\",\"content\":\"\"}"), "messages[0].role", "must be one of" },
	{ LLM_CHAT, MSG("{\"role\":\"user\"}"), "messages[0].content", "is missing" },
	{ LLM_CHAT, MSG("{\"role\":\"system\",\"content\":null}"), "messages[0].content", "is missing" },
	{ LLM_CHAT, MSG("{\"role\":\"user\",\"content\":\"a\"},{\"role\":\"user\",\"content\":7}"),
	  "messages[1].content", "must be a string or an array of parts, not a number" },
	{ LLM_CHAT, MSG("{\"role\":\"user\",\"content\":{}}"), "messages[0].content",
	  "must be a string or an array of parts, not an object" },
	{ LLM_CHAT, MSG("{\"role\":\"user\",\"content\":[\"hi\"]}"), "messages[0].content[0]",
	  "must be an object" },
	{ LLM_CHAT, MSG("{\"role\":\"user\",\"content\":[{}]}"), "messages[0].content[0].type",
	  "is missing" },
	{ LLM_CHAT, MSG("{\"role\":\"user\",\"content\":[{\"type\":1}]}"), "messages[0].content[0].type",
	  "must be a string" },
	{ LLM_CHAT, MSG("{\"role\":\"user\",\"content\":[{\"type\":\"text\"}]}"),
	  "messages[0].content[0].text", "is missing" },
	{ LLM_CHAT, MSG("{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":[]}]}"),
	  "messages[0].content[0].text", "must be a string" },
	{ LLM_CHAT, MSG("{\"role\":\"user\",\"content\":[{\"type\":\"image_url\"}]}"),
	  "messages[0].content[0].image_url", "is missing" },
	{ LLM_CHAT, MSG("{\"role\":\"user\",\"content\":[{\"type\":\"image_url\",\"image_url\":{}}]}"),
	  "messages[0].content[0].image_url.url", "is missing" },
	{ LLM_CHAT, MSG("{\"role\":\"user\",\"content\":[{\"type\":\"image_url\",\"image_url\":7}]}"),
	  "messages[0].content[0].image_url", "must be an object" },
	{ LLM_CHAT,
	  MSG("{\"role\":\"user\",\"content\":[{\"type\":\"image_url\",\"image_url\":{\"url\":\"x\",\"detail\":1}}]}"),
	  "messages[0].content[0].image_url.detail", "must be a string" },
	{ LLM_CHAT, MSG("{\"role\":\"user\",\"content\":[{\"type\":\"input_audio\"}]}"),
	  "messages[0].content[0].input_audio", "is missing" },
	{ LLM_CHAT,
	  MSG("{\"role\":\"user\",\"content\":[{\"type\":\"input_audio\",\"input_audio\":{\"data\":\"AA\"}}]}"),
	  "messages[0].content[0].input_audio.format", "is missing" },
	{ LLM_CHAT, MSG("{\"role\":\"user\",\"content\":[{\"type\":\"file\",\"file\":{\"filename\":\"a\"}}]}"),
	  "messages[0].content[0].file", "must have a file_id or file_data" },
	{ LLM_CHAT, MSG("{\"role\":\"user\",\"content\":\"a\",\"name\":7}"), "messages[0].name",
	  "must be a string" },
	{ LLM_CHAT, MSG("{\"role\":\"tool\",\"content\":\"a\"}"), "messages[0].tool_call_id", "is missing" },
	{ LLM_CHAT, MSG("{\"role\":\"tool\",\"content\":\"a\",\"tool_call_id\":1}"),
	  "messages[0].tool_call_id", "must be a string" },
	{ LLM_CHAT, MSG("{\"role\":\"tool\",\"content\":5,\"tool_call_id\":\"c\"}"), "messages[0].content",
	  "must be a string or an array" },
	{ LLM_CHAT, MSG("{\"role\":\"function\",\"content\":\"a\"}"), "messages[0].name", "is missing" },
	{ LLM_CHAT, MSG("{\"role\":\"assistant\",\"content\":3}"), "messages[0].content",
	  "must be a string or an array" },
	{ LLM_CHAT, MSG("{\"role\":\"assistant\",\"tool_calls\":{}}"), "messages[0].tool_calls",
	  "must be an array" },
	{ LLM_CHAT, MSG("{\"role\":\"assistant\",\"tool_calls\":[1]}"), "messages[0].tool_calls[0]",
	  "must be an object" },
	{ LLM_CHAT, MSG("{\"role\":\"assistant\",\"tool_calls\":[{\"type\":\"function\"}]}"),
	  "messages[0].tool_calls[0].id", "is missing" },
	{ LLM_CHAT, MSG("{\"role\":\"assistant\",\"tool_calls\":[{\"id\":\"c\"}]}"),
	  "messages[0].tool_calls[0].function", "is missing" },
	{ LLM_CHAT, MSG("{\"role\":\"assistant\",\"tool_calls\":[{\"id\":\"c\",\"function\":{}}]}"),
	  "messages[0].tool_calls[0].function.name", "is missing" },
	{ LLM_CHAT,
	  MSG("{\"role\":\"assistant\",\"tool_calls\":[{\"id\":\"c\",\"function\":{\"name\":\"f\"}}]}"),
	  "messages[0].tool_calls[0].function.arguments", "is missing" },
	{ LLM_CHAT,
	  MSG("{\"role\":\"assistant\",\"tool_calls\":[{\"id\":\"c\",\"function\":{\"name\":\"f\",\"arguments\":{}}}]}"),
	  "messages[0].tool_calls[0].function.arguments", "must be a string, not an object" },
	{ LLM_CHAT, MSG("{\"role\":\"assistant\",\"tool_calls\":[{\"id\":\"c\",\"type\":\"custom\"}]}"),
	  "messages[0].tool_calls[0].custom", "is missing" },
	{ LLM_CHAT, MSG("{\"role\":\"assistant\",\"function_call\":\"f\"}"), "messages[0].function_call",
	  "must be an object" },
	{ LLM_CHAT, MSG("{\"role\":\"assistant\",\"refusal\":1}"), "messages[0].refusal",
	  "must be a string" },
	{ LLM_CHAT, MSG("{\"role\":\"assistant\",\"reasoning_content\":1}"),
	  "messages[0].reasoning_content", "must be a string" },
	{ LLM_CHAT, MSG("{\"role\":\"assistant\",\"thinking_blocks\":[1]}"),
	  "messages[0].thinking_blocks[0]", "must be an object" },
	{ LLM_CHAT, CHAT("\"stream\":\"yes\""), "stream", "must be true or false, not a string" },
	{ LLM_CHAT, CHAT("\"stream\":1"), "stream", "must be true or false" },
	{ LLM_CHAT, CHAT("\"stream_options\":true"), "stream_options", "must be an object" },
	{ LLM_CHAT, CHAT("\"stream_options\":{\"include_usage\":1}"), "stream_options.include_usage",
	  "must be true or false" },
	{ LLM_CHAT, CHAT("\"temperature\":\"0.5\""), "temperature", "must be a number, not a string" },
	{ LLM_CHAT, CHAT("\"top_p\":[]"), "top_p", "must be a number" },
	{ LLM_CHAT, CHAT("\"seed\":1.5"), "seed", "must be a whole number" },
	{ LLM_CHAT, CHAT("\"presence_penalty\":true"), "presence_penalty", "must be a number" },
	{ LLM_CHAT, CHAT("\"frequency_penalty\":{}"), "frequency_penalty", "must be a number" },
	{ LLM_CHAT, CHAT("\"max_tokens\":\"5\""), "max_tokens", "must be a whole number" },
	{ LLM_CHAT, CHAT("\"max_tokens\":-1"), "max_tokens", "must be between 0 and" },
	{ LLM_CHAT, CHAT("\"max_tokens\":9999999999"), "max_tokens", "must be between 0 and" },
	{ LLM_CHAT, CHAT("\"max_completion_tokens\":1.5"), "max_completion_tokens", "must be a whole number" },
	{ LLM_CHAT, CHAT("\"n\":0"), "n", "must be between 1 and 128" },
	{ LLM_CHAT, CHAT("\"n\":129"), "n", "must be between 1 and 128" },
	{ LLM_CHAT, CHAT("\"n\":\"2\""), "n", "must be a whole number" },
	{ LLM_CHAT, CHAT("\"stop\":7"), "stop", "must be a string or an array of strings" },
	{ LLM_CHAT, CHAT("\"stop\":[\"a\",7]"), "stop[1]", "must be a string" },
	{ LLM_CHAT, CHAT("\"stop\":[\"\",\"\",\"\",\"\",\"\",\"\",\"\",\"\",\"\",\"\",\"\",\"\",\"\",\"\",\"\",\"\",\"\"]"),
	  "stop", "must not hold more than 16 strings" },
	{ LLM_CHAT, CHAT("\"tools\":{}"), "tools", "must be an array" },
	{ LLM_CHAT, CHAT("\"tools\":[7]"), "tools[0]", "must be an object" },
	{ LLM_CHAT, CHAT("\"tools\":[{}]"), "tools[0].type", "is missing" },
	{ LLM_CHAT, CHAT("\"tools\":[{\"type\":\"function\"}]"), "tools[0].function", "is missing" },
	{ LLM_CHAT, CHAT("\"tools\":[{\"type\":\"function\",\"function\":7}]"), "tools[0].function",
	  "must be an object" },
	{ LLM_CHAT, CHAT("\"tools\":[{\"type\":\"function\",\"function\":{}}]"), "tools[0].function.name",
	  "is missing" },
	{ LLM_CHAT, CHAT("\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"parameters\":[]}}]"),
	  "tools[0].function.parameters", "must be an object" },
	{ LLM_CHAT, CHAT("\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"strict\":1}}]"),
	  "tools[0].function.strict", "must be true or false" },
	{ LLM_CHAT, CHAT("\"tools\":[{\"type\":\"custom\",\"custom\":{\"name\":\"f\",\"format\":1}}]"),
	  "tools[0].custom.format", "must be an object" },
	{ LLM_CHAT, CHAT("\"functions\":[{}]"), "functions[0].name", "is missing" },
	{ LLM_CHAT, CHAT("\"functions\":{}"), "functions", "must be an array" },
	{ LLM_CHAT, CHAT("\"tool_choice\":\"maybe\""), "tool_choice", "must be \"none\"" },
	{ LLM_CHAT, CHAT("\"tool_choice\":7"), "tool_choice", "must be a string or an object" },
	{ LLM_CHAT, CHAT("\"tool_choice\":{\"type\":\"function\",\"function\":{}}"),
	  "tool_choice.function.name", "is missing" },
	{ LLM_CHAT, CHAT("\"tool_choice\":{\"type\":\"function\",\"function\":\"f\"}"),
	  "tool_choice.function", "must be an object" },
	{ LLM_CHAT, CHAT("\"function_call\":{}"), "function_call.name", "is missing" },
	{ LLM_CHAT, CHAT("\"parallel_tool_calls\":\"no\""), "parallel_tool_calls", "must be true or false" },
	{ LLM_CHAT, CHAT("\"response_format\":\"json\""), "response_format", "must be an object" },
	{ LLM_CHAT, CHAT("\"response_format\":{}"), "response_format.type", "is missing" },
	{ LLM_CHAT, CHAT("\"response_format\":{\"type\":\"json_schema\"}"), "response_format.json_schema",
	  "is missing" },
	{ LLM_CHAT, CHAT("\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"schema\":\"x\"}}"),
	  "response_format.json_schema.schema", "must be an object" },
	{ LLM_CHAT, CHAT("\"reasoning_effort\":3"), "reasoning_effort", "must be a string" },
	{ LLM_CHAT, CHAT("\"user\":3"), "user", "must be a string" },
	{ LLM_CHAT, CHAT("\"logit_bias\":[]"), "logit_bias", "must be an object" },
	{ LLM_CHAT, CHAT("\"logprobs\":2"), "logprobs", "must be true or false" },
	{ LLM_CHAT, CHAT("\"top_logprobs\":\"2\""), "top_logprobs", "must be a number" },
	{ LLM_CHAT, CHAT("\"modalities\":\"text\""), "modalities", "must be an array" },
	{ LLM_CHAT, CHAT("\"service_tier\":1"), "service_tier", "must be a string" },
	{ LLM_CHAT, CHAT("\"store\":1"), "store", "must be true or false" },
	{ LLM_CHAT, CHAT("\"metadata\":\"x\""), "metadata", "must be an object" },
	{ LLM_CHAT, CHAT("\"fallbacks\":\"x\""), "fallbacks", "must be an array" },
	{ LLM_CHAT, CHAT("\"num_retries\":-1"), "num_retries", "must be between 0 and" },
	{ LLM_CHAT, CHAT("\"timeout\":\"x\""), "timeout", "must be a number" },
	{ LLM_CHAT, CHAT("\"timeout\":-1"), "timeout", "must be between 0 and" },
	{ LLM_CHAT, CHAT("\"stream_timeout\":[]"), "stream_timeout", "must be a number" },
	{ LLM_CHAT, CHAT("\"disable_fallbacks\":0"), "disable_fallbacks", "must be true or false" },
	{ LLM_CHAT, CHAT("\"api_base\":\"http://x\""), "api_base",
	  "Rejected Request: api_base is not allowed in request body" },
	{ LLM_CHAT, CHAT("\"api_key\":\"k\""), "api_key",
	  "Rejected Request: api_key is not allowed in request body" },
	{ LLM_CHAT, CHAT("\"base_url\":\"http://x\""), "base_url", "Rejected Request: base_url" },
	{ LLM_CHAT, CHAT("\"user_config\":{}"), "user_config", "Rejected Request: user_config" },
	{ LLM_TEXT, "{\"model\":\"m\"}", "prompt", "is missing" },
	{ LLM_TEXT, TEXT("\"prompt\":7"), "prompt", "must be a string or an array" },
	{ LLM_TEXT, TEXT("\"prompt\":[]"), "prompt", "must not be empty" },
	{ LLM_TEXT, TEXT("\"prompt\":[\"a\",[1]]"), "prompt[1]", "must be a string, not an array" },
	{ LLM_TEXT, TEXT("\"prompt\":[[1],\"a\"]"), "prompt[1]", "must be an array of tokens" },
	{ LLM_TEXT, TEXT("\"prompt\":[[]]"), "prompt[0]", "must not be empty" },
	{ LLM_TEXT, TEXT("\"prompt\":[{}]"), "prompt[0]", "must be a string or an array of tokens" },
	{ LLM_TEXT, TEXT("\"prompt\":[1,\"a\"]"), "prompt[1]", "must be a token's number" },
	{ LLM_TEXT, TEXT("\"prompt\":[1,-2]"), "prompt[1]", "must be a token's number" },
	{ LLM_TEXT, TEXT("\"prompt\":\"a\",\"suffix\":1"), "suffix", "must be a string" },
	{ LLM_TEXT, TEXT("\"prompt\":\"a\",\"echo\":1"), "echo", "must be true or false" },
	{ LLM_TEXT, TEXT("\"prompt\":\"a\",\"logprobs\":true"), "logprobs", "must be a number" },
	{ LLM_EMBED, "{\"model\":\"m\"}", "input", "is missing" },
	{ LLM_EMBED, TEXT("\"input\":null"), "input", "is missing" },
	{ LLM_EMBED, TEXT("\"input\":{}"), "input", "must be a string or an array" },
	{ LLM_EMBED, TEXT("\"input\":[\"a\",1]"), "input[1]", "must be a string" },
	{ LLM_EMBED, TEXT("\"input\":\"a\",\"encoding_format\":\"hex\""), "encoding_format",
	  "must be \"float\" or \"base64\"" },
	{ LLM_EMBED, TEXT("\"input\":\"a\",\"dimensions\":\"8\""), "dimensions", "must be a whole number" },
};

static void test_a_refusal_names_the_place(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(refused); i++)
		expect_refused(dialect_of(refused[i].kind), refused[i].body, refused[i].param,
			       refused[i].says);
	assert_true(COUNT(refused) >= 80);
}

/* --- what is accepted --- */

#define DATA "data:image/png;base64,iVBORw0KGgo="

static const struct accepted {
	enum llm_kind kind;
	const char *body;
	const char *says;	/* a part of the neutral request as text */
} accepted[] = {
	{ LLM_CHAT, "{" M U "}", "user \n    text text=<hi>" },
	{ LLM_CHAT, MSG("{\"role\":\"developer\",\"content\":\"d\"}"), "developer \n    text text=<d>" },
	{ LLM_CHAT, MSG("{\"role\":\"user\",\"name\":\"bob\",\"content\":\"\"}"),
	  "user name=<bob> \n    text text=<> " },
	{ LLM_CHAT, MSG("{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"a\"},{\"type\":\"text\",\"text\":\"\\u00e4\"}]}"),
	  "text=<a> \n    text text=<\xc3\xa4>" },
	{ LLM_CHAT, MSG("{\"role\":\"user\",\"content\":[{\"type\":\"image_url\",\"image_url\":{\"url\":\"" DATA "\"}}]}"),
	  "image mime=<image/png> data=<iVBORw0KGgo=>" },
	{ LLM_CHAT, MSG("{\"role\":\"user\",\"content\":[{\"type\":\"image_url\",\"image_url\":{\"url\":\"https://x/a.png\",\"detail\":\"low\"}}]}"),
	  "image url=<https://x/a.png> detail=<low>" },
	{ LLM_CHAT, MSG("{\"role\":\"user\",\"content\":[{\"type\":\"image_url\",\"image_url\":\"https://x/b.png\"}]}"),
	  "image url=<https://x/b.png>" },
	{ LLM_CHAT, MSG("{\"role\":\"user\",\"content\":[{\"type\":\"input_audio\",\"input_audio\":{\"data\":\"UklG\",\"format\":\"wav\"}}]}"),
	  "audio mime=<audio/wav> data=<UklG>" },
	{ LLM_CHAT, MSG("{\"role\":\"user\",\"content\":[{\"type\":\"file\",\"file\":{\"filename\":\"a.pdf\",\"file_data\":\"data:application/pdf;base64,JVBE\"}}]}"),
	  "file mime=<application/pdf> data=<JVBE> filename=<a.pdf>" },
	{ LLM_CHAT, MSG("{\"role\":\"user\",\"content\":[{\"type\":\"file\",\"file\":{\"file_id\":\"file-1\"}}]}"),
	  "file file_id=<file-1>" },
	{ LLM_CHAT, MSG("{\"role\":\"user\",\"content\":[{\"type\":\"video_url\",\"video_url\":{\"url\":\"v\"}}]}"),
	  "other text=<video_url> raw=<{\"type\":\"video_url\"" },
	{ LLM_CHAT, MSG("{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{\"id\":\"c1\",\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"{\\\"a\\\":1}\"}},{\"id\":\"c2\",\"function\":{\"name\":\"g\",\"arguments\":\"\"}}]},{\"role\":\"tool\",\"tool_call_id\":\"c1\",\"content\":\"r\"}"),
	  "call text=<{\"a\":1}> id=<c1> name=<f> \n    call text=<{}> id=<c2> name=<g> \n  tool \n    result text=<r> id=<c1>" },
	{ LLM_CHAT, MSG("{\"role\":\"tool\",\"tool_call_id\":\"c1\",\"content\":[{\"type\":\"text\",\"text\":\"a\"},{\"type\":\"text\",\"text\":\"b\"}]}"),
	  "result text=<a\nb> id=<c1>" },
	{ LLM_CHAT, MSG("{\"role\":\"tool\",\"tool_call_id\":\"c1\",\"content\":[{\"type\":\"image_url\",\"image_url\":{\"url\":\"" DATA "\"}},{\"type\":\"text\",\"text\":\"a\"}]}"),
	  "result text=<a> id=<c1> \n    image mime" },
	{ LLM_CHAT, MSG("{\"role\":\"tool\",\"tool_call_id\":\"c1\",\"content\":null}"), "result text=<> id=<c1>" },
	{ LLM_CHAT, MSG("{\"role\":\"assistant\",\"tool_calls\":[{\"id\":\"c\",\"type\":\"custom\",\"custom\":{\"name\":\"f\",\"input\":\"x\"}}]}"),
	  "call text=<x> id=<c> name=<f> custom=1" },
	{ LLM_CHAT, MSG("{\"role\":\"assistant\",\"content\":null,\"function_call\":{\"name\":\"f\",\"arguments\":\"{}\"}},{\"role\":\"function\",\"name\":\"f\",\"content\":\"r\"}"),
	  "call text=<{}> id=<call_old_0> name=<f> \n  tool name=<f> \n    result text=<r> id=<call_old_0> name=<f>" },
	{ LLM_CHAT, MSG("{\"role\":\"assistant\",\"content\":\"a\",\"refusal\":\"no\",\"reasoning_content\":\"why\"}"),
	  "reasoning text=<why> \n    text text=<a> \n    refusal text=<no>" },
	{ LLM_CHAT, MSG("{\"role\":\"assistant\",\"content\":\"a\",\"reasoning_content\":\"w\",\"thinking_blocks\":[{\"type\":\"thinking\",\"thinking\":\"w\",\"signature\":\"s\"}]}"),
	  "reasoning text=<w> signature=<s> \n    text" },
	{ LLM_CHAT, MSG("{\"role\":\"assistant\",\"content\":[{\"type\":\"refusal\",\"refusal\":\"no\"}]}"),
	  "refusal text=<no>" },
	{ LLM_CHAT, CHAT("\"stream\":true,\"stream_options\":{\"include_usage\":true}"), "stream=1" },
	{ LLM_CHAT, CHAT("\"stream\":null,\"temperature\":null,\"tools\":null,\"stop\":null,\"n\":null"), "n=1" },
	{ LLM_CHAT, CHAT("\"temperature\":0.70,\"top_p\":1,\"top_k\":40,\"seed\":-7,\"presence_penalty\":0.1,\"frequency_penalty\":-0.5"),
	  "temperature=<0.70> top_p=<1> top_k=<40> seed=<-7> presence_penalty=<0.1> frequency_penalty=<-0.5>" },
	{ LLM_CHAT, CHAT("\"max_tokens\":5"), "max_tokens=5" },
	{ LLM_CHAT, CHAT("\"max_tokens\":5,\"max_completion_tokens\":9"), "max_tokens=9" },
	{ LLM_CHAT, CHAT("\"max_completion_tokens\":9,\"max_tokens\":5"), "max_tokens=9" },
	{ LLM_CHAT, CHAT("\"max_tokens\":5.0"), "max_tokens=5" },
	{ LLM_CHAT, CHAT("\"n\":3,\"stop\":\"x\""), "stop=<x> n=3" },
	{ LLM_CHAT, CHAT("\"stop\":[\"a\",\"b\"]"), "stop=<a> stop=<b>" },
	{ LLM_CHAT, CHAT("\"stop\":[]"), "n=1" },
	{ LLM_CHAT, CHAT("\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"description\":\"d\",\"parameters\":{\"type\":\"object\"},\"strict\":true}}],\"tool_choice\":\"required\",\"parallel_tool_calls\":false"),
	  "choice=required parallel=0" },
	{ LLM_CHAT, CHAT("\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"description\":\"d\",\"parameters\":{\"type\":\"object\"},\"strict\":true}}]"),
	  "tool 0 name=<f> description=<d> schema=<{\"type\":\"object\"}> strict=1" },
	{ LLM_CHAT, CHAT("\"tools\":[{\"type\":\"custom\",\"custom\":{\"name\":\"f\",\"format\":{\"type\":\"text\"}}}],\"tool_choice\":{\"type\":\"custom\",\"custom\":{\"name\":\"f\"}}"),
	  "tool 1 name=<f> schema=<{\"type\":\"text\"}>" },
	{ LLM_CHAT, CHAT("\"tools\":[{\"type\":\"web_search\",\"x\":1}]"),
	  "tool 2 name=<web_search> schema=<{\"type\":\"web_search\",\"x\":1}>" },
	{ LLM_CHAT, CHAT("\"tool_choice\":{\"type\":\"function\",\"function\":{\"name\":\"f\"}}"),
	  "choice=named choice_name=<f>" },
	{ LLM_CHAT, CHAT("\"tool_choice\":\"any\""), "choice=required" },
	{ LLM_CHAT, CHAT("\"tool_choice\":{\"type\":\"allowed_tools\",\"allowed_tools\":{}}"),
	  "tool_choice=<{\"type\":\"allowed_tools\"" },
	{ LLM_CHAT, CHAT("\"functions\":[{\"name\":\"f\"}],\"function_call\":\"auto\""), "choice=auto" },
	{ LLM_CHAT, CHAT("\"functions\":[{\"name\":\"f\"}],\"function_call\":{\"name\":\"f\"}"),
	  "choice=named choice_name=<f>" },
	{ LLM_CHAT, CHAT("\"response_format\":{\"type\":\"text\"}"), "format=text" },
	{ LLM_CHAT, CHAT("\"response_format\":{\"type\":\"json_object\"}"), "format=json" },
	{ LLM_CHAT, CHAT("\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"s\",\"description\":\"d\",\"strict\":true,\"schema\":{\"type\":\"object\"}}}"),
	  "format=schema format_name=<s> format_description=<d> format_schema=<{\"type\":\"object\"}> format_strict=1" },
	{ LLM_CHAT, CHAT("\"response_format\":{\"type\":\"grammar\",\"grammar\":\"g\"}"),
	  "response_format=<{\"type\":\"grammar\"" },
	{ LLM_CHAT, CHAT("\"reasoning_effort\":\"high\",\"user\":\"u\""), "reasoning_effort=<high> user=<u>" },
	{ LLM_CHAT, CHAT("\"logit_bias\":{\"5\":1},\"logprobs\":true,\"top_logprobs\":2,\"store\":false"),
	  "logit_bias=<{\"5\":1}> logprobs=<true> top_logprobs=<2> store=<false>" },
	{ LLM_CHAT, CHAT("\"modalities\":[\"text\"],\"service_tier\":\"auto\",\"verbosity\":\"low\",\"x_new\":[1,2]"),
	  "x_new=<[1,2]>" },
	{ LLM_CHAT, CHAT("\"num_ctx\":8192,\"keep_alive\":\"5m\""), "num_ctx=<8192> keep_alive=<\"5m\">" },
	{ LLM_TEXT, TEXT("\"prompt\":\"a\\nb\",\"suffix\":\"c\",\"echo\":true,\"best_of\":2,\"logprobs\":3"),
	  "input=<a\nb>" },
	{ LLM_TEXT, TEXT("\"prompt\":[\"a\",\"b\"]"), "input=<a> input=<b>" },
	{ LLM_TEXT, TEXT("\"prompt\":[1,2]"), "tokens=<[1,2]>" },
	{ LLM_TEXT, TEXT("\"prompt\":[[1,2],[3]]"), "tokens=<[1,2]> tokens=<[3]>" },
	{ LLM_EMBED, TEXT("\"input\":\"a\",\"encoding_format\":\"base64\",\"dimensions\":256"),
	  "encoding_format=<base64> dimensions=256" },
	{ LLM_EMBED, TEXT("\"input\":[\"a\",\"b\"],\"user\":\"u\""), "input=<a> input=<b>" },
	{ LLM_EMBED, TEXT("\"input\":[[1],[2,3]]"), "tokens=<[1]> tokens=<[2,3]>" },
};

static struct str text_of(const struct llm_request *q)
{
	struct buf b;
	buf_init(&b, 1 << 20);
	say_request(&b, q);
	assert_false(b.failed);
	struct str s = arena_dup(mem, buf_str(&b));
	buf_done(&b);
	return s;
}

/* As the provider adapter writes it. */
static struct str write_again(const struct llm_request *q)
{
	struct provider_target target = { .model = q->model };
	struct provider_call call;
	struct llm_error err;
	buf_init(&call.path, 1024);
	buf_init(&call.body, 1 << 20);
	assert_int_equal(provider_openai.write_request(mem, q, &target, &call, &err), 0);
	struct str body = arena_dup(mem, buf_str(&call.body));
	buf_done(&call.path);
	buf_done(&call.body);
	return body;
}

static void test_what_is_accepted_is_written_and_accepted_again(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(accepted); i++) {
		struct dialect_error err = { 0 };
		struct llm_request q, again;
		int r = read_body(dialect_of(accepted[i].kind), str_z(accepted[i].body), &q, &err);
		if (r)
			print_error("%s\n refused: " STR_FMT "\n", accepted[i].body, STR_ARG(err.message));
		assert_int_equal(r, 0);
		struct str text = text_of(&q);
		if (str_find(text, str_z(accepted[i].says)) == SIZE_MAX)
			print_error("%s\n is " STR_FMT "\n", accepted[i].body, STR_ARG(text));
		assert_true(str_find(text, str_z(accepted[i].says)) != SIZE_MAX);
		struct str body = write_again(&q);
		r = read_body(dialect_of(accepted[i].kind), body, &again, &err);
		struct str text_again = r ? err.message : text_of(&again);
		if (!str_eq(text, text_again))
			print_error(STR_FMT "\n" STR_FMT " became " STR_FMT "\n", STR_ARG(body),
				    STR_ARG(text), STR_ARG(text_again));
		assert_true(str_eq(text, text_again));
		arena_reset(mem);
	}
}

static void test_the_gateways_own_members_are_taken(void **state)
{
	(void)state;
	struct dialect_error err;
	struct llm_request q;
	const char *body = CHAT("\"metadata\":{\"tags\":[\"a\"]},\"fallbacks\":[\"b\"],\"num_retries\":2,"
				"\"timeout\":1.5,\"stream_timeout\":3,\"mock_response\":\"x\",\"cache\":{},"
				"\"disable_fallbacks\":true,\"drop_params\":true,\"litellm_trace_id\":\"t\","
				"\"no-log\":true,\"mock_testing_fallbacks\":true");
	assert_int_equal(read_body(dialect_of(LLM_CHAT), str_z(body), &q, &err), 0);
	assert_true(json_is(q.metadata, JSON_OBJECT) && json_is(q.fallbacks, JSON_ARRAY));
	assert_true(json_is(q.mock_response, JSON_STRING) && q.num_retries == 2);
	assert_true(q.timeout_s > 1.4 && q.timeout_s < 1.6 && q.stream_timeout_s > 2.9);
	assert_true(q.disable_fallbacks && q.drop_params);
	assert_null(q.other);
	assert_int_equal(q.prompt_bytes, 2);
	assert_int_equal(q.n_messages, 1);
}

static void test_bytes_and_media_are_counted(void **state)
{
	(void)state;
	struct dialect_error err;
	struct llm_request q;
	const char *body = MSG("{\"role\":\"user\",\"name\":\"bob\",\"content\":[{\"type\":\"text\",\"text\":\"12345\"},"
			       "{\"type\":\"image_url\",\"image_url\":{\"url\":\"" DATA "\"}}]},"
			       "{\"role\":\"assistant\",\"tool_calls\":[{\"id\":\"c\",\"function\":{\"name\":\"fn\",\"arguments\":\"{}\"}}]}");
	assert_int_equal(read_body(dialect_of(LLM_CHAT), str_z(body), &q, &err), 0);
	assert_int_equal(q.prompt_bytes, 3 + 5 + 2 + 2);
	assert_int_equal(q.media_parts, 1);
	assert_int_equal(read_body(dialect_of(LLM_EMBED), STR("{\"model\":\"m\",\"input\":[[1,2,3],[4]]}"), &q, &err), 0);
	assert_int_equal(q.prompt_bytes, 4);
}

/* A path may name the model: the body need not, and must not overrule it by leaving it out. */
static void test_a_model_from_the_path_is_kept(void **state)
{
	(void)state;
	struct dialect_error err;
	struct json_error error;
	struct str body = STR("{" U "}");
	struct llm_request q = { .model = STR("from-path") };
	const struct json *root = json_parse(mem, body, JSON_ONE_KEY, &error);
	struct buf out;
	buf_init(&out, 4096);
	assert_int_equal(dialect_openai_chat.read_request(mem, body, root, &q, &err), 0);
	assert_string_equal(q.model.p, "from-path");
	dialect_openai_chat.forward_request(mem, &q, STR("up"), STR_NONE, STR_NONE, &out);
	assert_string_equal(buf_z(&out), "{" U ",\"model\":\"up\"}");
	buf_done(&out);
}

/* --- the short way: requests --- */

static const struct forwarded {
	const char *body, *params, *extra, *out;
} forwarded[] = {
	{ "{" M U "}", NULL, NULL, "{\"model\":\"up\"," U "}" },
	{ " { \"messages\" : [{\"role\":\"user\",\"content\":\"hi\"}] ,\n\t\"model\" :\"m\" } ", NULL, NULL,
	  " { \"messages\" : [{\"role\":\"user\",\"content\":\"hi\"}] ,\n\t\"model\" :\"up\" } " },
	{ "{" M U ",\"seed\":9007199254740993,\"temperature\":0.70}", NULL, NULL,
	  "{\"model\":\"up\"," U ",\"seed\":9007199254740993,\"temperature\":0.70}" },
	/* ids of calls that Gemini's model made lose the signature behind them, and no other ids change */
	{ "{" M "\"messages\":[{\"role\":\"assistant\",\"tool_calls\":[{\"id\" : \"call_1__thought__ab-_\",\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}},"
	  "{\"id\":\"c2\",\"function\":{\"name\":\"g\",\"arguments\":\"{}\"}}]},{\"role\":\"tool\",\"content\":\"x\",\"tool_call_id\":\"call_1__thought__ab-_\"},"
	  "{\"role\":\"tool\",\"tool_call_id\":\"c2\",\"content\":\"y__thought__z\"}],\"metadata\":{}}", NULL, NULL,
	  "{\"model\":\"up\",\"messages\":[{\"role\":\"assistant\",\"tool_calls\":[{\"id\" : \"call_1\",\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}},"
	  "{\"id\":\"c2\",\"function\":{\"name\":\"g\",\"arguments\":\"{}\"}}]},{\"role\":\"tool\",\"content\":\"x\",\"tool_call_id\":\"call_1\"},"
	  "{\"role\":\"tool\",\"tool_call_id\":\"c2\",\"content\":\"y__thought__z\"}]}" },
	/* our own go, wherever they stand */
	{ "{\"metadata\":{}," M U "}", NULL, NULL, "{\"model\":\"up\"," U "}" },
	{ "{\"metadata\":{},\"tags\":[], " M U "}", NULL, NULL, "{ \"model\":\"up\"," U "}" },
	{ "{" M "\"timeout\":5," U "}", NULL, NULL, "{\"model\":\"up\"," U "}" },
	{ "{" M U ", \"num_retries\" : 5 , \"cache\":{\"a\":[1,{}]} }", NULL, NULL, "{\"model\":\"up\"," U " }" },
	{ "{" M U ",\"litellm_x\":1,\"mock_testing_y\":2,\"no-log\":true,\"x\":1}", NULL, NULL,
	  "{\"model\":\"up\"," U ",\"x\":1}" },
	{ "{" M U ",\"met\\u0061data\":{}}", NULL, NULL, "{\"model\":\"up\"," U "}" },
	/* usage is always asked for in streams */
	{ "{" M U ",\"stream\":true}", NULL, NULL,
	  "{\"model\":\"up\"," U ",\"stream\":true,\"stream_options\":{\"include_usage\":true}}" },
	{ "{" M U ",\"stream\":true,\"stream_options\":null}", NULL, NULL,
	  "{\"model\":\"up\"," U ",\"stream\":true,\"stream_options\":{\"include_usage\":true}}" },
	{ "{" M U ",\"stream\":true,\"stream_options\":{}}", NULL, NULL,
	  "{\"model\":\"up\"," U ",\"stream\":true,\"stream_options\":{\"include_usage\":true}}" },
	{ "{" M U ",\"stream\":true,\"stream_options\":{\"include_usage\":false,\"a\":1}}", NULL, NULL,
	  "{\"model\":\"up\"," U ",\"stream\":true,\"stream_options\":{\"include_usage\":true,\"a\":1}}" },
	{ "{" M U ",\"stream\":true,\"stream_options\":{\"a\":1}}", NULL, NULL,
	  "{\"model\":\"up\"," U ",\"stream\":true,\"stream_options\":{\"a\":1,\"include_usage\":true}}" },
	{ "{" M U ",\"stream\":true,\"stream_options\":{\"include_usage\":true}}", NULL, NULL,
	  "{\"model\":\"up\"," U ",\"stream\":true,\"stream_options\":{\"include_usage\":true}}" },
	{ "{" M U ",\"stream\":false}", NULL, NULL, "{\"model\":\"up\"," U ",\"stream\":false}" },
	/* the deployment's parameters where the client says nothing */
	{ "{" M U "}", "{\"temperature\":0.2,\"top_k\":4}", NULL,
	  "{\"model\":\"up\"," U ",\"temperature\":0.2,\"top_k\":4}" },
	{ "{" M U ",\"temperature\":1}", "{\"temperature\":0.2}", NULL, "{\"model\":\"up\"," U ",\"temperature\":1}" },
	{ "{" M U ",\"temperature\":null}", "{\"temperature\":0.2}", NULL,
	  "{\"model\":\"up\"," U ",\"temperature\":0.2}" },
	/* extra_body wins */
	{ "{" M U ",\"temperature\":1}", "{\"temperature\":0.2,\"b\":1}", "{\"temperature\":0.5,\"b\":2,\"c\":{}}",
	  "{\"model\":\"up\"," U ",\"temperature\":0.5,\"b\":2,\"c\":{}}" },
	{ "{" M U ",\"metadata\":{}}", NULL, "{\"metadata\":{\"of\":\"ours\"}}",
	  "{\"model\":\"up\"," U ",\"metadata\":{\"of\":\"ours\"}}" },
	{ "{" M U ",\"stream\":true}", "{\"stream\":false,\"model\":\"x\",\"stream_options\":{}}",
	  "{\"messages\":[],\"model\":\"y\"}",
	  "{\"model\":\"up\"," U ",\"stream\":true,\"stream_options\":{\"include_usage\":true}}" },
	{ "{" M U "}", "not json", "[1]", "{\"model\":\"up\"," U "}" },
};

static void test_only_what_must_change_is_changed(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(forwarded); i++) {
		struct dialect_error err;
		struct llm_request q;
		struct buf out;
		buf_init(&out, 1 << 16);
		assert_int_equal(read_body(dialect_of(LLM_CHAT), str_z(forwarded[i].body), &q, &err), 0);
		assert_int_equal(dialect_openai_chat.forward_request(mem, &q, STR("up"),
								     str_z(forwarded[i].params),
								     str_z(forwarded[i].extra), &out), 0);
		assert_string_equal(buf_z(&out), forwarded[i].out);
		buf_done(&out);
		arena_reset(mem);
	}
}

/* A large body with everything odd in it: what stands before and behind the model's name has the
 * same digest afterwards. */
static void test_the_rest_is_the_same_to_the_byte(void **state)
{
	(void)state;
	struct str head = STR("{\"messages\":[{\"role\":\"user\",\"content\":\"\\u0000\\ud83d\\ude00 \xc3\xa4\"}],"
			      "\"model\": ");
	struct str tail = STR(" , \"x\" : 1.0E+2,\"seed\":123456789012345678901234567890,\"\":[ ],\"y\":{\"model\":\"m\"}}");
	struct dialect_error err;
	struct llm_request q;
	struct buf body, out;
	buf_init(&body, 1 << 16);
	buf_init(&out, 1 << 16);
	buf_put(&body, head);
	BUF_PUT_LIT(&body, "\"a\\\"b\"");
	buf_put(&body, tail);
	assert_int_equal(read_body(dialect_of(LLM_CHAT), buf_str(&body), &q, &err), 0);
	assert_int_equal(dialect_openai_chat.forward_request(mem, &q, STR("x\"\n/y"), STR_NONE, STR_NONE, &out), 0);
	struct str model = STR("\"x\\\"\\n/y\"");
	assert_int_equal(out.n, head.n + model.n + tail.n);
	struct sha256 a = hash_sha256(head), b = hash_sha256(str_of(out.p, head.n));
	assert_true(hash_sha256_eq(&a, &b));
	assert_memory_equal(out.p + head.n, model.p, model.n);
	a = hash_sha256(tail);
	b = hash_sha256(str_skip(buf_str(&out), head.n + model.n));
	assert_true(hash_sha256_eq(&a, &b));
	buf_done(&body);
	buf_done(&out);
}

/* --- the short way: answers --- */

static struct llm_request chat_request = { .kind = LLM_CHAT, .n = 1, .model = { "asked", 5 } };
static struct llm_request text_request = { .kind = LLM_TEXT, .n = 1, .model = { "asked", 5 } };
static struct llm_request embed_request = { .kind = LLM_EMBED, .n = 1, .n_inputs = 4 };

static struct dialect_answer answer_for(const struct llm_request *q, bool show_usage)
{
	return (struct dialect_answer){
		.mem = mem, .q = q, .model = STR("asked"), .id = STR("call-1"), .created_s = 7,
		.show_usage = show_usage,
	};
}

/* Feeds events as they come off the wire; what comes out is the arena's. */
static struct str forward(struct dialect_answer *an, const char *const *events, int expect)
{
	struct arena *scratch = arena_new(1 << 20);
	struct buf out;
	int r = 0;
	buf_init(&out, 1 << 20);
	for (; *events && r == 0; events++) {
		struct str raw = str_z(*events);
		struct sse_event ev = { .raw = raw };
		if (str_starts(raw, STR("data: ")))
			ev.data = str_of(raw.p + 6, raw.n - 8);
		r = ev.data.p ? dialect_of(an->q->kind)->forward_event(an, scratch, &ev, &out) : 0;
		arena_reset(scratch);
	}
	assert_int_equal(r, expect);
	struct str s = arena_dup(mem, buf_str(&out));
	buf_done(&out);
	arena_free(scratch);
	return s;
}

static const char *const stream[] = {
	"data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"up\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"},\"finish_reason\":null}],\"usage\":null}\n\n",
	"data: {\"id\":\"c\",\"model\":\"up\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hi\"},\"finish_reason\":null}],\"usage\":null}\n\n",
	"data: {\"id\":\"c\",\"model\":\"up\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}],\"usage\":null}\n\n",
	"data: {\"id\":\"c\",\"model\":\"up\",\"choices\":[],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":1,\"total_tokens\":10,\"prompt_tokens_details\":{\"cached_tokens\":4}}}\n\n",
	"data: [DONE]\n\n",
	NULL,
};

static void test_usage_that_was_not_asked_for_is_hidden(void **state)
{
	(void)state;
	struct dialect_answer an = answer_for(&chat_request, false);
	struct str out = forward(&an, stream, 0);
	expect_str(out, "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"asked\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"},\"finish_reason\":null}]}\n\n"
		   "data: {\"id\":\"c\",\"model\":\"asked\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hi\"},\"finish_reason\":null}]}\n\n"
		   "data: {\"id\":\"c\",\"model\":\"asked\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n"
		   "data: [DONE]\n\n");
	const struct llm_tally *t = &an.tally;
	assert_true(t->has_usage && t->has_content && t->is_done && an.is_ended && !t->has_error);
	assert_true(t->usage.input == 9 && t->usage.output == 1 && t->usage.cache_read == 4);
	assert_true(t->finish == FINISH_STOP && t->content_bytes == 2);
	assert_true(t->estimate_milli > 500 && t->estimate_milli < 1500);
}

static void test_usage_that_was_asked_for_is_shown(void **state)
{
	(void)state;
	struct dialect_answer an = answer_for(&chat_request, true);
	struct str out = forward(&an, stream, 0);
	assert_true(str_find(out, STR("\"choices\":[],\"usage\":{\"prompt_tokens\":9,")) != SIZE_MAX);
	assert_true(str_ends(out, STR("}}}\n\ndata: [DONE]\n\n")));
}

static void test_usage_that_no_provider_sent_is_made(void **state)
{
	(void)state;
	static const char *const events[] = {
		"data: {\"id\":\"c\",\"created\":3,\"model\":\"up\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hi\"},\"finish_reason\":\"stop\"}]}\n\n",
		"data: [DONE]\n\n",
		NULL,
	};
	struct dialect_answer an = answer_for(&chat_request, true);
	struct str out = forward(&an, events, 0);
	assert_true(str_ends(out, STR("data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":3,\"model\":\"asked\","
				      "\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":2,\"total_tokens\":5,"
				      "\"prompt_tokens_details\":{\"cached_tokens\":0},\"completion_tokens_details\":{\"reasoning_tokens\":0}}}\n\n"
				      "data: [DONE]\n\n")));
}

/* A stream that ended well but for its closing event gets it from the long way's writer. */
static void test_a_missing_done_is_made_up(void **state)
{
	(void)state;
	static const char *const events[] = {
		"data: {\"model\":\"up\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hi\"},\"finish_reason\":\"stop\"}]}\n\n",
		NULL,
	};
	struct dialect_answer an = answer_for(&chat_request, false);
	struct llm_event end = { .kind = EV_END };
	struct buf out;
	buf_init(&out, 4096);
	forward(&an, events, 0);
	assert_false(an.is_ended);
	assert_int_equal(dialect_openai_chat.write_event(&an, &end, &out), 0);
	assert_string_equal(buf_z(&out), "data: [DONE]\n\n");
	assert_true(an.is_ended);
	buf_done(&out);
}

static const struct {
	const char *in, *out;
} chunks[] = {
	/* usage in a chunk that says something, too */
	{ "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":1},\"model\":\"up\"}\n\n",
	  "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}],\"model\":\"asked\"}\n\n" },
	{ "data: {\"usage\":{\"prompt_tokens\":1},\"choices\":[{\"delta\":{}}]}\n\n",
	  "data: {\"choices\":[{\"delta\":{}}]}\n\n" },
	{ "data: {\"choices\":[{\"delta\":{}}] , \"usage\" : {\"prompt_tokens\":1} }\n\n",
	  "data: {\"choices\":[{\"delta\":{}}] }\n\n" },
	/* Azure's word on the prompt: no choices, and no usage */
	{ "data: {\"choices\":[],\"model\":\"\",\"prompt_filter_results\":[]}\n\n",
	  "data: {\"choices\":[],\"model\":\"asked\",\"prompt_filter_results\":[]}\n\n" },
	{ "data: {\"choices\":[]}\n\n", "data: {\"choices\":[]}\n\n" },
	{ "data: {\"model\":null,\"choices\":[]}\n\n", "data: {\"model\":null,\"choices\":[]}\n\n" },
	{ "data: \n\n", "" },
	{ ": keep-alive\n\n", "" },
	{ "data: [DONE] \n\n", "data: [DONE] \n\n" },
};

static void test_chunks_on_the_short_way(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(chunks); i++) {
		const char *const events[] = { chunks[i].in, NULL };
		struct dialect_answer an = answer_for(&chat_request, false);
		expect_str(forward(&an, events, 0), chunks[i].out);
	}
}

static void test_an_error_in_a_stream_is_held_back(void **state)
{
	(void)state;
	static const char *const events[] = {
		"data: {\"error\":{\"message\":\"Rate limit reached\",\"type\":\"rate_limit_error\",\"code\":null}}\n\n",
		NULL,
	};
	static const char *const broken[] = { "data: {\"choices\":[\n\n", NULL };
	struct dialect_answer an = answer_for(&chat_request, false);
	expect_str(forward(&an, events, 0), "");
	assert_true(an.tally.has_error);
	assert_int_equal(an.tally.error.outcome, OUTCOME_UP_RATE_LIMITED);
	an = answer_for(&chat_request, false);
	forward(&an, broken, -EBADMSG);
}

static void test_data_of_several_lines(void **state)
{
	(void)state;
	struct arena *scratch = arena_new(1 << 16);
	struct dialect_answer an = answer_for(&chat_request, false);
	struct sse_event ev = {
		.raw = STR("data: {\"model\":\"up\",\r\ndata: \"choices\":[]}\r\n\r\n"),
		.data = STR("{\"model\":\"up\",\n\"choices\":[]}"),
	};
	struct buf out;
	buf_init(&out, 4096);
	assert_int_equal(dialect_openai_chat.forward_event(&an, scratch, &ev, &out), 0);
	assert_string_equal(buf_z(&out), "data: {\"model\":\"asked\", \"choices\":[]}\n\n");
	buf_reset(&out);
	ev = (struct sse_event){ .raw = STR("data: {\"error"), .oversize = true };
	assert_int_equal(dialect_openai_chat.forward_event(&an, scratch, &ev, &out), 0);
	assert_string_equal(buf_z(&out), "data: {\"error");
	/* the last event of a stream that ends without an empty line */
	buf_reset(&out);
	ev = (struct sse_event){ .raw = STR("data: [DONE]\n"), .data = STR("[DONE]") };
	assert_int_equal(dialect_openai_chat.forward_event(&an, scratch, &ev, &out), 0);
	assert_string_equal(buf_z(&out), "data: [DONE]\n\n\n");
	buf_done(&out);
	arena_free(scratch);
}

static const struct {
	const struct llm_request *q;
	const char *in, *out;		/* out NULL: -EBADMSG */
} answers[] = {
	{ &chat_request,
	  "{\"id\":\"a\",\"model\":\"up\",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"Hi\"},\"finish_reason\":\"length\"}],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":2}}\n",
	  "{\"id\":\"a\",\"model\":\"asked\",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"Hi\"},\"finish_reason\":\"length\"}],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":2}}\n" },
	{ &chat_request, "{\"choices\":[]}", "{\"choices\":[]}" },
	{ &chat_request, "{\"object\":\"x\"}", NULL },
	{ &chat_request, "[]", NULL },
	{ &chat_request, "", NULL },
	{ &chat_request, "<html>", NULL },
	{ &text_request, "{\"model\":\"up\",\"choices\":[{\"text\":\"Hi\",\"finish_reason\":\"stop\"}]}",
	  "{\"model\":\"asked\",\"choices\":[{\"text\":\"Hi\",\"finish_reason\":\"stop\"}]}" },
	{ &embed_request,
	  "{\"object\":\"list\",\"data\":[{\"object\":\"embedding\",\"index\":0,\"embedding\":[0.1,2e-3]}],\"model\":\"up\",\"usage\":{\"prompt_tokens\":3,\"total_tokens\":3}}",
	  "{\"object\":\"list\",\"data\":[{\"object\":\"embedding\",\"index\":0,\"embedding\":[0.1,2e-3]}],\"model\":\"asked\",\"usage\":{\"prompt_tokens\":3,\"total_tokens\":3}}" },
	{ &embed_request, "{\"data\":[{\"embedding\":\"AACAPw==\",\"index\":0}]}",
	  "{\"data\":[{\"embedding\":\"AACAPw==\",\"index\":0}]}" },
	{ &embed_request, "{\"data\":{}}", NULL },
	{ &embed_request, "{\"object\":\"list\"}", NULL },
	{ &embed_request, "[]", NULL },
};

static void test_plain_answers_on_the_short_way(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(answers); i++) {
		struct dialect_answer an = answer_for(answers[i].q, true);
		struct buf out;
		buf_init(&out, 1 << 16);
		int r = dialect_of(an.q->kind)->forward_answer(&an, str_z(answers[i].in), &out);
		assert_int_equal(r, answers[i].out ? 0 : -EBADMSG);
		if (answers[i].out)
			assert_string_equal(buf_z(&out), answers[i].out);
		assert_true(!answers[i].out || (an.tally.is_done && !an.tally.has_error));
		buf_done(&out);
		arena_reset(mem);
	}
}

#define GLANCED(choices, rest) "{\"id\":\"x\",\"model\":\"up\",\"choices\":[" choices "]" rest "}"
#define CHOSEN(message, rest) "{\"index\":0,\"message\":{\"role\":\"assistant\"," message "}" rest "}"
#define COUNTED ",\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":3,\"prompt_tokens_details\":{\"cached_tokens\":4}}"
#define STOPPED ",\"finish_reason\":\"stop\""

/* What a glance takes for the commonest answer, and what it must leave to the reader. */
static const struct {
	const char *in;
	bool is_glanced;
} glances[] = {
	{ GLANCED(CHOSEN("\"content\":\"Hi\"", STOPPED), COUNTED), true },
	{ GLANCED(CHOSEN("\"content\":\"a\\n\\\"]}b\",\"refusal\":null,\"tool_calls\":null", ",\"logprobs\":{\"content\":[]},\"finish_reason\":\"length\""), COUNTED ",\"error\":null"), true },
	{ " " GLANCED(CHOSEN("\"content\":\"\xc3\xa9\"", ",\"finish_reason\":\"content_filter\""), COUNTED) "\n", true },
	{ GLANCED(CHOSEN("\"content\":\"Hi\"", STOPPED), ""), false },
	{ GLANCED(CHOSEN("\"content\":\"Hi\"", STOPPED), ",\"usage\":{\"prompt_tokens\":9}"), false },
	{ GLANCED(CHOSEN("\"content\":\"Hi\"", STOPPED), COUNTED COUNTED), false },
	{ GLANCED(CHOSEN("\"content\":\"Hi\"", STOPPED), COUNTED ",\"error\":{\"message\":\"no\"}"), false },
	{ GLANCED(CHOSEN("\"content\":\"Hi\"", STOPPED), COUNTED ",\"\\u0065rror\":{\"message\":\"no\"}"), false },
	{ GLANCED(CHOSEN("\"content\":\"\"", STOPPED), COUNTED), false },
	{ GLANCED(CHOSEN("\"content\":null", STOPPED), COUNTED), false },
	{ GLANCED(CHOSEN("\"content\":\"Hi\"", ""), COUNTED), false },
	{ GLANCED(CHOSEN("\"content\":\"Hi\"", ",\"finish_reason\":\"error\""), COUNTED), false },
	{ GLANCED(CHOSEN("\"content\":\"Hi\",\"content\":\"Ho\"", STOPPED), COUNTED), false },
	{ GLANCED(CHOSEN("\"content\":\"Hi\",\"tool_calls\":[]", STOPPED), COUNTED), false },
	{ GLANCED(CHOSEN("\"content\":\"Hi\",\"reasoning\":\"so\"", STOPPED), COUNTED), false },
	{ GLANCED(CHOSEN("\"content\":\"Hi\",\"refusal\":\"no\"", STOPPED), COUNTED), false },
	{ GLANCED(CHOSEN("\"content\":\"Hi\"", STOPPED) "," CHOSEN("\"content\":\"Ho\"", STOPPED), COUNTED), false },
	{ GLANCED("", COUNTED), false },
	{ GLANCED(CHOSEN("\"content\":\"Hi\"", STOPPED), COUNTED) "x", false },
	{ "{\"choices\":[" CHOSEN("\"content\":\"Hi\"", STOPPED) "]" COUNTED, false },
	{ GLANCED(CHOSEN("\"content\":\"\xff\"", STOPPED), COUNTED), false },
	{ "[]", false },
	{ "", false },
};

static void test_a_glance_sees_what_the_reader_sees(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(glances); i++) {
		struct str body = str_z(glances[i].in);
		struct openai_glance g;
		assert_int_equal(openai_glance(mem, body, &g), glances[i].is_glanced);
		struct dialect_answer an = answer_for(&chat_request, true), read = an;
		struct buf out, same, text;
		buf_init(&out, 1 << 16);
		buf_init(&same, 1 << 16);
		buf_init(&text, 1 << 16);
		read.tally.text = &text;	/* so that it has to be read */
		assert_int_equal(dialect_openai_chat.forward_answer(&an, body, &out),
				 dialect_openai_chat.forward_answer(&read, body, &same));
		assert_string_equal(buf_z(&out), buf_z(&same));
		assert_memory_equal(&an.tally.usage, &read.tally.usage, sizeof an.tally.usage);
		assert_int_equal(an.tally.finish, read.tally.finish);
		assert_true(an.tally.has_usage == read.tally.has_usage &&
			    an.tally.has_content == read.tally.has_content &&
			    an.tally.is_done == read.tally.is_done &&
			    an.tally.has_error == read.tally.has_error);
		buf_done(&out);
		buf_done(&same);
		buf_done(&text);
		arena_reset(mem);
	}
}

static void test_an_error_as_an_answer(void **state)
{
	(void)state;
	static const struct llm_request *const kinds[] = { &chat_request, &embed_request };
	for (size_t i = 0; i < COUNT(kinds); i++) {
		struct dialect_answer an = answer_for(kinds[i], true);
		struct buf out;
		buf_init(&out, 1 << 16);
		struct str body = STR("{\"error\":{\"message\":\"no\",\"code\":429}}");
		assert_int_equal(dialect_of(an.q->kind)->forward_answer(&an, body, &out), 0);
		assert_true(an.tally.has_error && out.n == 0);
		assert_int_equal(an.tally.error.outcome, OUTCOME_UP_RATE_LIMITED);
		buf_done(&out);
	}
}

/* --- the long way --- */

#define EV_TEXT_OF(c, t) { .kind = EV_TEXT, .choice = (c), .text = { (t), sizeof(t) - 1 } }

static const struct llm_event said[] = {
	{ .kind = EV_START, .id = { "chatcmpl-up-1", 13 }, .model = { "up", 2 } },
	{ .kind = EV_REASONING, .text = { "why", 3 } },
	{ .kind = EV_REASONING, .text = { "?", 1 }, .signature = { "sig", 3 } },
	EV_TEXT_OF(0, "He said \"\xc3\xa4\""),
	EV_TEXT_OF(1, "other"),
	EV_TEXT_OF(0, "\n"),
	{ .kind = EV_TOOL_START, .tool = 0, .id = { "c1", 2 }, .name = { "f", 1 } },
	{ .kind = EV_TOOL_ARGS, .tool = 0, .text = { "{\"a\":", 5 } },
	{ .kind = EV_TOOL_ARGS, .tool = 0, .text = { "1}", 2 } },
	{ .kind = EV_TOOL_START, .tool = 1, .name = { "g", 1 } },
	{ .kind = EV_FINISH, .choice = 0, .finish = FINISH_TOOL_CALLS },
	{ .kind = EV_FINISH, .choice = 0, .finish = FINISH_STOP },
	{ .kind = EV_FINISH, .choice = 1, .finish = FINISH_LENGTH },
	{ .kind = EV_USAGE, .usage = { .input = 10, .output = 5, .cache_read = 2, .reasoning = 1 } },
	{ .kind = EV_END },
	{ .kind = EV_END },
};

#define HEAD "data: {\"id\":\"chatcmpl-up-1\",\"object\":\"chat.completion.chunk\",\"created\":7,\"model\":\"asked\",\"choices\":["
#define TAIL "],\"usage\":null}\n\n"
#define CHUNK(index, delta) \
	HEAD "{\"index\":" index ",\"delta\":{" delta "},\"finish_reason\":null}" TAIL

static void test_a_stream_is_written_as_openai_does(void **state)
{
	(void)state;
	struct dialect_answer an = answer_for(&chat_request, true);
	struct buf out;
	buf_init(&out, 1 << 16);
	for (size_t i = 0; i < COUNT(said); i++)
		assert_int_equal(dialect_openai_chat.write_event(&an, &said[i], &out), 0);
	expect_str(buf_str(&out),
		CHUNK("0", "\"role\":\"assistant\",\"reasoning_content\":\"why\"")
		CHUNK("0", "\"reasoning_content\":\"?\"")
		CHUNK("0", "\"thinking_blocks\":[{\"type\":\"thinking\",\"thinking\":\"\",\"signature\":\"sig\"}]")
		CHUNK("0", "\"content\":\"He said \\\"\xc3\xa4\\\"\"")
		CHUNK("1", "\"role\":\"assistant\",\"content\":\"other\"")
		CHUNK("0", "\"content\":\"\\n\"")
		CHUNK("0", "\"tool_calls\":[{\"index\":0,\"id\":\"c1\",\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"\"}}]")
		CHUNK("0", "\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"{\\\"a\\\":\"}}]")
		CHUNK("0", "\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"1}\"}}]")
		CHUNK("0", "\"tool_calls\":[{\"index\":1,\"id\":\"call_9582b8995d76b86700000001\",\"type\":\"function\",\"function\":{\"name\":\"g\",\"arguments\":\"\"}}]")
		HEAD "{\"index\":0,\"delta\":{},\"finish_reason\":\"tool_calls\"}" TAIL
		HEAD "{\"index\":1,\"delta\":{},\"finish_reason\":\"length\"}" TAIL
		HEAD "],\"usage\":{\"prompt_tokens\":10,\"completion_tokens\":5,\"total_tokens\":15,\"prompt_tokens_details\":{\"cached_tokens\":2},\"completion_tokens_details\":{\"reasoning_tokens\":1},\"cache_creation_input_tokens\":0,\"cache_read_input_tokens\":2}}\n\n"
		"data: [DONE]\n\n");
	assert_true(an.is_ended && an.tally.is_done && an.tally.usage.output == 5);
	buf_done(&out);
}

static struct str collect_all(const struct llm_request *q, const struct llm_event *events, size_t n)
{
	const struct dialect *d = dialect_of(q->kind);
	struct dialect_answer an = answer_for(q, true);
	struct buf out;
	buf_init(&out, 1 << 16);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(d->collect(&an, &events[i]), 0);
	assert_int_equal(d->write_answer(&an, &out), 0);
	struct str s = arena_dup(mem, buf_str(&out));
	buf_done(&out);
	return s;
}

static void test_a_plain_answer(void **state)
{
	(void)state;
	expect_str(collect_all(&chat_request, said, COUNT(said)),
		"{\"id\":\"chatcmpl-up-1\",\"object\":\"chat.completion\",\"created\":7,\"model\":\"asked\",\"choices\":["
		"{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"He said \\\"\xc3\xa4\\\"\\n\",\"reasoning_content\":\"why?\","
		"\"thinking_blocks\":[{\"type\":\"thinking\",\"thinking\":\"why?\",\"signature\":\"sig\"}],"
		"\"tool_calls\":[{\"id\":\"c1\",\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"{\\\"a\\\":1}\"}},"
		"{\"id\":\"call_9582b8995d76b86700000001\",\"type\":\"function\",\"function\":{\"name\":\"g\",\"arguments\":\"\"}}]},\"finish_reason\":\"tool_calls\"},"
		"{\"index\":1,\"message\":{\"role\":\"assistant\",\"content\":\"other\"},\"finish_reason\":\"length\"}],"
		"\"usage\":{\"prompt_tokens\":10,\"completion_tokens\":5,\"total_tokens\":15,\"prompt_tokens_details\":{\"cached_tokens\":2},\"completion_tokens_details\":{\"reasoning_tokens\":1},\"cache_creation_input_tokens\":0,\"cache_read_input_tokens\":2}}");
	static const struct llm_event only_call[] = {
		{ .kind = EV_TOOL_START, .id = { "c1", 2 }, .name = { "f", 1 } },
		{ .kind = EV_FINISH, .finish = FINISH_TOOL_CALLS },
	};
	struct str out = collect_all(&chat_request, only_call, COUNT(only_call));
	assert_true(str_find(out, STR("\"content\":null,\"tool_calls\":")) != SIZE_MAX);
	struct llm_request old = chat_request;
	old.uses_functions = true;
	out = collect_all(&old, only_call, COUNT(only_call));
	assert_true(str_find(out, STR("\"content\":null,\"function_call\":{\"name\":\"f\",\"arguments\":\"\"}},\"finish_reason\":\"function_call\"")) != SIZE_MAX);
	out = collect_all(&chat_request, NULL, 0);
	assert_true(str_find(out, STR("\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"\"},\"finish_reason\":\"stop\"}]")) != SIZE_MAX);
}

/* The sum of the deltas of a written stream, read by the provider's reader, is the plain answer. */
static void test_the_sum_of_deltas_is_the_plain_answer(void **state)
{
	(void)state;
	struct provider_reader a = { .mem = mem, .q = &chat_request }, b = a;
	struct arena *scratch = arena_new(1 << 20);
	struct dialect_answer an = answer_for(&chat_request, true);
	struct llm_event collected[64];
	struct buf out, text, plain;
	size_t n = 0;
	buf_init(&out, 1 << 16);
	buf_init(&text, 1 << 16);
	buf_init(&plain, 1 << 16);
	struct said from_stream = { .to = &text }, from_plain = { .to = &plain };
	for (size_t i = 0; i < COUNT(said); i++)
		if (said[i].choice == 0 && !said[i].signature.p)
			collected[n++] = said[i];
	for (size_t i = 0; i < n; i++) {
		buf_reset(&out);
		assert_int_equal(dialect_openai_chat.write_event(&an, &collected[i], &out), 0);
		struct str rest = buf_str(&out);
		while (rest.n) {
			size_t end = str_find(rest, STR("\n\n"));
			struct sse_event ev = { .raw = rest, .data = str_of(rest.p + 6, end - 6) };
			assert_int_equal(provider_read_event(&provider_openai, &a, scratch, &ev,
							     say_event, &from_stream), 0);
			arena_reset(scratch);
			rest = str_skip(rest, end + 2);
		}
	}
	struct str answer = collect_all(&chat_request, collected, n);
	assert_int_equal(provider_openai.read_answer(&b, answer, say_event, &from_plain), 0);
	assert_string_equal(buf_z(&text), buf_z(&plain));
	buf_done(&out);
	buf_done(&text);
	buf_done(&plain);
	arena_free(scratch);
}

static void test_completions_on_the_long_way(void **state)
{
	(void)state;
	struct dialect_answer an = answer_for(&text_request, false);
	struct buf out;
	buf_init(&out, 1 << 16);
	static const struct llm_event events[] = {
		{ .kind = EV_START },
		{ .kind = EV_REASONING, .text = { "hidden", 6 } },
		EV_TEXT_OF(0, "a\n"),
		EV_TEXT_OF(0, "b"),
		{ .kind = EV_END },
	};
	for (size_t i = 0; i < COUNT(events); i++)
		assert_int_equal(dialect_openai_text.write_event(&an, &events[i], &out), 0);
	expect_str(buf_str(&out),
		"data: {\"id\":\"call-1\",\"object\":\"text_completion\",\"created\":7,\"model\":\"asked\",\"choices\":[{\"index\":0,\"text\":\"a\\n\",\"logprobs\":null,\"finish_reason\":null}]}\n\n"
		"data: {\"id\":\"call-1\",\"object\":\"text_completion\",\"created\":7,\"model\":\"asked\",\"choices\":[{\"index\":0,\"text\":\"b\",\"logprobs\":null,\"finish_reason\":null}]}\n\n"
		"data: {\"id\":\"call-1\",\"object\":\"text_completion\",\"created\":7,\"model\":\"asked\",\"choices\":[{\"index\":0,\"text\":\"\",\"logprobs\":null,\"finish_reason\":\"stop\"}]}\n\n"
		"data: [DONE]\n\n");
	struct str plain = collect_all(&text_request, events, COUNT(events));
	assert_true(str_find(plain, STR("\"choices\":[{\"index\":0,\"text\":\"a\\nb\",\"logprobs\":null,\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":")) != SIZE_MAX);
	buf_done(&out);
}

static void test_embeddings_on_the_long_way(void **state)
{
	(void)state;
	static const struct llm_event events[] = {
		{ .kind = EV_VECTOR, .choice = 1, .text = { "[1, -2.5]", 9 } },
		{ .kind = EV_VECTOR, .choice = 0, .text = { "[0.5,0]", 7 } },
		{ .kind = EV_USAGE, .usage = { .input = 4 } },
		{ .kind = EV_END },
	};
	struct llm_request q = embed_request;
	expect_str(collect_all(&q, events, COUNT(events)),
		"{\"id\":\"embd-call-1\",\"object\":\"list\",\"data\":[{\"object\":\"embedding\",\"index\":0,\"embedding\":[0.5,0]},"
		"{\"object\":\"embedding\",\"index\":1,\"embedding\":[1, -2.5]}],\"model\":\"asked\",\"usage\":{\"prompt_tokens\":4,\"total_tokens\":4}}");
	q.encoding_format = STR("base64");
	expect_str(collect_all(&q, events, COUNT(events)),
		"{\"id\":\"embd-call-1\",\"object\":\"list\",\"data\":[{\"object\":\"embedding\",\"index\":0,\"embedding\":\"AAAAPwAAAAA=\"},"
		"{\"object\":\"embedding\",\"index\":1,\"embedding\":\"AACAPwAAIMA=\"}],\"model\":\"asked\",\"usage\":{\"prompt_tokens\":4,\"total_tokens\":4}}");
}

/* --- errors --- */

static void expect_error(const struct llm_error *e, enum outcome o, int status, const char *call_id,
			 bool in_stream, const char *want)
{
	struct buf out;
	buf_init(&out, 4096);
	dialect_openai_chat.write_error(&out, e, o, status, str_z(call_id), in_stream);
	assert_string_equal(buf_z(&out), want);
	buf_done(&out);
}

static void test_errors(void **state)
{
	(void)state;
	struct llm_error own = { .message = STR("Budget has been exceeded!") };
	struct llm_error up = { .status = 429, .message = STR("slow \"down\""), .type = STR("tokens"),
				.code = STR("rate_limit_exceeded") };
	struct llm_error denied = { .message = STR("no"), .type = STR("team_model_access_denied"),
				    .param = STR("model") };
	expect_error(&own, OUTCOME_BUDGET_SPENT, 400, NULL, false,
		     "{\"error\":{\"message\":\"Budget has been exceeded!\",\"type\":\"budget_exceeded\",\"param\":null,\"code\":\"400\"}}");
	expect_error(&up, OUTCOME_UP_RATE_LIMITED, 429, NULL, false,
		     "{\"error\":{\"message\":\"slow \\\"down\\\"\",\"type\":\"throttling_error\",\"param\":null,\"code\":\"429\"}}");
	expect_error(&denied, OUTCOME_MODEL_DENIED, 403, "id-1", false,
		     "{\"error\":{\"message\":\"no\",\"type\":\"team_model_access_denied\",\"param\":\"model\",\"code\":\"403\",\"litellm_call_id\":\"id-1\"}}");
	expect_error(&up, OUTCOME_CONTEXT_LENGTH, 400, NULL, true,
		     "data: {\"error\":{\"message\":\"slow \\\"down\\\"\",\"type\":\"invalid_request_error\",\"param\":null,\"code\":\"context_length_exceeded\"}}\n\n");
	expect_error(NULL, OUTCOME_INTERNAL, 500, NULL, false,
		     "{\"error\":{\"message\":\"INTERNAL\",\"type\":\"internal_server_error\",\"param\":null,\"code\":\"500\"}}");
}

/* --- memory --- */

/* All that is done for a request, with an arena of its own. */
static int do_all(void)
{
	static const char body[] = "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"a\\n\"}]},"
				   "{\"role\":\"tool\",\"tool_call_id\":\"c\",\"content\":\"r\"}],\"stop\":[\"\\t\"],\"tools\":"
				   "[{\"type\":\"function\",\"function\":{\"name\":\"f\"}}],\"stream\":true,\"x\":1,\"tags\":[]}";
	struct arena *a = arena_new(1 << 20);
	struct provider_target t = { .model = STR("u\""), .params = STR("{\"top_p\":1}") };
	struct provider_call call = { 0 };
	struct dialect_error err = { 0 };
	struct llm_error refusal = { 0 };
	struct json_error error;
	struct llm_request q = { 0 };
	struct buf out;
	int r = -ENOMEM;
	buf_init(&out, 1 << 16);
	buf_init(&call.path, 1 << 10);
	buf_init(&call.body, 1 << 16);
	const struct json *root = a ? json_parse(a, str_z(body), JSON_ONE_KEY, &error) : NULL;
	if (root)
		r = dialect_openai_chat.read_request(a, str_z(body), root, &q, &err);
	if (!r)
		r = dialect_openai_chat.forward_request(a, &q, t.model, t.params, STR_NONE, &out);
	if (!r)
		r = provider_openai.write_request(a, &q, &t, &call, &refusal);
	if (!r)
		r = provider_ollama_chat.write_request(a, &q, &t, &call, &refusal);
	struct dialect_answer an = { .mem = a, .q = &q, .model = STR("m"), .id = STR("i"), .show_usage = true };
	struct dialect_answer plain = an, passed = an;
	for (size_t i = 0; i < COUNT(said) && !r; i++)
		r = dialect_openai_chat.write_event(&an, &said[i], &out);
	for (size_t i = 0; i < COUNT(said) && !r; i++)
		r = dialect_openai_chat.collect(&plain, &said[i]);
	if (!r)
		r = dialect_openai_chat.write_answer(&plain, &out);
	for (size_t i = 0; stream[i] && !r; i++) {
		struct str raw = str_z(stream[i]);
		struct sse_event ev = { .raw = raw, .data = str_of(raw.p + 6, raw.n - 8) };
		r = dialect_openai_chat.forward_event(&passed, a, &ev, &out);
	}
	if (!r && (out.failed || call.body.failed || call.path.failed))
		r = -ENOMEM;
	buf_done(&out);
	buf_done(&call.path);
	buf_done(&call.body);
	arena_free(a);
	return r;
}

static void test_memory_may_run_out_anywhere(void **state)
{
	uint64_t live = mem_live(), failures = 0;
	(void)state;
	assert_int_equal(do_all(), 0);
	for (uint64_t n = 1; n < 1000; n++) {
		mem_fail_at(n);
		int r = do_all();
		mem_fail_at(0);
		assert_int_equal(mem_live(), live);
		if (r == 0)
			break;
		assert_int_equal(r, -ENOMEM);
		failures++;
	}
	assert_in_range(failures, 4, 500);	/* the arena and three buffers at the least */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_a_refusal_names_the_place, setup, teardown),
		cmocka_unit_test_setup_teardown(test_what_is_accepted_is_written_and_accepted_again, setup, teardown),
		cmocka_unit_test_setup_teardown(test_the_gateways_own_members_are_taken, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bytes_and_media_are_counted, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_model_from_the_path_is_kept, setup, teardown),
		cmocka_unit_test_setup_teardown(test_only_what_must_change_is_changed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_the_rest_is_the_same_to_the_byte, setup, teardown),
		cmocka_unit_test_setup_teardown(test_usage_that_was_not_asked_for_is_hidden, setup, teardown),
		cmocka_unit_test_setup_teardown(test_usage_that_was_asked_for_is_shown, setup, teardown),
		cmocka_unit_test_setup_teardown(test_usage_that_no_provider_sent_is_made, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_missing_done_is_made_up, setup, teardown),
		cmocka_unit_test_setup_teardown(test_chunks_on_the_short_way, setup, teardown),
		cmocka_unit_test_setup_teardown(test_an_error_in_a_stream_is_held_back, setup, teardown),
		cmocka_unit_test_setup_teardown(test_data_of_several_lines, setup, teardown),
		cmocka_unit_test_setup_teardown(test_plain_answers_on_the_short_way, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_glance_sees_what_the_reader_sees, setup, teardown),
		cmocka_unit_test_setup_teardown(test_an_error_as_an_answer, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_stream_is_written_as_openai_does, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_plain_answer, setup, teardown),
		cmocka_unit_test_setup_teardown(test_the_sum_of_deltas_is_the_plain_answer, setup, teardown),
		cmocka_unit_test_setup_teardown(test_completions_on_the_long_way, setup, teardown),
		cmocka_unit_test_setup_teardown(test_embeddings_on_the_long_way, setup, teardown),
		cmocka_unit_test_setup_teardown(test_errors, setup, teardown),
		cmocka_unit_test_setup_teardown(test_memory_may_run_out_anywhere, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
