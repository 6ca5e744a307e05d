// Whoever has found a Key Secret reports it by a program, without any right.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { api, assertDead, assertInvalidClient, assertWorks, tokenFor } from '../program.mjs';
import { Product } from '../product.mjs';

test('a Key Secret that was found is reported by a program', async (t) => {
  const product = await Product.start(t);
  const environment = await product.environment(await product.account('Acme'), 'Production');
  const [keypair, other] = [
    await product.keypair(environment, ['feedback-report:read'], 'Found'),
    await product.keypair(environment, ['feedback-admin'], 'Other'),
  ];
  const [token, administrator] = [await tokenFor(product, keypair), await tokenFor(product, other)];
  await assertWorks(product, token);
  const report = (secret) => api(product, null, '/v1/leaked-secrets', { method: 'POST', json: { secret } });

  const answers = [];
  for (const secret of ['nonsense', `${keypair.secret.slice(0, -1)}_`, keypair.secret, keypair.secret]) {
    const began = performance.now();
    const { status, headers, text } = await report(secret);
    assert.ok(performance.now() - began > 240, 'the time tells something');
    const same = [...headers].filter(([name]) => !['x-request-id', 'date'].includes(name));
    answers.push(JSON.stringify({ status, text, headers: same }));
  }
  assert.equal(new Set(answers).size, 1, answers.join('\n'));
  assert.match(answers[0], /"status":202,"text":""/);
  await assertDead(product, token);
  await assertInvalidClient(product, keypair);
  await assertWorks(product, administrator);

  const log = await api(product, administrator, `/v1/environments/${environment.id}/audit-events`);
  const lines = log.body.items.filter(({ action }) => action === 'keypair.secret_leaked');
  assert.equal(lines.length, 1);
  assert.deepEqual([lines[0].actor.type, lines[0].address], ['anonymous', '127.0.0.1']);
  // A form of another site can't send it, and neither can a program send the page's.
  const form = (headers) =>
    api(product, null, '/leaked-secret', { method: 'POST', headers, body: new URLSearchParams({ secret: other.secret }) });
  for (const headers of [{ origin: 'https://other.example' }, { 'sec-fetch-site': 'cross-site' }]) {
    assert.equal((await form(headers)).status, 403);
  }
  await assertWorks(product, administrator);
  assert.match(product.log, /reported as leaked/);
});
