import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Cluster, Nodes } from '../nodes.mjs';
import { Product } from '../product.mjs';
import { EMBEDDED, SCENARIOS, administration, bound, everythingWorks, round } from './revocation.mjs';

async function hold(t, nodes, scenarios) {
  const administer = await administration(nodes.A);
  for (const [n, scenario] of scenarios.entries()) {
    await t.test(scenario.name, async (t) => {
      await scenario.set?.(nodes);
      const served = await round(nodes, administer, scenario, n);
      t.diagnostic(JSON.stringify(served));
      for (const name of nodes.names) {
        const { start } = served[name];
        assert.ok(start <= bound(scenario, name), `${name} served what was asked ${start} ms after the answer`);
      }
      await scenario.unset?.(nodes);
      await everythingWorks(nodes, administer);
    });
  }
}

test('no fault of a node, its link, its clock or the database keeps an old token alive', async (t) => {
  await hold(t, await Nodes.start(t, await Cluster.start(t)), SCENARIOS);
});

test('nor does the embedded store', async (t) => {
  await hold(t, { names: ['A'], A: await Product.start(t) }, EMBEDDED);
});
