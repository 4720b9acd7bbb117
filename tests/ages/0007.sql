-- SPDX-License-Identifier: MIT
-- A change that was logged, and a key's former text, which works for a while.
INSERT INTO audit VALUES (1, 'a-1', 1767398400000000000, 'admin', '', 'proxy_admin', '', 'keys create', 'created',
	'LiteLLM_VerificationToken', 'x', NULL, '{"key_alias":"free"}', zeroblob(32));
INSERT INTO key_graces VALUES (X'0C498A8750BF11CBDFBB8FD356B4B13B25C8527DAA7374FF570DBBFC0E4CD7D4', 3, 4102444800000000000);
