// What a resource server sees of a token, and a program that gives one up: introspection and revocation by real HTTP.
import assert from 'node:assert/strict';
import { createPublicKey, verify } from 'node:crypto';
import { test } from 'node:test';
import { api, assertDead, assertDeadWithinASecond, assertWorks, basic, tokenFor } from '../program.mjs';
import { ENVIRONMENT_SCOPES, Product, until } from '../product.mjs';

/** Posts a form about `token` to `path`, as `keypair`. */
async function about(product, path, keypair, token, headers = {}) {
  const response = await fetch(product.url + path, {
    method: 'POST',
    headers: { authorization: basic(keypair), ...headers },
    body: new URLSearchParams({ token }),
  });
  assert.equal(response.headers.get('cache-control'), 'no-store');
  return { status: response.status, headers: response.headers, text: await response.text() };
}

const revoke = (product, keypair, token) => about(product, '/oauth2/revoke', keypair, token);

async function introspect(product, keypair, token) {
  const { status, text } = await about(product, '/oauth2/introspect', keypair, token);
  assert.equal(status, 200, text);
  return JSON.parse(text);
}

test('a token is asked about and given up', async (t) => {
  const product = await Product.start(t);
  const account = await product.account('Acme');
  const environment = await product.environment(account, 'Production');
  const keypair = await product.keypair(environment, ENVIRONMENT_SCOPES.slice(0, 2), 'Nightly export');
  const stranger = await product.keypair(await product.account('Globex'), ['feedback-report:read'], 'Stranger');
  const resourceServer = await product.keypair(account, ['feedback-report:read'], 'Resource server');
  const [token, other] = [await tokenFor(product, keypair), await tokenFor(product, keypair)];

  await t.test('by the addresses that the metadata names', async () => {
    const { body } = await api(product, null, '/.well-known/oauth-authorization-server');
    assert.equal(body.revocation_endpoint, `${product.url}/oauth2/revoke`);
    assert.equal(body.introspection_endpoint, `${product.url}/oauth2/introspect`);
    assert.deepEqual(body.introspection_signing_alg_values_supported, ['ES256']);
  });

  await t.test('to its own keypair it is what it says, to others nothing', async () => {
    const [, claims] = token.split('.').map((part, n) => n < 2 && JSON.parse(Buffer.from(part, 'base64url')));
    const { gen, sec, ...said } = claims;
    assert.deepEqual(await introspect(product, keypair, token), { active: true, token_type: 'Bearer', ...said });
    for (const asking of [stranger, resourceServer]) {
      assert.deepEqual(await introspect(product, asking, token), { active: false });
    }
  });

  await t.test('a resource server that the operator names sees all, also signed', async () => {
    product.variables = { FEEDBACK_RESOURCE_SERVERS: `${resourceServer.id}, ${stranger.id}` };
    await product.stop('SIGTERM');
    await product.serve();
    const seen = await introspect(product, resourceServer, token);
    assert.equal(seen.active, true);
    assert.equal(seen.client_id, keypair.id);
    assert.deepEqual(await introspect(product, stranger, token), seen);

    const type = 'application/token-introspection+jwt';
    const answer = await about(product, '/oauth2/introspect', resourceServer, token, { accept: type });
    assert.equal(answer.status, 200, answer.text);
    assert.equal(answer.headers.get('content-type'), type);
    const [header, claims, signature] = answer.text.split('.');
    const decoded = (part) => JSON.parse(Buffer.from(part, 'base64url'));
    assert.equal(decoded(header).typ, 'token-introspection+jwt');
    const { keys } = (await api(product, null, '/oauth2/jwks')).body;
    const key = createPublicKey({ key: keys.find(({ kid }) => kid === decoded(header).kid), format: 'jwk' });
    const message = Buffer.from(`${header}.${claims}`);
    const signed = { key, dsaEncoding: 'ieee-p1363' };
    assert.ok(verify('sha256', message, signed, Buffer.from(signature, 'base64url')), 'the signature');
    const { iss, aud, token_introspection: inside } = decoded(claims);
    assert.deepEqual({ iss, aud, inside }, { iss: product.url, aud: resourceServer.id, inside: seen });
    await assertDead(product, answer.text);
  });

  await t.test('nobody else can revoke it, a resource server neither', async () => {
    for (const asking of [stranger, resourceServer, { ...keypair, secret: stranger.secret }]) {
      const { status } = await revoke(product, asking, token);
      assert.equal(status, asking.id === keypair.id ? 401 : 200);
    }
    await assertWorks(product, token);
  });

  await t.test('its keypair can: it stops at once, and the other one goes on', async () => {
    for (let times = 0; times < 2; times += 1) {
      const { status, text } = await revoke(product, keypair, token);
      assert.deepEqual({ status, text }, { status: 200, text: '' });
      await assertDead(product, token);
    }
    for (const asking of [keypair, resourceServer]) {
      assert.deepEqual(await introspect(product, asking, token), { active: false });
    }
    await assertWorks(product, other);
    assert.equal((await introspect(product, keypair, other)).active, true);
  });

  await t.test('it stays revoked after a restart', async () => {
    await product.stop('SIGKILL');
    await product.serve();
    await assertDead(product, token);
    await assertWorks(product, other);
  });

  await t.test('disabled by the command line, it is inactive within a second', async () => {
    await product.operate('key', 'disable', keypair.id);
    const inactive = async () => !(await introspect(product, resourceServer, other)).active;
    await until('the token to be inactive', 1_000, inactive);
    await assertDeadWithinASecond(product, other);
  });
});
