-- A public key has its number from the same count as the keypair's secrets.
CREATE TABLE keypair_public_key (
    keypair_id   TEXT COLLATE "C" NOT NULL REFERENCES keypair (id) ON DELETE CASCADE,
    n            BIGINT NOT NULL,
    algorithm    TEXT NOT NULL,
    thumbprint   BYTEA NOT NULL,
    spki         BYTEA NOT NULL,
    created_at   BIGINT NOT NULL,
    expires_at   BIGINT,
    PRIMARY KEY (keypair_id, n)
);

ALTER TABLE keypair ADD COLUMN accepts_secrets BOOLEAN NOT NULL DEFAULT TRUE;

-- Refers to no keypair: removing one must not wait for all that it presented, which runs out within minutes.
CREATE TABLE used_assertion (
    keypair_id TEXT COLLATE "C" NOT NULL,
    jti_hash   BYTEA NOT NULL,
    kept_until BIGINT NOT NULL,
    PRIMARY KEY (keypair_id, jti_hash)
);
CREATE INDEX used_assertion_by_end ON used_assertion (kept_until);
