-- How often a keypair was used for one thing on one day: for what, by the kind of activity ('token', 'request', 'refused'),
-- the operation of the API and the scope that let it in, each empty where there is none; and by whom the last time.
CREATE TABLE key_usage (
    keypair_id   TEXT NOT NULL REFERENCES keypair (id) ON DELETE CASCADE,
    day          INTEGER NOT NULL,
    kind         TEXT NOT NULL,
    operation    TEXT NOT NULL,
    scope        TEXT NOT NULL,
    count        INTEGER NOT NULL,
    last_at      INTEGER NOT NULL,
    last_address TEXT,
    last_program TEXT,
    PRIMARY KEY (keypair_id, day, kind, operation, scope)
) STRICT, WITHOUT ROWID;
CREATE INDEX key_usage_by_day ON key_usage (day);
