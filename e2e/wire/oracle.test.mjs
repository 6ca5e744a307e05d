// oidc-provider as an oracle: the same bytes to both servers, each with one client of the same id and secret. Where the
// answers differ, docs/standards/oracle.md has to say so, and why; where it says so, they have to differ.
import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { errors, Provider } from 'oidc-provider';
import { basic, tokenFor } from '../program.mjs';
import { Product, SCOPES } from '../product.mjs';
import { send } from '../raw-http.mjs';

const [READ, , SUBMIT, ADMIN] = SCOPES;
const DOCUMENT = new URL('../../docs/standards/oracle.md', import.meta.url);
const JWT_BEARER = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';

/** Started for the issuer and the client of `product`, at an address of its own. */
async function oracle(t, product, { id, secret }) {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const provider = new Provider(product.url, {
    clients: [
      {
        client_id: id,
        client_secret: secret,
        scope: `${READ} ${SUBMIT}`,
        grant_types: ['client_credentials'],
        redirect_uris: [],
        response_types: [],
        token_endpoint_auth_method: 'client_secret_basic',
        id_token_signed_response_alg: 'ES256',
      },
    ],
    jwks: { keys: [{ ...privateKey.export({ format: 'jwk' }), alg: 'ES256', use: 'sig', kid: 'one' }] },
    scopes: SCOPES,
    routes: { token: '/oauth2/token', introspection: '/oauth2/introspect', revocation: '/oauth2/revoke' },
    features: {
      clientCredentials: { enabled: true },
      devInteractions: { enabled: false },
      introspection: { enabled: true },
      revocation: { enabled: true },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => `${product.url}/v1`,
        getResourceServerInfo: (_, resource) => {
          if (resource !== `${product.url}/v1`) throw new errors.InvalidTarget();
          return { scope: SCOPES.join(' '), accessTokenFormat: 'jwt', jwt: { sign: { alg: 'ES256' } } };
        },
      },
    },
  });
  const server = provider.listen(0, '127.0.0.1');
  await new Promise((resolve) => server.on('listening', resolve));
  t.after(() => new Promise((resolve) => server.close(resolve)));
  return { port: server.address().port };
}

