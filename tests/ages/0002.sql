-- SPDX-License-Identifier: MIT
-- A conversation of a key's.
INSERT INTO responses VALUES (1, 'resp_1', 1, 1767312000000000000, 4102444800000000000, 9);
INSERT INTO response_texts VALUES (1, CAST('{"a":1}' AS BLOB), CAST('[]' AS BLOB));
