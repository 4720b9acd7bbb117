/* SPDX-License-Identifier: MIT
 * abilities.h - what a model can do, as LiteLLM's price map and model_info say it: members that
 * begin with supports_, one bit each. In a line of the price table they are a cell of letters. */
#ifndef ABILITIES_H
#define ABILITIES_H

#include "common/json.h"
#include "common/json_write.h"

enum { ABILITIES_MAX = 32 };

struct ability {
	char letter;			/* in the cell `can` of etc/prices.tsv */
	const char *name;
};
extern const struct ability abilities[];	/* by their letters; ends with name NULL */

/* The bits of a cell; letters that are not known say nothing. */
uint32_t abilities_read(struct str cell);
/* The cell of these bits. */
struct abilities_cell {
	char text[ABILITIES_MAX + 1];
} abilities_cell(uint32_t bits);
/* Members of an object (NULL: none) over what is known: true and false win, all else is
 * overlooked. */
uint32_t abilities_of(const struct json *object, uint32_t known);
/* The members that are true. */
void abilities_put(struct json_out *o, uint32_t bits);

#endif
