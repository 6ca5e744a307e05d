// The built binary, run as an operator runs it: in a data folder of its own, on a free loopback port.
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ask } from './tls.mjs';

export const BINARY =
  process.env.E2E_BINARY ?? fileURLToPath(new URL('../target/debug/feedback', import.meta.url));

const running = new Set();
process.on('exit', () => running.forEach((child) => child.kill('SIGKILL')));

export const PASSWORD = 'seven brass otters hum';
export const SCOPES = [
  'feedback-report:read',
  'feedback-queries:create',
  'feedback-responses:create',
  'feedback-admin',
  'feedback-account-admin',
];
/** The scopes that a keypair of an environment may hold. */
export const ENVIRONMENT_SCOPES = SCOPES.slice(0, 4);

export class Product {
  /**
   * Starts a server that ends with the test `t`, and looks at what it leaves behind. One of several has their
   * `publicUrl`, and their database and master key in its `variables`. With a `certificate` it serves TLS.
   */
  static async start(t, flags = [], { publicUrl, variables = {}, certificate } = {}) {
    const product = new Product();
    product.data = await mkdtemp(join(tmpdir(), 'feedback-e2e-'));
    product.port = await freePort();
    product.url = `${certificate ? 'https' : 'http'}://127.0.0.1:${product.port}`;
    product.flags = ['--public-url', publicUrl ?? product.url, ...flags];
    product.variables = variables;
    if (certificate) {
      product.certificate = certificate;
      const { certificate: file, key } = certificate;
      product.variables = { ...variables, FEEDBACK_TLS_CERTIFICATE: file, FEEDBACK_TLS_KEY: key };
    }
    t.after(() => product.#end());
    await product.serve();
    return product;
  }

  /** What the server has written so far, on both of its outputs. */
  log = '';
  /** What may never stand in a log, besides tokens and Key Secrets. */
  #secrets = new Set([PASSWORD]);

  async serve() {
    this.process = spawn(
      BINARY,
      ['serve', '--data', this.data, '--listen', `127.0.0.1:${this.port}`, ...this.flags],
      { env: { ...Product.environment(), ...this.variables }, stdio: ['ignore', 'pipe', 'pipe'] },
    );
    const { process: server } = this;
    running.add(server);
    for (const output of [server.stdout, server.stderr]) {
      output.setEncoding('utf8').on('data', (text) => (this.log += text));
    }
    this.exited = new Promise((resolve) =>
      server.on('close', (code, signal) => {
        running.delete(server);
        resolve({ code, signal });
      }),
    );
    await until('the server to be ready', 30_000, async () => {
      assert.equal(server.exitCode, null, `the server stopped at its start:\n${this.log}`);
      const ready = this.certificate ? ask(this, '/readyz') : fetch(`${this.url}/readyz`);
      return (await ready.catch(() => null))?.status === 200;
    });
  }

  async stop(signal) {
    this.process.kill(signal);
    return this.exited;
  }

  /** Runs one of the operator's commands on the same data, with `--json`, beside the running server. */
  async operate(...words) {
    const input = typeof words.at(-1) === 'object' ? words.pop().input : undefined;
    const { code, stdout, stderr } = await this.command([...words, '--json'], input);
    assert.equal(code, 0, `feedback ${words.join(' ')} failed:\n${stderr}${stdout}`);
    const object = JSON.parse(stdout);
    if (object.secret) this.neverLogged(object.secret);
    return object;
  }

  /** The same, whatever comes of it. */
  command(words, input) {
    return new Promise((resolve, reject) => {
      const child = execFile(
        BINARY,
        [...words, '--data', this.data],
        { env: { ...Product.environment(), ...this.variables }, timeout: 30_000 },
        (error, stdout, stderr) => resolve({ code: error ? (error.code ?? error.signal) : 0, stdout, stderr }),
      );
      // A command that refuses its arguments does not wait for what it would read.
      child.stdin.on('error', (error) => error.code === 'EPIPE' || reject(error));
      child.stdin.end(input ?? '');
    });
  }

  account = (name) => this.operate('account', 'create', '--name', name);
  environment = (account, name) =>
    this.operate('environment', 'create', '--account', account.id, '--name', name);
  keypair = (owner, scopes, comment) =>
    this.operate('key', 'create', '--owner', owner.id, '--scope', scopes.join(' '), '--comment', comment);

  /** A user who can sign in with PASSWORD and holds `role` on `on`. */
  async user(email, role, on) {
    await this.operate('user', 'create', '--email', email, '--password-stdin', { input: `${PASSWORD}\n` });
    if (role) await this.operate('user', 'grant', '--user', email, '--on', on.id, '--role', role);
    return email;
  }

  neverLogged(secret) {
    this.#secrets.add(secret);
  }

  /** The variables of whoever runs the tests must not configure the product. */
  static environment() {
    return Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('FEEDBACK_')));
  }

  async #end() {
    if (this.process.exitCode === null && this.process.signalCode === null) {
      const { code, signal } = await this.stop('SIGTERM');
      assert.deepEqual({ code, signal }, { code: 0, signal: null }, `SIGTERM did not end it well:\n${this.log}`);
    }
    await rm(this.data, { recursive: true });
    assert.equal(this.log.match(/panicked at.*/), null, 'the server panicked');
    assert.equal(this.log.match(/fb[sr]_[0-9A-Za-z]{49}|eyJ[\w-]+\.eyJ[\w-]+\./), null, 'the log holds a Key Secret or a token');
    for (const secret of this.#secrets) {
      assert.ok(!this.log.includes(secret), `the log holds ${secret.slice(0, 8)}…`);
    }
  }
}

/** Awaits a condition; asks again soon, and fails when `milliseconds` have passed. */
export async function until(what, milliseconds, condition) {
  const deadline = performance.now() + milliseconds;
  for (;;) {
    const value = await condition();
    if (value) return value;
    assert.ok(performance.now() < deadline, `waited ${milliseconds} ms for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

export function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer()
      .on('error', reject)
      .listen(0, '127.0.0.1', () => {
        const { port } = server.address();
        server.close(() => resolve(port));
      });
  });
}
