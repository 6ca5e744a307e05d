-- Tokens that their keypair revoked before their time, by their id of 16 bytes. A row is kept for a while after the token
-- has expired, since the clocks of nodes lie apart.
CREATE TABLE revoked_token (
    keypair_id TEXT NOT NULL REFERENCES keypair (id) ON DELETE CASCADE,
    token      BLOB NOT NULL,
    expires_at INTEGER NOT NULL,
    PRIMARY KEY (keypair_id, token)
) STRICT, WITHOUT ROWID;
CREATE INDEX revoked_token_by_expiry ON revoked_token (expires_at);
