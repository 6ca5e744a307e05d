// jose is no client of OAuth, but what many build one from: it signs assertions and verifies tokens and signed answers.
import assert from 'node:assert/strict';
import { createRemoteJWKSet, importJWK, jwtVerify, SignJWT } from 'jose';
import { life } from './life.mjs';

const GRANT = { grant_type: 'client_credentials' };

life('jose', ['private_key_jwt'], async ({ url }) => {
  const metadata = await (await fetch(`${url}/.well-known/oauth-authorization-server`)).json();
  const keys = createRemoteJWKSet(new URL(metadata.jwks_uri));

  const post = async (endpoint, { id, key }, parameters, headers = {}) => {
    const assertion = await new SignJWT({})
      .setProtectedHeader({ alg: key.alg, kid: key.kid })
      .setIssuer(id)
      .setSubject(id)
      .setAudience(metadata.issuer)
      .setJti(crypto.randomUUID())
      .setIssuedAt()
      .setExpirationTime('1 minute')
      .sign(await importJWK(key));
    return fetch(endpoint, {
      method: 'POST',
      headers,
      body: new URLSearchParams({
        client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
        client_assertion: assertion,
        ...parameters,
      }),
    });
  };

  return {
    async token(who) {
      const scope = who.scope ? { scope: who.scope } : {};
      const answer = await post(metadata.token_endpoint, who, { ...GRANT, ...scope });
      const { access_token: token, error } = await answer.json();
      if (error) return { error };
      const { payload } = await jwtVerify(token, keys, {
        issuer: metadata.issuer,
        audience: `${url}/v1`,
        typ: 'at+jwt',
        requiredClaims: ['client_id', 'exp', 'iat', 'jti', 'sub'],
      });
      assert.equal(payload.sub, who.id);
      return { token };
    },
    async introspect(who, token) {
      const accept = 'application/token-introspection+jwt';
      const answer = await post(metadata.introspection_endpoint, who, { token }, { accept });
      const { payload } = await jwtVerify(await answer.text(), keys, {
        issuer: metadata.issuer,
        audience: who.id,
        typ: 'token-introspection+jwt',
      });
      return payload.token_introspection;
    },
    async revoke(who, token) {
      assert.equal((await post(metadata.revocation_endpoint, who, { token })).status, 200);
    },
  };
});
