/* SPDX-License-Identifier: MIT
 * usage_labels.h - labels that the configuration asks for of each request. */
#ifndef USAGE_LABELS_H
#define USAGE_LABELS_H

#include "common/board.h"
#include "worker/request.h"

/* As they stand between the braces of a sample: escaped, valid UTF-8. Values are cut to
 * USAGE_LABEL_MAX bytes; a label for which there is no room is left out. */
enum { USAGE_LABEL_MAX = 64 };
struct str usage_labels(const struct request *r, char room[SERIES_LABELS]);
/* One more label behind those in room[0..n); returns how many bytes they are then. */
size_t usage_label_put(char room[SERIES_LABELS], size_t n, struct str name, struct str value);

#endif
