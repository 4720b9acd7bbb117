/* SPDX-License-Identifier: MIT
 * vector.h - made-up embeddings: the same for the same place in the list of inputs. */
#ifndef MOCK_VECTOR_H
#define MOCK_VECTOR_H

#include "tests/mock/buf.h"

void vector_write_text(struct buf *out, size_t input, size_t dimensions);	/* [0.1,0.2] */
/* Little-endian 32-bit floats in base64, with quotes around. */
void vector_write_base64(struct buf *out, size_t input, size_t dimensions);

#endif
