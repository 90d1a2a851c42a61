-- SPDX-License-Identifier: Apache-2.0
-- Every change of a prediction's status paid for this trigger, though few predictions have files: whoever ends one says so.
DROP TRIGGER file_of_ended;
