-- What is narrowed to an environment ends with it, and is found without reading what others were granted.
CREATE INDEX application_grant_narrowed_to ON application_grant (environment_id) WHERE environment_id IS NOT NULL;
CREATE INDEX authorization_code_narrowed_to ON authorization_code (environment_id) WHERE environment_id IS NOT NULL;
