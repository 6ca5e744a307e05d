// A rotation that finishes itself, in the time that it takes: a minute of idleness, and what nodes wait for each other.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { api, assertDeadWithinASecond, assertInvalidClient, assertWorks, tokenFor, tokenWithinASecond } from '../program.mjs';
import { Product, until } from '../product.mjs';

/** Between two uses of a token that is in use. */
const PAUSE = 500;

test('an old secret ends by itself once nobody uses it, and one in use stays', async (t) => {
  const product = await Product.start(t);
  const environment = await product.environment(await product.account('Acme'), 'Production');
  const admin = await tokenFor(product, await product.keypair(environment, ['feedback-admin'], 'Administrator'));
  const rotated = async (comment) => {
    const old = await product.keypair(environment, ['feedback-report:read'], comment);
    const token = await tokenFor(product, old);
    const fresh = await product.operate('key', 'rotate', old.id, '--when-idle', '60s');
    const next = await tokenWithinASecond(product, fresh);
    const path = `/v1/environments/${environment.id}/api-keys/${old.id}`;
    const secrets = async () => (await api(product, admin, path)).body.secrets;
    assert.deepEqual((await secrets()).map((secret) => secret.retire_when_idle_seconds), [60, null]);
    return { old, token, next, secrets };
  };
  const [idle, busy] = [await rotated('Idle'), await rotated('In use')];
  await assertWorks(product, idle.token);
  const began = performance.now();
  await until('the idle secret to end', 180_000, async () => {
    await assertWorks(product, busy.token);
    await pause(PAUSE);
    return (await idle.secrets()).length === 1;
  });
  assert.ok(performance.now() - began > 60_000, 'it was not idle for as long as was said');
  await assertDeadWithinASecond(product, idle.token);
  await assertInvalidClient(product, idle.old);
  await assertWorks(product, idle.next);
  await assertWorks(product, busy.token);
  await tokenFor(product, busy.old);
  assert.equal((await busy.secrets()).length, 2);

  const log = await api(product, admin, `/v1/environments/${environment.id}/audit-events`);
  const lines = log.body.items.filter(({ action }) => action === 'keypair.secret_retired');
  assert.deepEqual(lines.map(({ object, actor }) => [object.id, actor.type]), [[idle.old.id, 'operator']]);
});
