import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { access } from 'node:fs/promises';
import { test } from 'node:test';
import { apiManagementPath } from '../api-management.mjs';
import { openBrowser, Visitor } from '../browser.mjs';
import { BINARY, Product, freePort, until } from '../product.mjs';

test('the demo prints what can be pasted, and shows a product in use', async (t) => {
  const port = await freePort();
  const demo = spawn(BINARY, ['demo', '--listen', `127.0.0.1:${port}`], {
    env: Product.environment(),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  t.after(() => demo.kill('SIGKILL'));
  let paper = '';
  let complaints = '';
  demo.stdout.setEncoding('utf8').on('data', (text) => (paper += text));
  demo.stderr.setEncoding('utf8').on('data', (text) => (complaints += text));
  const ended = new Promise((resolve) => demo.on('close', (code, signal) => resolve({ code, signal })));
  await until('the demo to be told', 120_000, () => {
    assert.equal(demo.exitCode, null, paper + complaints);
    return paper.includes('Serving until');
  });

  await t.test('pasted as a whole, every command works', async () => {
    const bash = spawn('bash', ['-euo', 'pipefail'], { env: Product.environment(), stdio: ['pipe', 'pipe', 'pipe'] });
    let out = '';
    let err = '';
    bash.stdout.setEncoding('utf8').on('data', (text) => (out += text));
    bash.stderr.setEncoding('utf8').on('data', (text) => (err += text));
    bash.stdin.end(paper);
    const code = await new Promise((resolve) => bash.on('close', resolve));
    assert.equal(code, 0, out + err);
    assert.equal(err, '');
    assert.match(out, /"access_token"/);
    assert.match(out, /"key_id"/);
    assert.match(out, /"average_score"/);
    // Sent before, when the demo was told.
    assert.match(out, /"duplicates": ?1/);
    assert.match(out, /^HTTP\/1\.1 401/m);
    assert.deepEqual(out.match(/^\d{3}$/gm), ['401', '200']);
  });

  await t.test('the printed people can sign in', async (t) => {
    const product = { url: `http://127.0.0.1:${port}` };
    const browser = await openBrowser(t);
    const people = [...paper.matchAll(/^# (\S+@\S+) {2,}(.+?) {2,}(administrator|author|reader) on /gm)];
    assert.ok(people.length >= 3, paper);
    const roles = new Set();
    const environment = { id: paper.match(/\benv_[0-9a-z]{26}\b/)[0] };
    for (const [, email, password, role] of people) {
      roles.add(role);
      const visitor = await (await Visitor.arrive(t, browser, product)).signIn(email, password);
      if (role === 'administrator') await visitor.open(apiManagementPath(environment));
    }
    assert.equal(roles.size, 3);
  });

  await t.test('ctrl-c ends it and leaves nothing', async () => {
    const folder = paper.match(/--data (\S*feedback-demo-\S+)/)[1];
    await access(folder);
    demo.kill('SIGINT');
    assert.deepEqual(await ended, { code: 0, signal: null });
    await assert.rejects(access(folder), { code: 'ENOENT' });
    assert.equal(complaints, '');
  });
});
