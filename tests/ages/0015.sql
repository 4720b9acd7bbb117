-- SPDX-License-Identifier: MIT
-- Budgets of a user, a customer and a tag for one model.
INSERT INTO model_limits VALUES (15001, 17, 101, 'm', 3, 0, '30d', 4102444800000000000, NULL),
	(15002, 18, 104, 'm', 4, 0, NULL, NULL, NULL), (15003, 19, 105, 'm', 5, 0, NULL, NULL, NULL);
