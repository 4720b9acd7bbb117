/* SPDX-License-Identifier: MIT
 * spend_call.c - what was asked for, in LiteLLM's words; see spend_call.h. */
#include "master/spend_call.h"

#include "common/check.h"
#include "common/journal.h"

static const struct {
	const char *type, *path;
} calls[] = {
	[JOURNAL_CALL_CHAT] = { "acompletion", "/chat/completions" },
	[JOURNAL_CALL_TEXT] = { "atext_completion", "/completions" },
	[JOURNAL_CALL_EMBED] = { "aembedding", "/embeddings" },
	[JOURNAL_CALL_RERANK] = { "arerank", "/rerank" },
	[JOURNAL_CALL_MODERATION] = { "amoderation", "/moderations" },
	[JOURNAL_CALL_IMAGE] = { "aimage_generation", "/images/generations" },
	[JOURNAL_CALL_IMAGE_EDIT] = { "aimage_edit", "/images/edits" },
	[JOURNAL_CALL_SPEECH] = { "aspeech", "/audio/speech" },
	[JOURNAL_CALL_TRANSCRIPTION] = { "atranscription", "/audio/transcriptions" },
	[JOURNAL_CALL_RESOURCE] = { "pass_through_endpoint", "resources" },
	[JOURNAL_CALL_PASS] = { "pass_through_endpoint", "pass-through" },
	[JOURNAL_CALL_REALTIME] = { "_arealtime", "/realtime" },
};

const char *spend_call_type(int64_t call)
{
	const char *z = call >= 0 && call < (int64_t)COUNT(calls) ? calls[call].type : NULL;
	return z ? z : "";
}

const char *spend_call_path(int64_t call)
{
	const char *z = call >= 0 && call < (int64_t)COUNT(calls) ? calls[call].path : NULL;
	return z ? z : "other";
}

uint8_t spend_call_read(struct str type)
{
	for (size_t i = 0; i < COUNT(calls) && type.n; i++) {
		struct str name = str_z(calls[i].type ? calls[i].type : "");
		if (str_eq(name, type) || (name.n && str_eq(str_skip(name, 1), type)))
			return (uint8_t)i;
	}
	return JOURNAL_CALL_OTHER;
}
