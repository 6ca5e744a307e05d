-- The next ordinal is searched by an expression, so that no lookup of people by their hash can take this index instead of
-- theirs: on a table without statistics both look alike to the planner, and this one reads everybody of the environment.
DROP INDEX person_by_ordinal;
CREATE UNIQUE INDEX person_by_ordinal ON person ((environment_id || ':' || kind::TEXT), ordinal);
