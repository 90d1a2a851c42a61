-- SPDX-License-Identifier: Apache-2.0

-- Hours that are old are put together into days: what is still to be put together is found here.
-- Nothing reads hours of all pools otherwise.
DROP INDEX ledger_by_hour;
CREATE INDEX ledger_of_hours ON ledger (hour) WHERE hour % 86400000 <> 0;
