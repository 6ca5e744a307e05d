// What is measured: how long after "disabled" was answered an old token is still served, by which node, under which fault.
import assert from 'node:assert/strict';
import { setTimeout as pause } from 'node:timers/promises';
import { api, assertWorks, tokenFor } from '../program.mjs';
import { SCOPES, until } from '../product.mjs';
import { Callers } from '../callers.mjs';

/** How many programs call, spread over the nodes. */
const CALLERS = 64;

/** How long is looked on after the answer, at least: longer than the second that is promised. */
const WATCHED = 1_300;

/** How long everything may take to work again once a fault is over. */
const RECOVERED = 8_000;

/**
 * The ways in which a token stops: how it is asked for, what the token's holder then hears, and at which address below the
 * environment's. `elsewhere` if it is no node that makes the change.
 */
const WAYS = {
  disabled: {
    ask: ({ administer, key }) => administer(key, { method: 'PATCH', json: { enabled: false } }),
    heard: 401,
  },
  removed: { ask: ({ administer, key }) => administer(key, { method: 'DELETE' }), heard: 401 },
  narrowed: {
    ask: ({ administer, key }) =>
      administer(key, { method: 'PATCH', json: { scopes: ['feedback-responses:create'] } }),
    heard: 403,
    below: '/queries',
  },
  closed: { ask: ({ administer, path }) => administer(`${path}/close`, { method: 'POST' }), heard: 401 },
  rotated: { ask: ({ nodes }) => nodes.A.operate('signing-key', 'rotate', '--now', '--yes'), heard: 401, elsewhere: true },
  operated: { ask: ({ nodes, keypair }) => nodes.A.operate('key', 'disable', keypair.id), heard: 401, elsewhere: true },
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
  { name: 'nothing wrong: disabled by the command line', way: 'operated' },
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
      await pause([1250, 750, 250, 850, 500, 1000][n % 6]);
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

/** The same of the embedded store, which serves one node. */
export const EMBEDDED = [
  { name: 'SQLite: disabled' },
  { name: 'SQLite: disabled by the command line', way: 'operated' },
];

/** How many milliseconds after the answer a call through that node may start, and still get data. */
export const bound = ({ way = 'disabled' }, name) => (name === 'A' && !WAYS[way].elsewhere ? 0 : 1_000);

/** Sends what the administrator of a new account asks to `node`. */
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
  return { path, keypair, key: `${path}/api-keys/${keypair.id}` };
}

/**
 * Round `n` of a scenario. For each node, by name: how many milliseconds after the answer the last call with an old
 * token was started that got data (`start`), and when the last one ended (`end`); 0 if none did after the answer. Fails
 * if the nodes do not recover by themselves, once the fault is over.
 */
export async function round(nodes, administer, scenario, n) {
  const { name, way = 'disabled', before = nothing, after = nothing, over = nothing } = scenario;
  const { ask, heard, below = '' } = WAYS[way];
  const { path, keypair, key } = await customer(administer);
  const callers = {};
  for (const [i, name] of nodes.names.entries()) {
    // Each node serves what another one has issued.
    const issuer = nodes[nodes.names[(i + 1) % nodes.names.length]];
    const count = Math.floor((CALLERS + i) / nodes.names.length);
    const tokens = await Promise.all(Array.from({ length: count }, () => tokenFor(issuer, keypair)));
    callers[name] = new Callers(nodes[name], tokens, path + below);
  }
  const everybodyHears = (status) => nodes.names.every((name) => callers[name].allHear(status));
  try {
    await until('everybody to be served', 10_000, () => everybodyHears(200));
    await before(nodes, n);
    await ask({ nodes, administer, path, keypair, key });
    const answered = performance.now();
    await Promise.all([pause(WATCHED), after(nodes, n)]);
    await over(nodes, n);
    await until(`everybody to be refused again (${name})`, RECOVERED, () => everybodyHears(heard));
    const last = (name, when) => {
      const served = callers[name].calls.filter(({ status }) => status === 200);
      return Math.max(0, ...served.map((call) => call[when] - answered));
    };
    return Object.fromEntries(
      nodes.names.map((name) => [name, { start: last(name, 'start'), end: last(name, 'end') }]),
    );
  } finally {
    await Promise.all(nodes.names.map((name) => callers[name].stop()));
  }
}

/** That every node serves, with a keypair that was not there before, what every other one issues. */
export async function everythingWorks(nodes, administer) {
  const { keypair } = await customer(administer);
  for (const issuer of nodes.names) {
    const token = await tokenFor(nodes[issuer], keypair);
    for (const name of nodes.names) await assertWorks(nodes[name], token);
  }
}
