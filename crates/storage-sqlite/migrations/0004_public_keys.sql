-- A public key has its number from the same count as the keypair's secrets.
CREATE TABLE keypair_public_key (
    keypair_id   TEXT NOT NULL REFERENCES keypair (id) ON DELETE CASCADE,
    n            INTEGER NOT NULL,
    algorithm    TEXT NOT NULL,
    thumbprint   BLOB NOT NULL,
    spki         BLOB NOT NULL,
    created_at   INTEGER NOT NULL,
    expires_at   INTEGER,
    PRIMARY KEY (keypair_id, n)
) STRICT, WITHOUT ROWID;

ALTER TABLE keypair ADD COLUMN accepts_secrets INTEGER NOT NULL DEFAULT 1 CHECK (accepts_secrets IN (0, 1));

-- Refers to no keypair: removing one must not wait for all that it presented, which runs out within minutes.
CREATE TABLE used_assertion (
    keypair_id TEXT NOT NULL,
    jti_hash   BLOB NOT NULL,
    kept_until INTEGER NOT NULL,
    PRIMARY KEY (keypair_id, jti_hash)
) STRICT, WITHOUT ROWID;
CREATE INDEX used_assertion_by_end ON used_assertion (kept_until);
