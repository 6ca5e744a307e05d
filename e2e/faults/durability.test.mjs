import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { Cluster, Nodes } from '../nodes.mjs';
import { SCOPES, until } from '../product.mjs';
import { api, assertInvalidClient, tokenFor } from '../program.mjs';

test('what was answered survives that nodes and PostgreSQL are killed in the middle of it', async (t) => {
  const cluster = await Cluster.start(t);
  const nodes = await Nodes.start(t, cluster);
  const { A, B, C } = nodes;
  const account = await A.account('Acme');
  const token = await tokenFor(A, await A.keypair(account, SCOPES, 'administrator'));
  const { id } = await A.environment(account, 'Production');
  const path = `/v1/environments/${id}`;

  const answered = { made: [], disabled: [], removed: [], batches: [] };
  let stopped = false;
  // Each step is noted once it was answered; whoever is not answered goes on with something new.
  const work = async (node, worker) => {
    for (let n = 0; !stopped; n += 1) {
      const ask = async (address, method, json) => {
        const answer = await api(node, token, path + address, { method, json });
        if (answer.status >= 300) throw new Error(`${answer.status} ${answer.text}`);
        return answer.body;
      };
      try {
        const batch = Array.from({ length: 20 }, (_, i) => ({ id: `${worker}-${n}-${i}`, score: 1 + (i % 5) }));
        await ask('/responses', 'POST', { responses: batch });
        answered.batches.push(batch);
        const keypair = await ask('/api-keys', 'POST', { comment: `${worker}-${n}`, scopes: ['feedback-report:read'] });
        answered.made.push(keypair);
        if (n % 3 === 0) continue;
        await ask(`/api-keys/${keypair.id}`, 'PATCH', { enabled: false });
        answered.disabled.push(keypair);
        if (n % 3 === 1) continue;
        await ask(`/api-keys/${keypair.id}`, 'DELETE');
        answered.removed.push(keypair);
      } catch {
        await pause(20);
      }
    }
  };
  const workers = nodes.names.flatMap((name) => [0, 1].map((n) => work(nodes[name], `${name}${n}`)));
  const more = (count) => {
    const enough = answered.made.length + count;
    return until('work to go on', 20_000, () => answered.made.length >= enough);
  };
  try {
    await more(20);
    await A.stop('SIGKILL');
    await more(10);
    await cluster.kill();
    await cluster.restart();
    await more(10);
    await A.serve();
    await more(10);
    await Promise.all([B.stop('SIGKILL'), C.stop('SIGKILL'), cluster.kill()]);
  } finally {
    stopped = true;
  }
  await Promise.all(workers);
  await cluster.restart();
  await Promise.all([B.serve(), C.serve()]);

  await until('A to recover', 8_000, async () => (await api(A, token, '/v1/access')).status === 200);
  const { disabled, removed, made, batches } = answered;
  assert.ok(disabled.length && removed.length && batches.length, JSON.stringify(answered));
  for (const keypair of made) {
    const { status, body } = await api(C, token, `${path}/api-keys/${keypair.id}`);
    if (removed.includes(keypair)) {
      assert.equal(status, 404, keypair.comment);
    } else if (status === 200) {
      assert.equal(body.comment, keypair.comment);
      if (disabled.includes(keypair)) assert.equal(body.enabled, false, keypair.comment);
    } else {
      // Its removal was under way and not answered, which may have happened or not.
      assert.equal(status, 404, keypair.comment);
      assert.ok(disabled.includes(keypair), `${keypair.comment} is gone`);
    }
  }
  await assertInvalidClient(B, disabled.at(-1));
  for (const responses of batches) {
    const { body } = await api(B, token, `${path}/responses`, { method: 'POST', json: { responses } });
    assert.deepEqual(body, { accepted: 0, duplicates: responses.length });
  }
  // The log has a line for each change, and its chain is whole.
  assert.deepEqual((await A.operate('check')).faults, []);
});
