// The whole life of a keypair through one library, for each way of authenticating that it has. All that differs between
// libraries is how they are called; what has to come of it is the same.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { api, assertWorks, tokenFor } from '../program.mjs';
import { Product, SCOPES } from '../product.mjs';

const [READ, , SUBMIT, ADMIN] = SCOPES;

/** The program of the libraries in Rust. */
export const RUST_CLIENTS =
  process.env.E2E_RUST_CLIENTS ??
  fileURLToPath(new URL('../../target/clients/debug/rust-clients', import.meta.url));

/**
 * Walks the life. `connect` gets the product and answers with what the library does:
 * - `token({method, id, secret, key, scope})`: `{token}`, or `{error}` with the code that the library was told. `key` is
 *   the private half, as a JWK; without `scope` none is asked for
 * - `get(who, token, path)`: the status of a request with the token; left out where the library makes none
 * - `introspect(who, token)`: `{active}`; `revoke(who, token)`; each left out where the library has it not
 */
export function life(library, methods, connect) {
  test(`${library} walks the life of a keypair`, async (t) => {
    const product = await Product.start(t);
    const account = await product.account('Acme');
    const environment = await product.environment(account, 'Production');
    const admin = await tokenFor(product, await product.keypair(account, SCOPES, 'Administers'));
    const client = await connect(product, t);
    for (const method of methods) {
      await t.test(method, () => new Life(product, environment, admin, client, method).walk());
    }
  });
}

class Life {
  constructor(product, environment, admin, client, method) {
    Object.assign(this, { product, environment, admin, client, method });
    this.keypairs = `/v1/environments/${environment.id}/api-keys`;
  }

  async walk() {
    await this.isMade();
    await this.isNarrowedByTheProgram();
    await this.asksAboutItsTokens();
    await this.isDisabledAndEnabled();
    await this.isRotated();
    await this.isNarrowedByTheAdministrator();
    await this.isRemoved();
  }

  async isMade() {
    const made = await this.administer('POST', this.keypairs, { comment: this.method, scopes: [READ, SUBMIT] });
    this.path = `${this.keypairs}/${made.id}`;
    this.who = { method: this.method, id: made.id, secret: made.secret };
    this.product.neverLogged(made.secret);
    if (this.signs) this.who = await this.withAnotherKey();
    this.token = await this.obtains(this.who);
    const access = await assertWorks(this.product, this.token);
    assert.deepEqual([access.key_id, access.scopes], [made.id, [READ, SUBMIT]]);
    await this.answers(this.token, 200);
    await this.submits(this.token, 200);
  }

  async isNarrowedByTheProgram() {
    const narrow = await this.obtains({ ...this.who, scope: READ });
    assert.deepEqual((await assertWorks(this.product, narrow)).scopes, [READ]);
    await this.submits(narrow, 403);
    await this.isRefused({ ...this.who, scope: ADMIN }, 'invalid_scope');
    await this.isRefused({ ...this.who, scope: `${READ} feedback-everything` }, 'invalid_scope');
  }

  async asksAboutItsTokens() {
    const token = await this.obtains(this.who);
    if (this.client.introspect) assert.equal((await this.client.introspect(this.who, token)).active, true);
    if (this.client.revoke) {
      await this.client.revoke(this.who, token);
      await this.answers(token, 401);
      if (this.client.introspect) assert.equal((await this.client.introspect(this.who, token)).active, false);
      await this.answers(this.token, 200);
    }
  }

  async isDisabledAndEnabled() {
    await this.administer('PATCH', this.path, { enabled: false });
    await this.answers(this.token, 401);
    await this.isRefused(this.who, 'invalid_client');
    await this.administer('PATCH', this.path, { enabled: true });
    await this.answers(this.token, 401);
    this.token = await this.obtains(this.who);
    await this.answers(this.token, 200);
  }

  async isRotated() {
    const before = this.who;
    if (this.signs) {
      this.who = await this.withAnotherKey();
    } else {
      const rotated = await this.administer('POST', `${this.path}/secrets`, { overlap_seconds: 60 });
      this.product.neverLogged(rotated.secret);
      this.who = { ...before, secret: rotated.secret };
    }
    const old = await this.obtains(before);
    this.token = await this.obtains(this.who);
    await this.answers(old, 200);
    await this.administer('DELETE', this.signs ? `${this.path}/public-keys/${before.n}` : `${this.path}/secrets/1`);
    await this.answers(old, 401);
    await this.isRefused(before, 'invalid_client');
    await this.answers(this.token, 200);
  }

