// oidc-provider as an Authorization Server for the client credentials grant: one client, JWT access tokens (RFC 9068),
// all of it in memory. Usage: node server.js PORT ES256|EdDSA
import { generateKeyPairSync } from 'node:crypto';
import { Provider } from 'oidc-provider';

const [port, algorithm] = process.argv.slice(2);
const { privateKey } =
  algorithm === 'EdDSA' ? generateKeyPairSync('ed25519') : generateKeyPairSync('ec', { namedCurve: 'P-256' });
const key = { ...privateKey.export({ format: 'jwk' }), alg: algorithm, use: 'sig', kid: 'one' };
const resource = 'https://api.example.com';

const provider = new Provider(`http://127.0.0.1:${port}`, {
  clients: [
    {
      client_id: 'client',
      client_secret: 'a-secret-of-forty-three-characters-0123456789',
      grant_types: ['client_credentials'],
      redirect_uris: [],
      response_types: [],
      token_endpoint_auth_method: 'client_secret_basic',
      id_token_signed_response_alg: algorithm,
    },
  ],
  jwks: { keys: [key] },
  scopes: ['report:read'],
  ttl: { ClientCredentials: 3600 },
  features: {
    clientCredentials: { enabled: true },
    devInteractions: { enabled: false },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => resource,
      getResourceServerInfo: () => ({
        scope: 'report:read',
        accessTokenFormat: 'jwt',
        accessTokenTTL: 3600,
        jwt: { sign: { alg: algorithm, kid: 'one' } },
      }),
    },
  },
});

provider.listen(Number(port), '127.0.0.1');
