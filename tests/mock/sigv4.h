/* SPDX-License-Identifier: MIT
 * sigv4.h - is a request signed as AWS wants it, with the one key that the mock knows? */
#ifndef MOCK_SIGV4_H
#define MOCK_SIGV4_H

#include "tests/mock/buf.h"

#define SIGV4_KEY_ID "AKIDEXAMPLE"
#define SIGV4_SECRET "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"

/* NULL when all is well (an API key is taken as it is); else what AWS calls the mistake.
 * headers: as in struct log_ask. */
const char *sigv4_complaint(const char *method, struct span url, struct span headers, struct span body);

#endif
