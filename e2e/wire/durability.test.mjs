import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { api, assertDead, assertInvalidClient, assertWorks, tokenFor } from '../program.mjs';
import { Product, SCOPES, until } from '../product.mjs';
import { parse } from '../raw-http.mjs';

test('what was answered survives kill -9', async (t) => {
  const product = await Product.start(t);
  const account = await product.account('Acme');
  const environment = await product.environment(account, 'Production');
  const administrator = await product.keypair(account, SCOPES, 'administrator');
  const disabled = await product.keypair(environment, ['feedback-report:read'], 'to be disabled');
  const removed = await product.keypair(environment, ['feedback-report:read'], 'to be removed');
  const token = await tokenFor(product, administrator);
  const old = await tokenFor(product, disabled);
  const path = ({ id }) => `/v1/environments/${environment.id}/api-keys/${id}`;

  const { headers } = await api(product, token, path(disabled));
  assert.equal((await api(product, token, path(removed), { method: 'DELETE' })).status, 204);
  const batch = { responses: Array.from({ length: 50 }, (_, n) => ({ id: `r-${n}`, score: 1 + (n % 5) })) };
  const sent = { method: 'POST', json: batch };
  const responses = `/v1/environments/${environment.id}/responses`;
  assert.deepEqual((await api(product, token, responses, sent)).body, { accepted: 50, duplicates: 0 });
  const answer = await api(product, token, path(disabled), {
    method: 'PATCH',
    json: { enabled: false },
    headers: { 'if-match': headers.get('etag') },
  });
  const killed = await product.stop('SIGKILL');
  assert.equal(answer.status, 200, answer.text);
  assert.equal(killed.signal, 'SIGKILL');

  await product.serve();
  await assertInvalidClient(product, disabled);
  await assertInvalidClient(product, removed);
  await assertDead(product, old);
  // The signing key outlives the crash as well.
  await assertWorks(product, token);
  assert.equal((await api(product, token, path(disabled))).body.enabled, false);
  assert.deepEqual((await api(product, token, responses, sent)).body, { accepted: 0, duplicates: 50 });
});

test('SIGTERM lets a request that was begun finish, and takes no new one', async (t) => {
  const product = await Product.start(t);
  const environment = await product.environment(await product.account('Acme'), 'Production');
  const keypair = await product.keypair(environment, ['feedback-responses:create'], 'collector');
  const token = await tokenFor(product, keypair);
  const body = JSON.stringify({ responses: [{ score: 4 }] });

  const socket = connect(product.port, '127.0.0.1');
  t.after(() => socket.destroy());
  let received = '';
  socket.setEncoding('latin1').on('data', (text) => (received += text));
  const ended = new Promise((resolve, reject) => socket.on('end', resolve).on('error', reject));
  socket.write(
    [
      `POST /v1/environments/${environment.id}/responses HTTP/1.1`,
      `Host: 127.0.0.1:${product.port}`,
      `Authorization: Bearer ${token}`,
      'Content-Type: application/json',
      `Content-Length: ${body.length}`,
      'Expect: 100-continue',
      '\r\n',
    ].join('\r\n'),
  );
  // The server asks for the body: from here on the request is begun.
  await until('100 Continue', 10_000, () => received.startsWith('HTTP/1.1 100'));
  product.process.kill('SIGTERM');
  await until('new connections to be refused', 10_000, () =>
    fetch(`${product.url}/healthz`).then(() => false, () => true),
  );
  socket.write(body);
  await ended;
  const answer = parse(Buffer.from(received.replace(/^HTTP\/1\.1 100.*?\r\n\r\n/s, ''), 'latin1'));
  assert.ok(answer.status === 200 || answer.status === 201, received);
  assert.deepEqual(answer.body, { accepted: 1, duplicates: 0 });
  assert.deepEqual(await product.exited, { code: 0, signal: null });

  await product.serve();
  const [{ id }] = (await assertWorks(product, token)).environments;
  assert.equal(id, environment.id);
});

test('a backup taken beside the running server is a whole one', async (t) => {
  const product = await Product.start(t);
  const environment = await product.environment(await product.account('Acme'), 'Production');
  const kept = await product.keypair(environment, ['feedback-report:read'], 'kept');
  const disabled = await product.keypair(environment, ['feedback-report:read'], 'disabled');
  await product.operate('key', 'disable', disabled.id);
  await product.operate('check');
  const folder = await mkdtemp(join(tmpdir(), 'feedback-e2e-'));
  t.after(() => rm(folder, { recursive: true }));
  await product.operate('backup', join(folder, 'backup'));
  const { code } = await product.command(['restore', join(folder, 'backup'), '--json']);
  assert.notEqual(code, 0, 'restored over a store in use');

  const token = await tokenFor(product, kept);
  await product.operate('key', 'remove', kept.id, '--yes');
  await product.stop('SIGTERM');
  // The key that the signing keys are encrypted under is kept apart from the backup.
  for (const file of await readdir(product.data)) {
    if (file !== 'master.key') await rm(join(product.data, file), { recursive: true });
  }
  await product.operate('restore', join(folder, 'backup'));
  await product.operate('check');
  await product.serve();
  await assertWorks(product, await tokenFor(product, kept));
  // What a copy knows of generations is out of date, so no token from before counts.
  await assertDead(product, token);
  await assertInvalidClient(product, disabled);
});

test('who connects and says nothing is let go', async (t) => {
  const product = await Product.start(t);
  const silent = connect(product.port, '127.0.0.1');
  t.after(() => silent.destroy());
  const began = performance.now();
  const ended = new Promise((resolve) => silent.on('close', resolve).on('end', resolve).on('error', resolve));
  await Promise.race([
    ended,
    new Promise((_, reject) => setTimeout(reject, 90_000, new Error('still connected after 90 s')).unref()),
  ]);
  assert.ok(performance.now() - began > 1_000, 'a slow client gets its time');
});
