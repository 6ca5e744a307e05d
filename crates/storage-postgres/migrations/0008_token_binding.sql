-- What a keypair's tokens must be bound to. The version before binds none, and asks for none.
ALTER TABLE keypair ADD COLUMN token_binding TEXT NOT NULL DEFAULT 'none' CHECK (token_binding IN ('none', 'dpop', 'mtls'));
