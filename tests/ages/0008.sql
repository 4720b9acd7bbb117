-- SPDX-License-Identifier: MIT
-- An answer that a retry is given again.
INSERT INTO answers VALUES (1, X'0801', X'0802', 3, 1767398400000000000, 4102444800000000000, 100);
INSERT INTO answer_texts VALUES (1, CAST('200' AS BLOB), CAST('{}' AS BLOB));
