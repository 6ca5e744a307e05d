-- From when on a key signs. NULL is ten minutes after it was made: the version before knows no other keys.
ALTER TABLE signing_key ADD COLUMN signs_from BIGINT;