  async isNarrowedByTheAdministrator() {
    await this.submits(this.token, 200);
    await this.administer('PATCH', this.path, { scopes: [READ] });
    await this.submits(this.token, 403);
    await this.answers(this.token, 200);
    await this.isRefused({ ...this.who, scope: SUBMIT }, 'invalid_scope');
    assert.deepEqual((await assertWorks(this.product, await this.obtains(this.who))).scopes, [READ]);
  }

  async isRemoved() {
    await this.administer('DELETE', this.path);
    await this.answers(this.token, 401);
    await this.isRefused(this.who, 'invalid_client');
  }

  get signs() {
    return this.method === 'private_key_jwt';
  }

  async withAnotherKey() {
    const pair = await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, ['sign', 'verify']);
    const jwk = (half) => crypto.subtle.exportKey('jwk', half);
    const { kty, crv, x, y } = await jwk(pair.publicKey);
    const made = await this.administer('POST', `${this.path}/public-keys`, { jwk: { kty, crv, x, y } });
    const { n, kid } = made.public_keys.at(-1);
    const { d } = await jwk(pair.privateKey);
    return { ...this.who, secret: undefined, key: { kty, crv, x, y, d, kid, alg: 'ES256' }, n };
  }

  async administer(method, path, json) {
    const { status, body, text } = await api(this.product, this.admin, path, { method, json });
    assert.ok([200, 201, 204].includes(status), `${method} ${path}: ${status} ${text}`);
    return body;
  }

  async obtains(who) {
    const said = await this.client.token(who);
    assert.equal(typeof said.token, 'string', JSON.stringify(said));
    return said.token;
  }

  async isRefused(who, error) {
    assert.deepEqual(await this.client.token(who), { error });
  }

  /** The status of a request with the token, and that of one by the library, if it makes any. */
  async answers(token, status) {
    const { status: plain, text } = await api(this.product, token, '/v1/access');
    assert.equal(plain, status, text);
    if (this.client.get) assert.equal(await this.client.get(this.who, token, '/v1/access'), status);
  }

  async submits(token, status) {
    const path = `/v1/environments/${this.environment.id}/responses`;
    const answer = await api(this.product, token, path, { method: 'POST', json: { responses: [{ score: 5 }] } });
    assert.equal(answer.status, status, answer.text);
    if (status === 403) assert.match(answer.headers.get('www-authenticate'), /error="insufficient_scope"/);
  }
}

/** A library in a program of its own: an order is a line of JSON to it, and its answer a line of JSON from it. */
export class Worker {
  constructor(t, command, words, variables = {}) {
    this.child = spawn(command, words, {
      stdio: ['pipe', 'pipe', 'inherit'],
      env: { ...process.env, ...variables },
    });
    const ended = new Promise((resolve) => this.child.on('close', resolve).on('error', resolve));
    t.after(async () => {
      this.child.stdin.end();
      assert.equal(await ended, 0, `${command} did not end well`);
    });
    this.answers = createInterface({ input: this.child.stdout })[Symbol.asyncIterator]();
  }

  /** The methods of a client of `life`. */
  client(...capabilities) {
    const all = {
      token: (who) => this.ask('token', who),
      get: async (who, token, path) => (await this.ask('get', who, { token, path })).status,
      introspect: (who, token) => this.ask('introspect', who, { token }),
      revoke: (who, token) => this.ask('revoke', who, { token }),
    };
    return Object.fromEntries(capabilities.map((name) => [name, all[name]]));
  }

  async ask(what, who, more = {}) {
    this.child.stdin.write(`${JSON.stringify({ do: what, ...who, ...more })}\n`);
    const { value, done } = await this.answers.next();
    assert.ok(!done, 'the library ended before it answered');
    const answer = JSON.parse(value);
    assert.equal(answer.failed, undefined, `${what}: ${answer.failed}`);
    return answer;
  }
}
