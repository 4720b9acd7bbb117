-- SPDX-License-Identifier: MIT
-- Budgets of a key, a team and an organization for one model, and what was spent of them.
UPDATE keys SET extra = json_set(extra, '$.model_max_budget', json('{"m":{"budget_limit":2,"time_period":"30d"}}'))
	WHERE id = 3;
INSERT INTO model_limits VALUES (9001, 10, 3, 'm', 70, 0, '30d', 4102444800000000000, 1767398400000000000),
	(9002, 11, 1, 'm', 200, 0, NULL, NULL, NULL), (9003, 12, 102, 'm', 200, 0, NULL, NULL, NULL);
