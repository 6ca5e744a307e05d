import { ClientCredentials } from 'simple-oauth2';
import { life } from './life.mjs';

const METHODS = { client_secret_basic: 'header', client_secret_post: 'body' };

life('simple-oauth2', Object.keys(METHODS), ({ url }) => {
  const client = ({ method, id, secret }) =>
    new ClientCredentials({
      client: { id, secret },
      auth: { tokenHost: url, tokenPath: '/oauth2/token', revokePath: '/oauth2/revoke' },
      // An answer may be empty, as that to a revocation is (RFC 7009 §2.2).
      http: { json: true },
      options: { authorizationMethod: METHODS[method] },
    });
  return {
    async token(who) {
      try {
        const { token } = await client(who).getToken(who.scope ? { scope: who.scope } : {});
        return { token: token.access_token };
      } catch (error) {
        return { error: error.data.payload.error };
      }
    },
    revoke: (who, token) => client(who).createToken({ access_token: token }).revoke('access_token'),
  };
});
