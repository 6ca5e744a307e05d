// Keypairs that may only be used from some networks, behind a trusted proxy and without one.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { api, assertInvalidClient, assertWorks, basic, tokenFor } from '../program.mjs';
import { Product, until } from '../product.mjs';

const OFFICE = '192.0.2.0/24';
const ELSEWHERE = '198.51.100.7';

const from = (address) => ({ 'x-forwarded-for': address });

/** Asks for a token as if the proxy had passed it on. */
const exchange = (product, keypair, headers) =>
  api(product, null, '/oauth2/token', {
    method: 'POST',
    headers: { authorization: basic(keypair), ...headers },
    body: new URLSearchParams({ grant_type: 'client_credentials' }),
  });

async function start(t, variables) {
  const product = await Product.start(t, [], { variables });
  const environment = await product.environment(await product.account('Acme'), 'Production');
  const keypair = (...networks) => {
    const words = ['--owner', environment.id, '--scope', 'feedback-report:read', '--allow-from', networks.join(' ')];
    return product.operate('key', 'create', ...words);
  };
  return { product, keypair };
}

test('behind a trusted proxy, a keypair and its tokens work from its networks alone', async (t) => {
  const { product, keypair } = await start(t, { FEEDBACK_TRUSTED_PROXIES: '127.0.0.1' });
  const office = await keypair(OFFICE, '2001:db8::/32');
  assert.deepEqual(office.allowed_addresses, [OFFICE, '2001:db8::/32']);
  const { status, body } = await exchange(product, office, from('192.0.2.9'));
  assert.equal(status, 200, JSON.stringify(body));
  const token = body.access_token;
  const access = (address) => api(product, token, '/v1/access', { headers: from(address) });
  for (const inside of ['192.0.2.1', '2001:db8::1', `${ELSEWHERE}, 192.0.2.255`, '::ffff:192.0.2.1']) {
    assert.equal((await access(inside)).status, 200, inside);
    assert.equal((await exchange(product, office, from(inside))).status, 200, inside);
  }
  const wrong = await exchange(product, { ...office, secret: 'fbs_wrong' }, from('192.0.2.9'));
  for (const outside of [ELSEWHERE, '2001:db9::1', `192.0.2.1, ${ELSEWHERE}`]) {
    const refused = await access(outside);
    assert.equal(refused.status, 401, outside);
    assert.match(refused.headers.get('www-authenticate'), /^Bearer .*error="invalid_token"/);
    const began = performance.now();
    const client = await exchange(product, office, from(outside));
    assert.ok(performance.now() - began > 24, 'the time tells something');
    assert.deepEqual([client.status, client.text], [wrong.status, wrong.text]);
  }

  // Another list holds for tokens from before, on a server that did not change it.
  await product.operate('key', 'edit', office.id, '--allow-from', ELSEWHERE);
  await until('the narrower list to be heard of', 1_000, async () => (await access('192.0.2.1')).status === 401);
  assert.equal((await access(ELSEWHERE)).status, 200);
  await product.operate('key', 'edit', office.id, '--allow-from', 'anywhere');
  await until('the list to be gone', 1_000, async () => (await access('203.0.113.1')).status === 200);
});

test('without a trusted proxy, nobody’s word for an address is taken', async (t) => {
  const { product, keypair } = await start(t, {});
  const [here, office] = [await keypair('127.0.0.0/8'), await keypair(OFFICE)];
  await assertWorks(product, await tokenFor(product, here));
  assert.equal((await exchange(product, here, from(ELSEWHERE))).status, 200);
  await assertInvalidClient(product, office);
  for (const forged of [from('192.0.2.1'), { 'x-real-ip': '192.0.2.1' }, { forwarded: 'for=192.0.2.1' }]) {
    assert.equal((await exchange(product, office, forged)).status, 401, JSON.stringify(forged));
  }
});
