import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Cluster, Nodes } from '../nodes.mjs';
import { SCENARIOS, administration, everythingWorks, round } from './revocation.mjs';

test('no fault of a node, its link, its clock or the database keeps an old token alive', async (t) => {
  const nodes = await Nodes.start(t, await Cluster.start(t));
  const administer = await administration(nodes.A);
  for (const scenario of SCENARIOS) {
    await t.test(scenario.name, async (t) => {
      await scenario.set?.(nodes);
      for (const n of [0, 1]) {
        const result = await round(nodes, administer, scenario, n);
        t.diagnostic(JSON.stringify(result));
        assert.equal(result.A.start, 0, 'a request that started after the answer got data through A');
        for (const name of ['B', 'C']) {
          assert.ok(result[name].start <= 1_000, `${name} served for ${result[name].start} ms after the answer`);
        }
      }
      await scenario.unset?.(nodes);
      await everythingWorks(nodes, administer);
    });
  }
});
