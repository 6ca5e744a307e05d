// A customer's program: it exchanges its keypair for a token, and calls the API with it.
import assert from 'node:assert/strict';
import { until } from './product.mjs';

export const basic = ({ id, secret }) => 'Basic ' + Buffer.from(`${id}:${secret}`).toString('base64');

/** POST /oauth2/token, by Basic unless `fields` carry the credentials. */
export async function askForToken(product, keypair, fields = {}) {
  const response = await fetch(`${product.url}/oauth2/token`, {
    method: 'POST',
    headers: keypair ? { authorization: basic(keypair) } : {},
    body: new URLSearchParams({ grant_type: 'client_credentials', ...fields }),
  });
  return { status: response.status, headers: response.headers, body: await response.json() };
}

/** The access token itself; anything but success fails the test. */
export async function tokenFor(product, keypair, fields) {
  const { status, body } = await askForToken(product, keypair, fields);
  assert.equal(status, 200, JSON.stringify(body));
  assert.equal(body.token_type.toLowerCase(), 'bearer');
  return body.access_token;
}

export async function api(product, token, path, { method = 'GET', json, headers = {}, body } = {}) {
  const response = await fetch(product.url + path, {
    method,
    headers: {
      ...(token ? { authorization: `Bearer ${token}` } : {}),
      ...(json === undefined ? {} : { 'content-type': 'application/json' }),
      ...headers,
    },
    body: json === undefined ? body : JSON.stringify(json),
  });
  const text = await response.text();
  const isJson = /json/.test(response.headers.get('content-type') ?? '');
  return { status: response.status, headers: response.headers, text, body: isJson ? JSON.parse(text) : text };
}

export async function assertWorks(product, token) {
  const access = await api(product, token, '/v1/access');
  assert.equal(access.status, 200, access.text);
  return access.body;
}

export async function assertDead(product, token) {
  const { status, headers, text } = await api(product, token, '/v1/access');
  assert.equal(status, 401, text);
  assert.match(headers.get('www-authenticate'), /^Bearer\b.*\berror="invalid_token"/);
}

/** A change made by another process is to bite here within a second of its answer. */
export async function assertDeadWithinASecond(product, token) {
  await until('the token to stop', 1_000, async () => {
    const { status, text } = await api(product, token, '/v1/access');
    assert.ok(status === 200 || status === 401, `${status} ${text}`);
    return status === 401;
  });
  await assertDead(product, token);
}

/** A keypair that another process has just enabled. */
export async function tokenWithinASecond(product, keypair) {
  await until('the keypair to be enabled', 1_000, async () => (await askForToken(product, keypair)).status === 200);
  return tokenFor(product, keypair);
}

export async function assertInvalidClient(product, keypair) {
  const { status, headers, body } = await askForToken(product, keypair);
  assert.equal(status, 401, JSON.stringify(body));
  assert.equal(body.error, 'invalid_client');
  assert.match(headers.get('www-authenticate'), /^Basic\b/);
  assert.equal(headers.get('cache-control'), 'no-store');
}
