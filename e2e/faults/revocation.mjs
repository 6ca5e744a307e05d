// What is measured: how long after "disabled" was answered an old token is still served, by which node, under which fault.
import assert from 'node:assert/strict';
import { setTimeout as pause } from 'node:timers/promises';
import { api, assertDead, assertWorks, tokenFor } from '../program.mjs';
import { SCOPES, until } from '../product.mjs';
import { Callers } from '../callers.mjs';

/** How many programs call, spread over the nodes. */
const CALLERS = 64;

/** How long is looked on after the answer, at least: longer than the second that is promised. */
const WATCHED = 1_300;

/** How long everything may take to work again once a fault is over. */
const RECOVERED = 8_000;

/** The ways in which a token stops: what the administrator asks, and what its holder then hears. */
const WAYS = {
  disabled: { method: 'PATCH', json: { enabled: false }, heard: 401 },
  removed: { method: 'DELETE', heard: 401 },
  narrowed: { method: 'PATCH', json: { scopes: ['feedback-responses:create'] }, heard: 403, below: '/queries' },
  closed: { method: 'POST', of: 'environment', heard: 401 },
};

const nothing = () => {};

/**
 * The scenarios. `way` is how the token stops; `before` happens just before the administrator asks for it, `after` just
 * after the answer, and `over` ends the fault. `n` is the number of the round. `set` and `unset` surround all rounds.
 */
export const SCENARIOS = [
  { name: 'nothing wrong: disabled' },
  { name: 'nothing wrong: removed', way: 'removed' },
  { name: 'nothing wrong: scope taken away', way: 'narrowed' },
  { name: 'nothing wrong: environment closed', way: 'closed' },
  {
    name: 'B cut from the database',
    before: ({ links }) => links.B.cut(),
    over: ({ links }) => links.B.pass(),
  },
  {
    name: "B's link frozen",
    before: ({ links }) => links.B.freeze(),
    // What was held back arrives at a different moment each time, also just before and after memory stops to count.
    after: async ({ links }, n) => {
      await pause([750, 250, 1250, 850, 500, 1000][n % 6]);
      links.B.pass();
    },
  },
  ...[150, 300, 900].map((milliseconds) => ({
    name: `B's link delayed by ${milliseconds} ms`,
    before: async ({ links }, n) => {
      links.B.delay(milliseconds);
      await pause([0, 600, 200, 400][n % 4]);
    },
    over: ({ links }) => links.B.pass(),
  })),
  {
    name: 'PostgreSQL restarted after the answer',
    after: ({ cluster }) => cluster.restart(),
  },
  {
    name: 'PostgreSQL killed after the answer',
    after: ({ cluster }) => cluster.kill(),
    over: ({ cluster }) => cluster.restart(),
  },
  ...[60, -60].map((seconds) => ({
    name: `B's clock 60 s ${seconds > 0 ? 'ahead' : 'behind'}`,
    set: (nodes) => nodes.setClock(nodes.B, seconds),
    unset: (nodes) => nodes.setClock(nodes.B, 0),
  })),
  {
    name: 'A killed after the answer',
    after: ({ A }) => A.stop('SIGKILL'),
    over: ({ A }) => A.serve(),
  },
  {
    name: 'B standing still for 3 s',
    before: ({ B }) => B.process.kill('SIGSTOP'),
    after: async ({ B }) => {
      await pause(3_000);
      B.process.kill('SIGCONT');
    },
  },
];

/** An account, and a token that administers it. */
export async function administration(node) {
  const account = await node.account('Acme');
  const token = await tokenFor(node, await node.keypair(account, SCOPES, 'administrator'));
  return async (path, request) => {
    const answer = await api(node, token, path, request);
    assert.ok(answer.status < 300, `${path}: ${answer.status} ${answer.text}`);
    return answer.body;
  };
}

/** A new environment and a keypair of it. */
async function customer(administer) {
  const environment = await administer('/v1/environments', { method: 'POST', json: { name: 'Production' } });
  const path = `/v1/environments/${environment.id}`;
  const json = { comment: 'caller', scopes: ['feedback-queries:create', 'feedback-responses:create'] };
  const keypair = await administer(`${path}/api-keys`, { method: 'POST', json });
  return { path, keypair };
}

/**
 * A round of a scenario. For each node, by name: how many milliseconds after the answer the last call with an old token
 * was started (`start`) that got data, and the last one ended (`end`); 0 if none.
 */
export async function round(nodes, administer, scenario, n) {
  const { way = 'disabled', before = nothing, after = nothing, over = nothing } = scenario;
  const { heard, below = '', of, ...change } = WAYS[way];
  const { path, keypair } = await customer(administer);
  const names = ['A', 'B', 'C'];
  const callers = {};
  const tokens = {};
  for (const [i, name] of names.entries()) {
    // Each node serves what another one has issued.
    const issuer = nodes[names[(i + 1) % names.length]];
    const count = Math.floor((CALLERS + i) / names.length);
    tokens[name] = await Promise.all(Array.from({ length: count }, () => tokenFor(issuer, keypair)));
    callers[name] = new Callers(nodes[name], tokens[name], path + below);
  }
  const everybodyHears = (status) => names.every((name) => callers[name].allHear(status));
  try {
    await until('everybody to be served', 10_000, () => everybodyHears(200));
    await before(nodes, n);
    await administer(of ? `${path}/close` : `${path}/api-keys/${keypair.id}`, change);
    const answered = performance.now();
    await Promise.all([pause(WATCHED), after(nodes, n)]);
    await over(nodes, n);
    const healed = performance.now();
    await until(`all to be refused: ${scenario.name}`, RECOVERED, () => everybodyHears(heard));
    const recovered = performance.now() - healed;
    const result = { recovered };
    for (const name of names) {
      const served = callers[name].calls.filter(({ status }) => status === 200);
      const last = (when) => Math.max(0, ...served.map((call) => call[when] - answered));
      const refused = callers[name].calls.filter(({ status }) => status === 503).length;
      result[name] = { start: last('start'), end: last('end'), calls: callers[name].calls.length, refused };
    }
    return result;
  } finally {
    await Promise.all(names.map((name) => callers[name].stop()));
  }
}

/** That all nodes work, with a keypair that was not there before, and know what was stopped. */
export async function everythingWorks(nodes, administer) {
  const { keypair } = await customer(administer);
  for (const issuer of nodes.all) {
    const token = await tokenFor(issuer, keypair);
    for (const node of nodes.all) await assertWorks(node, token);
  }
}
