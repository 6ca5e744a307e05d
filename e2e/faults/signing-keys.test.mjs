import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Cluster, Nodes } from '../nodes.mjs';
import { SCENARIOS, administration, bound, everythingWorks, round } from './revocation.mjs';

test('no fault keeps a token alive once its signing key was removed', async (t) => {
  const nodes = await Nodes.start(t, await Cluster.start(t));
  for (const [n, { name, ...fault }] of SCENARIOS.filter(({ way }) => !way).entries()) {
    const scenario = { ...fault, name: name.replace('disabled', 'signing keys removed'), way: 'rotated' };
    await t.test(scenario.name, async (t) => {
      await scenario.set?.(nodes);
      // The administrator's own token ends with the others.
      const served = await round(nodes, await administration(nodes.A), scenario, n);
      t.diagnostic(JSON.stringify(served));
      for (const node of nodes.names) {
        const { start } = served[node];
        assert.ok(start <= bound(scenario, node), `${node} served what was asked ${start} ms after the answer`);
      }
      await scenario.unset?.(nodes);
      await everythingWorks(nodes, await administration(nodes.A));
    });
  }
});
