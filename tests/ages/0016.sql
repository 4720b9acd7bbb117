-- SPDX-License-Identifier: MIT
-- What a probe found.
INSERT INTO health_checks VALUES (1, 'id-77', 'm', 0, 'refused', 12, 'admin', 1767398400000000000);
