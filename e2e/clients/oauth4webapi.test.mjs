import * as oauth from 'oauth4webapi';
import { life } from './life.mjs';

const INSECURE = { [oauth.allowInsecureRequests]: true };
const METHODS = ['client_secret_basic', 'client_secret_post', 'private_key_jwt'];

life('oauth4webapi', METHODS, async ({ url }) => {
  const issuer = new URL(url);
  const found = await oauth.discoveryRequest(issuer, { ...INSECURE, algorithm: 'oauth2' });
  const server = await oauth.processDiscoveryResponse(issuer, found);

  const authentication = async ({ method, secret, key }) => {
    if (method === 'client_secret_basic') return oauth.ClientSecretBasic(secret);
    if (method === 'client_secret_post') return oauth.ClientSecretPost(secret);
    const { kid, ...jwk } = key;
    const imported = await crypto.subtle.importKey('jwk', jwk, { name: 'ECDSA', namedCurve: 'P-256' }, false, ['sign']);
    return oauth.PrivateKeyJwt({ key: imported, kid });
  };
  const client = ({ id }) => ({ client_id: id });

  return {
    async token(who) {
      const parameters = who.scope ? { scope: who.scope } : {};
      const answer = await oauth.clientCredentialsGrantRequest(
        server, client(who), await authentication(who), parameters, INSECURE,
      );
      try {
        return { token: (await oauth.processClientCredentialsResponse(server, client(who), answer)).access_token };
      } catch (error) {
        // With a challenge in the answer the library speaks of the challenge, else of the error in the body.
        return { error: error.error ?? (await error.response.json()).error };
      }
    },
    async get(_, token, path) {
      try {
        return (await oauth.protectedResourceRequest(token, 'GET', new URL(path, url), undefined, null, INSECURE)).status;
      } catch (error) {
        if (error instanceof oauth.WWWAuthenticateChallengeError) return error.status;
        throw error;
      }
    },
    async introspect(who, token) {
      const answer = await oauth.introspectionRequest(server, client(who), await authentication(who), token, INSECURE);
      return oauth.processIntrospectionResponse(server, client(who), answer);
    },
    async revoke(who, token) {
      const answer = await oauth.revocationRequest(server, client(who), await authentication(who), token, INSECURE);
      await oauth.processRevocationResponse(answer);
    },
  };
});
