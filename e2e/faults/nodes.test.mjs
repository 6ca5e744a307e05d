// Several nodes on one database: how they start, what they say while they can't reach it, and beside a newer version.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { Link } from '../link.mjs';
import { Cluster, Nodes } from '../nodes.mjs';
import { BINARY, Product, freePort, until } from '../product.mjs';
import { api, assertDead, assertDeadWithinASecond, assertWorks, basic, tokenFor } from '../program.mjs';
import { administration, everythingWorks } from './revocation.mjs';

const readiness = (node) => fetch(`${node.url}/readyz`).then(({ status }) => status);

test('nodes on one database', async (t) => {
  const cluster = await Cluster.start(t);

  await t.test('three that start at the same moment on an empty one are one installation', async (t) => {
    for (const database of ['first', 'second']) {
      await t.test(database, async (t) => {
        const nodes = await Nodes.start(t, cluster, database);
        const keys = await Promise.all(
          nodes.names.map((name) => fetch(`${nodes[name].url}/oauth2/jwks`).then((answer) => answer.json())),
        );
        assert.equal(keys[0].keys.length, 1);
        for (const others of keys) assert.deepEqual(others, keys[0]);
        await everythingWorks(nodes, await administration(nodes.B));
        assert.equal((await nodes.C.operate('check')).ok, true);
      });
    }
  });

  await t.test('a start with a wrong database ends with one line that says why', (t) =>
    startsWithAWrongDatabase(t, cluster),
  );

  const nodes = await Nodes.start(t, cluster);
  const { A, B, C, links } = nodes;
  const administer = await administration(A);

  await t.test('one that does not reach it says so, refuses, and recovers by itself', async () => {
    const account = await A.account('Beta');
    const keypair = await A.keypair(await A.environment(account, 'Production'), ['feedback-report:read'], 'reader');
    const token = await tokenFor(A, keypair);
    const status = (node) => api(node, token, '/v1/access').then((answer) => answer.status);
    for (const fail of ['cut', 'freeze']) {
      await assertWorks(B, token);
      links.B[fail]();
      await until(`${fail}: B to refuse`, 5_000, async () => (await status(B)) === 503);
      assert.equal(await readiness(B), 503, fail);
      assert.equal((await fetch(`${B.url}/healthz`)).status, 200, fail);
      for (const other of [A, C]) {
        assert.equal(await readiness(other), 200, fail);
        await assertWorks(other, token);
      }
      links.B.pass();
      await until(`${fail}: B to be ready again`, 5_000, async () => (await readiness(B)) === 200);
      await until(`${fail}: B to serve again`, 5_000, async () => (await status(B)) === 200);
    }
  });

  await t.test('a token that its keypair revokes through one stops on all within a second, alone', async () => {
    const { id } = await administer('/v1/environments', { method: 'POST', json: { name: 'Production' } });
    const json = { comment: 'revokes', scopes: ['feedback-report:read'] };
    const keypair = await administer(`/v1/environments/${id}/api-keys`, { method: 'POST', json });
    const [token, other] = [await tokenFor(B, keypair), await tokenFor(C, keypair)];
    for (const name of nodes.names) await assertWorks(nodes[name], token);
    const body = new URLSearchParams({ token });
    const headers = { authorization: basic(keypair) };
    const { status } = await fetch(`${A.url}/oauth2/revoke`, { method: 'POST', headers, body });
    assert.equal(status, 200);
    await assertDead(A, token);
    await Promise.all(nodes.names.map((name) => assertDeadWithinASecond(nodes[name], token)));
    for (const name of nodes.names) await assertWorks(nodes[name], other);
  });

  await t.test('nodes of this version go on beside a newer one, which it has changed for', async () => {
    const environment = await administer('/v1/environments', { method: 'POST', json: { name: 'Production' } });
    const path = `/v1/environments/${environment.id}`;
    const make = async (comment) => {
      const json = { comment, scopes: ['feedback-admin'] };
      const keypair = await administer(`${path}/api-keys`, { method: 'POST', json });
      return { keypair, token: await tokenFor(B, keypair) };
    };
    const [stopped, other] = [await make('stopped by the newer version'), await make('other')];
    for (const name of nodes.names) {
      for (const { token } of [stopped, other]) await assertWorks(nodes[name], token);
      assert.equal((await api(nodes[name], other.token, `${path}/api-keys`)).body.items.length, 2);
    }
    // What a newer version may do: a step of the schema, and an act that this one does not know.
    await cluster.sql(
      `BEGIN;
       INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
         VALUES (9999, 'newer', true, 'x', 0);
       ALTER TABLE keypair ADD COLUMN newer TEXT NOT NULL DEFAULT 'newer';
       ALTER TABLE environment ADD COLUMN newer TEXT;
       SELECT pg_advisory_xact_lock(1180855089);
       UPDATE keypair SET enabled = false, generation = generation + 1, version = version + 1
         WHERE id = '${stopped.keypair.id}';
       INSERT INTO audit_event (sequence, id, at, actor_kind, actor_name, action, object_kind, object_id, owner_id,
           before, after, previous_hash, hash)
         SELECT sequence + 1, 'evt_7zzzzzzzzzzzzzzzzzzzzzzzzz', at, 'operator', 'operator', 'keypair.frozen',
           'something', 'new', '${environment.id}', 'null', 'null', hash, hash
         FROM audit_event ORDER BY sequence DESC LIMIT 1;
       COMMIT`,
      'feedback',
    );
    await Promise.all(nodes.names.map((name) => assertDeadWithinASecond(nodes[name], stopped.token)));
    for (const name of nodes.names) {
      await assertWorks(nodes[name], other.token);
      assert.equal((await api(nodes[name], other.token, `${path}/api-keys`)).body.items.length, 2);
      assert.equal((await api(nodes[name], other.token, `${path}/audit-events`)).status, 200);
    }
    const made = await make('made beside it');
    await administer(`${path}/api-keys/${made.keypair.id}`, { method: 'PATCH', json: { enabled: false } });
    await assertDead(A, made.token);
    await Promise.all(nodes.names.map((name) => assertDeadWithinASecond(nodes[name], made.token)));

    const { code, lines } = await refusal(t, cluster.database('feedback'));
    assert.equal(code, 1);
    assert.match(lines.join(), /newer/);
    assert.equal(lines.length, 1, lines.join('\n'));
  });
});

