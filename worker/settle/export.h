/* SPDX-License-Identifier: MIT
 * export.h - a finished request as a record for the master, where callbacks want it. It never
 * waits: a ring that is full loses the record, and that is counted. */
#ifndef EXPORT_H
#define EXPORT_H

#include <stdint.h>

struct request;
void export_record(struct request *r, uint64_t now_ns);

#endif
