-- SPDX-License-Identifier: MIT
-- Two batches at a provider: one that runs, one that is paid.
INSERT INTO bulk VALUES (x'00112233445566778899aabbccddeeff', 1767398400000000000, 3, 0, NULL, 'ann',
	NULL), (x'10112233445566778899aabbccddeeff', 1767398400000000000, 3, 1, x'0100000000000005', '',
	1767398500000000000);