async function startsWithAWrongDatabase(t, cluster) {
  const silent = await Link.open(Number(cluster.url.port));
  t.after(() => silent.close());
  silent.freeze();
  const { password } = cluster.url;
  const url = (change) => {
    const url = new URL(cluster.database('postgres'));
    change(url);
    return url.href;
  };
  const nobody = await freePort();
  const cases = [
    ['nobody listens', url((url) => (url.port = nobody)), /refused/i],
    ['nobody answers', cluster.database('postgres', silent), /did not answer/],
    ['a wrong password', url((url) => (url.password = 'a-wrong-one')), /password authentication failed/],
    ['no such database', cluster.database('elsewhere'), /"elsewhere" does not exist/],
    ['no such host', url((url) => (url.host = 'database.invalid')), /database\.invalid/],
    ['not a URL of a database', 'mysql://localhost/feedback', /postgres:\/\//],
  ];
  await Promise.all(
    cases.map(async ([what, url, why]) => {
      const { code, lines } = await refusal(t, url);
      assert.equal(code, 1, what);
      assert.equal(lines.length, 1, `${what}:\n${lines.join('\n')}`);
      assert.match(lines[0], why, what);
      assert.ok(!lines[0].includes(password) && !lines[0].includes('a-wrong-one'), `${what}: ${lines[0]}`);
    }),
  );
}

/** Starts a server that is expected to refuse: how it ends, and the lines that it writes to standard error. */
async function refusal(t, databaseUrl) {
  const data = await mkdtemp(join(tmpdir(), 'feedback-e2e-'));
  t.after(() => rm(data, { recursive: true }));
  const port = await freePort();
  const words = ['serve', '--data', data, '--listen', `127.0.0.1:${port}`, '--database-url', databaseUrl];
  const server = spawn(BINARY, words, {
    env: Product.environment(),
    stdio: ['ignore', 'ignore', 'pipe'],
    timeout: 30_000,
  });
  let written = '';
  server.stderr.setEncoding('utf8').on('data', (text) => (written += text));
  const code = await new Promise((resolve) => server.on('close', (code, signal) => resolve(code ?? signal)));
  return { code, lines: written.split('\n').filter(Boolean) };
}
