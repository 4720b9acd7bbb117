/* SPDX-License-Identifier: MIT
 * unicode_class.h - what kind of character a code point is, as far as tokenizers ask. */
#ifndef UNICODE_CLASS_H
#define UNICODE_CLASS_H

#include <stddef.h>
#include <stdint.h>

enum unicode_class {
	UNICODE_OTHER,		/* signs, controls, what is not assigned */
	UNICODE_UPPER,		/* Lu, Lt */
	UNICODE_LOWER,		/* Ll */
	UNICODE_LETTER,		/* Lm, Lo: letters without case */
	UNICODE_MARK,		/* M */
	UNICODE_NUMBER,		/* N */
	UNICODE_SPACE		/* White_Space */
};
enum unicode_class unicode_class(uint32_t c);

#endif