/** What the requests of the table are made of. */
function requests(product, keypair) {
  const AUTH = `Authorization: ${basic(keypair)}`;
  const FORM = 'Content-Type: application/x-www-form-urlencoded';
  const BARE = 'grant_type=client_credentials';
  const GRANT = `${BARE}&scope=${READ}`;
  const credentials = `client_id=${keypair.id}&client_secret=${keypair.secret}`;
  const authorization = (text) => `Authorization: Basic ${Buffer.from(text, 'latin1').toString('base64')}`;
  const encoded = (text) => [...Buffer.from(text)].map((byte) => `%${byte.toString(16)}`).join('');
  const { id, secret } = keypair;
  const api = `${product.url}/v1`;

  const at = (method, target, headers, body) => {
    const length = body === undefined ? [] : [`Content-Length: ${Buffer.byteLength(body, 'latin1')}`];
    const host = [`Host: 127.0.0.1:${product.port}`, 'Connection: close'];
    const head = [`${method} ${target} HTTP/1.1`, ...host, ...headers, ...length].join('\r\n');
    return Buffer.from(`${head}\r\n\r\n${body ?? ''}`, 'latin1');
  };
  const post = (headers, body) => at('POST', '/oauth2/token', headers, body);
  const chunked = (...chunks) => {
    const parts = chunks.map((chunk) => `${chunk.length.toString(16)}\r\n${chunk}\r\n`).join('');
    return Buffer.concat([post([AUTH, FORM, 'Transfer-Encoding: chunked']), Buffer.from(`${parts}0\r\n\r\n`)]);
  };
  const asked = (more) => post([AUTH, FORM], `${GRANT}&${more}`);
  const scoped = (scope) => post([AUTH, FORM], `${BARE}&scope=${scope}`);
  const about = (endpoint, headers, body) => at('POST', `/oauth2/${endpoint}`, headers, body);

  return {
    'by Basic': post([AUTH, FORM], GRANT),
    'by the body': post([FORM], `${GRANT}&${credentials}`),
    'by Basic, every byte percent-encoded': post([authorization(`${encoded(id)}:${encoded(secret)}`), FORM], GRANT),
    'by Basic in lower case': post([AUTH.replace('Basic', 'basic'), FORM], GRANT),
    'by Basic, with the same client_id in the body': asked(`client_id=${id}`),
    'by Basic after two spaces': post([AUTH.replace('Basic ', 'Basic  '), FORM], GRANT),
    'no scope': post([AUTH, FORM], BARE),
    'one scope': scoped(READ),
    'two scopes': scoped(`${READ}+${SUBMIT}`),
    'two scopes, percent-encoded space': scoped(`${READ}%20${SUBMIT}`),
    'an empty scope': scoped(''),
    'a scope twice': scoped(`${READ}+${READ}`),
    'two spaces between scopes': scoped(`${READ}++${SUBMIT}`),
    'a scope that the client may not request': scoped(ADMIN),
    'a scope that the client may request, and one that it may not': scoped(`${READ}+${ADMIN}`),
    'a scope that nobody knows': scoped('everything'),
    'a scope in capitals': scoped(READ.toUpperCase()),
    'a scope with a quotation mark': scoped('%22'),
    'the resource': asked(`resource=${encodeURIComponent(api)}`),
    'the resource twice': asked(`resource=${encodeURIComponent(api)}&resource=${encodeURIComponent(api)}`),
    'an empty resource': asked('resource='),
    'a resource elsewhere': asked('resource=https%3A%2F%2Felsewhere.example%2F'),
    'a resource that is no URL': asked('resource=nothing'),
    'a resource with a fragment': asked(`resource=${encodeURIComponent(`${api}#x`)}`),
    'an unknown parameter': asked('audience=somebody'),
    'a parameter with no value': asked('audience'),
    'a charset': post([AUTH, `${FORM}; charset=utf-8`], GRANT),
    'a content type in capitals': post([AUTH, FORM.toUpperCase()], GRANT),
    'chunks': chunked(GRANT.slice(0, 7), GRANT.slice(7)),
    'an ampersand at the end': post([AUTH, FORM], `${GRANT}&`),
    'a line break at the end': post([AUTH, FORM], `${GRANT}\r\n`),
    'no content type': post([AUTH], GRANT),
    'a JSON body': post([AUTH, 'Content-Type: application/json'], '{"grant_type":"client_credentials"}'),
    'a multipart body': post([AUTH, 'Content-Type: multipart/form-data; boundary=x'], '--x--'),
    'no body': post([AUTH, FORM], ''),
    'no grant_type': post([AUTH, FORM], `scope=${READ}`),
    'an empty grant_type': post([AUTH, FORM], 'grant_type='),
    'an unknown grant': post([AUTH, FORM], 'grant_type=magic'),
    'a grant that others have': post([AUTH, FORM], 'grant_type=password&username=a&password=b'),
    'a refresh token': post([AUTH, FORM], 'grant_type=refresh_token&refresh_token=x'),
    'the grant_type twice': post([AUTH, FORM], `${BARE}&${BARE}`),
    'an unknown parameter twice': asked('x=1&x=2'),
    'half a percent escape': scoped('%f'),
    'escaped bytes that are no UTF-8': scoped('%ff'),
    'raw bytes that are no UTF-8': scoped('\xff'),
    'a NUL': scoped('%00'),
    'a body of 100 kB': asked(`x=${'x'.repeat(100_000)}`),
    'the grant in the address': at('POST', `/oauth2/token?${BARE}`, [AUTH, FORM], ''),
    'credentials in the address': at('POST', `/oauth2/token?${credentials}`, [FORM], GRANT),
    'GET': at('GET', `/oauth2/token?${BARE}`, [AUTH]),
    'HEAD': at('HEAD', '/oauth2/token', [AUTH]),
    'PUT': at('PUT', '/oauth2/token', [AUTH, FORM], GRANT),
    'no client': post([FORM], GRANT),
    'a client_id alone': post([FORM], `${GRANT}&client_id=${id}`),
    'a wrong secret by Basic': post([authorization(`${id}:wrong`), FORM], GRANT),
    'a wrong secret by the body': post([FORM], `${GRANT}&client_id=${id}&client_secret=wrong`),
    'an unknown client by Basic': post([authorization(`somebody:${secret}`), FORM], GRANT),
    'an empty secret by Basic': post([authorization(`${id}:`), FORM], GRANT),
    'both ways': post([AUTH, FORM], `${GRANT}&${credentials}`),
    'another client_id in the body': asked('client_id=somebody'),
    'Basic without a colon': post([authorization(id), FORM], GRANT),
    'Basic that is no base64': post(['Authorization: Basic ???', FORM], GRANT),
    'Basic with nothing': post(['Authorization: Basic', FORM], GRANT),
    'Basic with half an escape': post([authorization(`${id}:%f`), FORM], GRANT),
    'Basic twice': post([AUTH, AUTH, FORM], GRANT),
    'Bearer': post(['Authorization: Bearer x', FORM], GRANT),
    'an assertion that is none': post([FORM], `${GRANT}&client_assertion_type=${JWT_BEARER}&client_assertion=x`),
    'an assertion of an unknown type': post([FORM], `${GRANT}&client_assertion_type=x&client_assertion=x`),
    'introspection of nothing': about('introspect', [AUTH, FORM], 'token=nothing'),
    'introspection without a token': about('introspect', [AUTH, FORM], ''),
    'introspection without a client': about('introspect', [FORM], 'token=nothing'),
    'introspection with a wrong secret': about('introspect', [authorization(`${id}:wrong`), FORM], 'token=nothing'),
    'introspection by GET': at('GET', '/oauth2/introspect?token=nothing', [AUTH]),
    'revocation of nothing': about('revoke', [AUTH, FORM], 'token=nothing'),
    'revocation of an unknown kind': about('revoke', [AUTH, FORM], 'token=nothing&token_type_hint=x'),
    'revocation without a token': about('revoke', [AUTH, FORM], ''),
    'revocation of two': about('revoke', [AUTH, FORM], 'token=a&token=b'),
    'revocation without a client': about('revoke', [FORM], 'token=nothing'),
  };
}

/** What is compared of an answer, in a few words. */
function said({ status, headers, body }) {
  const words = [status];
  if (body?.error) words.push(body.error);
  if (body?.access_token) words.push(body.token_type, `"${body.scope ?? ''}"`);
  if ('active' in Object(body)) words.push(body.active ? 'active' : 'not active');
  const challenge = headers.get('www-authenticate');
  if (challenge) words.push(`challenge ${challenge.split(' ')[0]}`);
  if (!/\bno-store\b/.test(headers.get('cache-control') ?? '')) words.push('may be cached');
  const type = headers.get('content-type')?.split(';')[0];
  if (type && type !== 'application/json') words.push(type);
  return words.join(' ');
}

/** The table of docs/standards/oracle.md: what each of the two says to a request. */
async function listed() {
  const rows = (await readFile(DOCUMENT, 'utf8')).split('\n').filter((line) => line.startsWith('| '));
  const cells = rows.slice(2).map((row) => row.split('|').slice(1, -1).map((cell) => cell.trim().replaceAll('`', '')));
  return new Map(cells.map(([what, here, there, why]) => [what, { here, there, why }]));
}

test('oidc-provider answers the same, or the difference has its reason', async (t) => {
  const product = await Product.start(t);
  const keypair = await product.keypair(await product.account('Acme'), [READ, SUBMIT], 'The same client');
  await tokenFor(product, keypair);
  const other = await oracle(t, product, keypair);
  const table = await listed();

  for (const [what, bytes] of Object.entries(requests(product, keypair))) {
    await t.test(what, async () => {
      const here = said(await send(product, bytes));
      const there = said(await send(other, bytes));
      const known = table.get(what);
      table.delete(what);
      if (here === there) assert.equal(known, undefined, `the listed difference is gone: both say ${here}`);
      else assert.deepEqual({ here, there }, { here: known?.here, there: known?.there }, 'a difference that is not listed so');
    });
  }
  await t.test('every listed difference was looked for', () => assert.deepEqual([...table.keys()], []));
});
