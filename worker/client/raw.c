/* SPDX-License-Identifier: MIT
 * raw.c - what is relayed as it comes: the rows that the endpoint table names. See raw.h. */
#include "worker/raw.h"

#include "common/journal.h"

#define MODEL(measure, path, preset, call) RAW_MODEL, measure, path, NULL, preset, call
#define PASS(providers) RAW_PREFIX, RAW_TOKENS, NULL, providers, NULL, JOURNAL_CALL_PASS

const struct raw raw_moderations = { "moderations", MODEL(RAW_TOKENS, "/moderations",
				     "omni-moderation-latest", JOURNAL_CALL_MODERATION) };
const struct raw raw_images = { "images", MODEL(RAW_IMAGES, "/images/generations", NULL,
				JOURNAL_CALL_IMAGE) };
const struct raw raw_image_edits = { "image edits", MODEL(RAW_IMAGES, "/images/edits", NULL,
				     JOURNAL_CALL_IMAGE_EDIT) };
const struct raw raw_image_variations = { "image variations", MODEL(RAW_IMAGES,
					  "/images/variations", "dall-e-2",
					  JOURNAL_CALL_IMAGE_EDIT) };
const struct raw raw_speech = { "speech", MODEL(RAW_SPEECH, "/audio/speech", NULL,
				JOURNAL_CALL_SPEECH) };
const struct raw raw_transcriptions = { "transcriptions", MODEL(RAW_SOUND,
					"/audio/transcriptions", NULL,
					JOURNAL_CALL_TRANSCRIPTION) };
const struct raw raw_translations = { "translations", MODEL(RAW_SOUND, "/audio/translations",
				      NULL, JOURNAL_CALL_TRANSCRIPTION) };

const struct raw raw_realtime = { "realtime", MODEL(RAW_TOKENS, "/realtime", NULL,
				  JOURNAL_CALL_REALTIME) };

/* Files, batches and the like: what a provider keeps for its account. */
const struct raw raw_resource = { "resources", RAW_PROVIDER, RAW_TOKENS, NULL, "openai", NULL,
				  JOURNAL_CALL_RESOURCE };
const struct raw raw_target = { "target", RAW_TARGET, RAW_TOKENS, NULL, NULL, NULL,
				JOURNAL_CALL_PASS };

const struct raw raw_pass_openai = { "openai", PASS("openai") };
const struct raw raw_pass_anthropic = { "anthropic", PASS("anthropic") };
const struct raw raw_pass_gemini = { "gemini", PASS("gemini") };
const struct raw raw_pass_vertex = { "vertex_ai", PASS("vertex_ai,vertex_ai_beta") };
const struct raw raw_pass_bedrock = { "bedrock", PASS("bedrock") };
const struct raw raw_pass_cohere = { "cohere", PASS("cohere,cohere_chat") };
const struct raw raw_pass_azure = { "azure", PASS("azure") };
const struct raw raw_pass_azure_ai = { "azure_ai", PASS("azure_ai") };
const struct raw raw_pass_mistral = { "mistral", PASS("mistral") };
const struct raw raw_pass_vllm = { "vllm", PASS("hosted_vllm,vllm") };
const struct raw raw_pass_assemblyai = { "assemblyai", PASS("assemblyai") };
