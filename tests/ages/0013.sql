-- SPDX-License-Identifier: MIT
-- A prompt that is kept, sealed by nobody's key here, and one that was redacted.
INSERT INTO spend_text_keys VALUES (1, X'CC');
INSERT INTO spend_texts VALUES (1, X'05000000000000000000000000000001', 1767398400000000000, 50, 1, X'CD'),
	(2, X'0C000000000000000000000000000001', 1767398400000000001, 40, 1, NULL);
