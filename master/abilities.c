/* SPDX-License-Identifier: MIT
 * abilities.c - see abilities.h. etc/make-prices has the same letters. */
#include "master/abilities.h"

const struct ability abilities[] = {
	{ 'C', "supports_computer_use" },
	{ 'E', "supports_embedding_image_input" },
	{ 'I', "supports_image_input" },
	{ 'N', "supports_native_streaming" },
	{ 'P', "supports_pdf_input" },
	{ 'S', "supports_service_tier" },
	{ 'V', "supports_video_input" },
	{ 'a', "supports_audio_input" },
	{ 'c', "supports_prompt_caching" },
	{ 'f', "supports_function_calling" },
	{ 'm', "supports_system_messages" },
	{ 'o', "supports_audio_output" },
	{ 'p', "supports_parallel_function_calling" },
	{ 'r', "supports_reasoning" },
	{ 's', "supports_response_schema" },
	{ 't', "supports_tool_choice" },
	{ 'u', "supports_url_context" },
	{ 'v', "supports_vision" },
	{ 'w', "supports_web_search" },
	{ 'x', "supports_assistant_prefill" },
	{ 0 },
};
_Static_assert(COUNT(abilities) - 1 <= ABILITIES_MAX, "a bit for each");

uint32_t abilities_read(struct str cell)
{
	uint32_t bits = 0;
	for (size_t i = 0; i < cell.n; i++)
		for (unsigned k = 0; abilities[k].name; k++)
			if (abilities[k].letter == cell.p[i])
				bits |= UINT32_C(1) << k;
	return bits;
}

struct abilities_cell abilities_cell(uint32_t bits)
{
	struct abilities_cell cell = { { 0 } };
	size_t n = 0;
	for (unsigned k = 0; abilities[k].name; k++)
		if (bits >> k & 1)
			cell.text[n++] = abilities[k].letter;
	return cell;
}

uint32_t abilities_of(const struct json *object, uint32_t known)
{
	for (unsigned k = 0; abilities[k].name; k++) {
		const struct json *j = json_get(object, abilities[k].name);
		if (json_is(j, JSON_TRUE))
			known |= UINT32_C(1) << k;
		else if (json_is(j, JSON_FALSE))
			known &= ~(UINT32_C(1) << k);
	}
	return known;
}

void abilities_put(struct json_out *o, uint32_t bits)
{
	for (unsigned k = 0; abilities[k].name; k++)
		if (bits >> k & 1)
			json_put_bool(o, abilities[k].name, true);
}
