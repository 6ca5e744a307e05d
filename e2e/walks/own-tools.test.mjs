// People's own tools: `feedback login` at a terminal and a browser beside it, and an application that a library of others
// makes, through real Chromium.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import * as oauth from 'oauth4webapi';
import * as openid from 'openid-client';
import { openBrowser, Visitor } from '../browser.mjs';
import { Worker } from '../clients/life.mjs';
import { BINARY, Product, until } from '../product.mjs';
import { api } from '../program.mjs';

const PYTHON_CLIENTS = fileURLToPath(new URL('../clients/python_clients.py', import.meta.url));
const INSECURE = { [oauth.allowInsecureRequests]: true };

/** A person's machine, where `feedback` is run as that person. */
class Terminal {
  static async open(t) {
    const terminal = new Terminal();
    terminal.home = await mkdtemp(join(tmpdir(), 'feedback-home-'));
    t.after(() => rm(terminal.home, { recursive: true }));
    terminal.file = join(terminal.home, 'feedback', 'login.json');
    return terminal;
  }

  /** Starts a command; `ended` tells what came of it. */
  start(...words) {
    const child = spawn(BINARY, words, {
      env: { ...Product.environment(), XDG_CONFIG_HOME: this.home },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const command = { child, stdout: '', stderr: '' };
    for (const output of ['stdout', 'stderr']) {
      child[output].setEncoding('utf8').on('data', (text) => (command[output] += text));
    }
    command.ended = new Promise((resolve) => child.on('close', (code) => resolve({ ...command, code })));
    return command;
  }

  async run(...words) {
    return this.start(...words).ended;
  }

  /** Begins to log in, and says where the browser is to go. */
  async login(product, ...words) {
    const command = this.start('login', '--server', product.url, '--no-browser', ...words);
    command.address = await until('the address of the login', 10_000, () => command.stderr.match(/^http\S+$/m)?.[0]);
    command.origin = new URL(new URL(command.address).searchParams.get('redirect_uri')).origin;
    return command;
  }
}

/** An application's own address on this machine, which keeps what the browser brings. */
async function applicationAt(t) {
  const answers = [];
  const server = createServer((request, response) => {
    if (request.url.startsWith('/callback')) answers.push(new URL(request.url, 'http://127.0.0.1'));
    response.setHeader('content-type', 'text/html');
    response.end('<!doctype html><title>Dashboard</title><p>Back at the dashboard</p>');
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  const origin = `http://127.0.0.1:${server.address().port}`;
  return { origin, callback: `${origin}/callback`, next: () => until('an answer', 10_000, () => answers.shift()) };
}

const button = (visitor, name) => visitor.page.getByRole('button', { name, exact: true });

test('a person logs in at a terminal, works, and is stopped', async (t) => {
  const product = await Product.start(t);
  const account = await product.account('Acme');
  const environment = await product.environment(account, 'Production');
  await product.user('admin@example.com', 'administrator', account);
  const email = await product.user('author@example.com', 'author', environment);
  const browser = await openBrowser(t);
  const terminal = await Terminal.open(t);
  const person = await Visitor.arrive(t, browser, product);
  let token;

  const access = async () => {
    const { code, stdout, stderr } = await terminal.run('api', 'GET', '/v1/access');
    return { code, body: stdout ? JSON.parse(stdout) : null, stderr };
  };
  const allow = async (login) => {
    person.expectToLeave(login.origin);
    await person.page.goto(login.address);
    if (new URL(person.page.url()).pathname === '/sign-in') {
      await person.page.getByLabel('E-mail', { exact: true }).fill(email);
      await person.page.getByLabel('Password', { exact: true }).fill('seven brass otters hum');
      await button(person, 'Sign in').click();
    }
    await person.page.getByRole('heading', { name: /^Allow/ }).waitFor();
    assert.deepEqual(await person.barriers(), []);
    await button(person, 'Allow').click();
    await person.page.getByText('You are logged in.').waitFor();
  };

  await t.test('it signs in and allows it in the browser, and the terminal goes on', async () => {
    const nobody = await terminal.run('token');
    assert.equal(nobody.code, 1);
    assert.match(nobody.stderr, /not logged in; run `feedback login/);
    const login = await terminal.login(product);
    await allow(login);
    const { code, stdout, stderr } = await login.ended;
    assert.equal(code, 0, stderr);
    assert.match(stdout, /Logged in to .* with feedback-report:read feedback-queries:create\./);
    assert.equal((await stat(terminal.file)).mode & 0o777, 0o600);
    const saved = JSON.parse(await readFile(terminal.file, 'utf8'));
    product.neverLogged(saved.refresh_token);
    assert.match(saved.refresh_token, /^fbr_[0-9A-Za-z]{49}$/);
    assert.ok(!stdout.includes(saved.refresh_token) && !stderr.includes(saved.refresh_token));
  });

  await t.test('the API answers as to the person', async () => {
    const { code, body } = await access();
    assert.equal(code, 0);
    assert.deepEqual([body.key_id, body.client_id, body.owner.id], [null, 'feedback-cli', environment.id]);
    assert.deepEqual(body.scopes, ['feedback-report:read', 'feedback-queries:create']);
    const refused = await terminal.run('api', 'GET', `/v1/environments/${environment.id}/api-keys`);
    assert.equal(refused.code, 1);
    assert.match(refused.stdout, /insufficient_scope/);
    ({ stdout: token } = await terminal.run('token'));
    assert.match(token, /^eyJ/);
  });

  await t.test('a token is for one environment alone, and the login stays as it was', async () => {
    const before = JSON.parse(await readFile(terminal.file, 'utf8'));
    const resource = `${product.url}/v1/environments/${environment.id}`;
    const narrowed = await terminal.run('token', '--resource', resource, '--json');
    assert.equal(narrowed.code, 0, narrowed.stderr);
    const { access_token: narrow } = JSON.parse(narrowed.stdout);
    assert.equal(JSON.parse(Buffer.from(narrow.split('.')[1], 'base64url')).aud, resource);
    assert.equal((await api(product, narrow, `/v1/environments/${environment.id}/queries`)).status, 200);
    const after = JSON.parse(await readFile(terminal.file, 'utf8'));
    assert.notEqual(after.refresh_token, before.refresh_token);
    assert.equal(after.access_token, before.access_token);
    product.neverLogged(after.refresh_token);
    const refused = await terminal.run('token', '--resource', `${product.url}/v1/environments/env_01h455vb4pex5vsknk084sn02q`);
    assert.deepEqual([refused.code, refused.stdout], [1, '']);
    assert.match(refused.stderr, /invalid_target/);
    assert.equal((await terminal.run('token', '--resource', resource)).code, 0, 'what was refused used nothing up');
  });

  await t.test('the operator sees whose token it is', async () => {
    const seen = await product.operate('token', 'inspect', { input: token });
    assert.deepEqual([seen.active, seen.key_id, seen.client_id, seen.owner.id], [true, null, 'feedback-cli', environment.id]);
    assert.deepEqual(seen.environments.map(({ id }) => id), [environment.id]);
    const { stdout } = await product.command(['token', 'inspect'], token);
    assert.match(stdout, /In the name of\s+author@example\.com\n\s+by the command line\n/);
  });

  await t.test('many terminals at once use no refresh token twice', async () => {
    const saved = JSON.parse(await readFile(terminal.file, 'utf8'));
    await writeFile(terminal.file, JSON.stringify({ ...saved, expires_at: '2026-01-01T00:00:00Z' }));
    const all = await Promise.all(Array.from({ length: 6 }, () => terminal.run('token')));
    assert.deepEqual(all.map(({ code, stderr }) => [code, stderr]), Array(6).fill([0, '']));
    assert.equal(new Set(all.map(({ stdout }) => stdout)).size, 1, 'one refreshed, the others found what it got');
    const after = JSON.parse(await readFile(terminal.file, 'utf8'));
    assert.notEqual(after.refresh_token, saved.refresh_token);
    product.neverLogged(after.refresh_token);
    assert.equal((await access()).code, 0);
  });

  await t.test('a lost role stops it with the next request', async () => {
    const revoked = ['user', 'revoke', '--user', email, '--on', environment.id];
    await product.operate(...revoked);
    const { code, body } = await access();
    assert.deepEqual([code, body.code], [1, 'invalid_token']);
    await product.operate('user', 'grant', '--user', email, '--on', environment.id, '--role', 'reader');
    assert.deepEqual((await access()).body.scopes, ['feedback-report:read']);
  });

  await t.test('the person sees it, and ends it', async () => {
    await person.open('/your-account');
    await person.page.getByRole('cell', { name: /^Feedback’s command line/ }).waitFor();
    assert.deepEqual([...(await person.overflow()), ...(await person.barriers())], []);
    await button(person, `Revoke Feedback’s command line in ${environment.name}`).click();
    await person.page.getByRole('status').waitFor();
    assert.equal((await access()).body.code, 'invalid_token');
    const saved = JSON.parse(await readFile(terminal.file, 'utf8'));
    await writeFile(terminal.file, JSON.stringify({ ...saved, expires_at: '2026-01-01T00:00:00Z' }));
    const ended = await terminal.run('token');
    assert.equal(ended.code, 1);
    assert.match(ended.stderr, /has ended; run `feedback login/);
    assert.equal(await stat(terminal.file).catch(({ code }) => code), 'ENOENT');
  });

  await t.test('logging out ends it at the server', async () => {
    const login = await terminal.login(product, '--scope', 'feedback-report:read', '--on', environment.id, '--json');
    await allow(login);
    const { code, stdout, stderr } = await login.ended;
    assert.equal(code, 0, stderr);
    assert.deepEqual(JSON.parse(stdout), { server: product.url, scopes: ['feedback-report:read'] });
    ({ stdout: token } = await terminal.run('token'));
    const ask = () => fetch(`${product.url}/v1/access`, { headers: { authorization: `Bearer ${token.trim()}` } });
    assert.equal((await ask()).status, 200);
    assert.match((await terminal.run('logout')).stdout, /Logged out of/);
    assert.equal((await ask()).status, 401);
    assert.equal((await terminal.run('logout')).code, 1);
  });

  await t.test('the operator ends with a token all that was allowed', async () => {
    const login = await terminal.login(product, '--json');
    await allow(login);
    await login.ended;
    ({ stdout: token } = await terminal.run('token'));
    const unsure = await product.command(['token', 'revoke'], token);
    assert.equal(unsure.code, 1);
    assert.match(unsure.stderr, /ends all that author@example\.com let the command line do at env_\w+, .* pass --yes/);
    assert.equal((await access()).code, 0);
    // Also while it is worth nothing: the next role would let it work again.
    await product.operate('user', 'revoke', '--user', email, '--on', environment.id);
    const ended = await product.operate('token', 'revoke', '--yes', { input: token });
    assert.equal(ended.active, false);
    assert.match(ended.reason, /what a person granted was ended/);
    await product.operate('user', 'grant', '--user', email, '--on', environment.id, '--role', 'reader');
    assert.equal((await access()).body.code, 'invalid_token');
    const again = await product.command(['token', 'revoke', '--yes'], token);
    assert.deepEqual([again.code, again.stdout], [0, 'There was nothing to end; nothing was changed.\n']);
    const saved = JSON.parse(await readFile(terminal.file, 'utf8'));
    await writeFile(terminal.file, JSON.stringify({ ...saved, expires_at: '2026-01-01T00:00:00Z' }));
    assert.match((await terminal.run('token')).stderr, /has ended/);
  });

  await t.test('what is denied, and an answer that is not the one, leave nothing behind', async () => {
    const login = await terminal.login(product);
    const stray = await fetch(`${login.origin}/?code=x&state=guessed&iss=${product.url}`);
    assert.equal(stray.status, 400);
    person.expectToLeave(login.origin);
    await person.page.goto(login.address);
    await button(person, 'Deny').click();
    await person.page.getByText('You are not logged in.').waitFor();
    const { code, stderr } = await login.ended;
    assert.equal(code, 1);
    assert.match(stderr, /it was not allowed/);
    assert.equal(await stat(terminal.file).catch((error) => error.code), 'ENOENT');
  });

  await t.test('a server that is none is said to be none', async () => {
    for (const [url, said] of [
      ['http://feedback.example', /not the URL of a server/],
      ['http://127.0.0.1:1', /does not answer/],
      [`${product.url}/v1`, /no Feedback server/],
      [product.url.replace('127.0.0.1', 'localhost'), /calls itself/],
    ]) {
      const { code, stderr } = await terminal.run('login', '--server', url, '--no-browser');
      assert.equal(code, 1, url);
      assert.match(stderr, said);
    }
  });
});

test('an application made with a library of others acts for a person', async (t) => {
  const product = await Product.start(t);
  const account = await product.account('Acme');
  const environment = await product.environment(account, 'Production');
  const admin = await product.user('admin@example.com', 'administrator', account);
  const browser = await openBrowser(t);
  const application = await applicationAt(t);
  const person = await (await Visitor.arrive(t, browser, product)).signIn(admin);
  person.expectToLeave(application.origin);
  const path = `/accounts/${account.id}/administration/access-management/applications`;
  let id;

  await t.test('an administrator registers it', async () => {
    await person.open(path);
    await person.page.getByLabel('Name', { exact: true }).fill('Dashboard');
    await person.page.getByLabel('Redirect URIs', { exact: true }).fill('http://127.0.0.1/callback');
    await button(person, 'Register').click();
    await person.page.getByRole('status').waitFor();
    assert.deepEqual([...(await person.overflow()), ...(await person.barriers())], []);
    const { items } = await product.operate('application', 'list', '--owner', account.id);
    assert.deepEqual(items.map(({ name, people }) => [name, people]), [['Dashboard', 0]]);
    ({ id } = items[0]);
  });

  /** The person chooses the environment and allows it. */
  const allow = async (address) => {
    await person.page.goto(address.href);
    await person.page.getByRole('heading', { name: 'Where may Dashboard act?' }).waitFor();
    assert.deepEqual([...(await person.overflow()), ...(await person.barriers())], []);
    await person.page.getByRole('link', { name: /^Production/ }).click();
    await person.page.getByRole('heading', { name: 'Allow Dashboard?' }).waitFor();
    assert.deepEqual([...(await person.overflow()), ...(await person.barriers())], []);
    await button(person, 'Allow').click();
    await person.page.getByText('Back at the dashboard').waitFor();
    return application.next();
  };

  await t.test('oauth4webapi: code, PKCE, issuer, refresh, reuse, revocation', async () => {
    const issuer = new URL(product.url);
    const found = await oauth.discoveryRequest(issuer, { ...INSECURE, algorithm: 'oauth2' });
    const server = await oauth.processDiscoveryResponse(issuer, found);
    const client = { client_id: id };
    const verifier = oauth.generateRandomCodeVerifier();
    const state = oauth.generateRandomState();
    const address = new URL(server.authorization_endpoint);
    for (const [name, value] of Object.entries({
      response_type: 'code',
      client_id: id,
      redirect_uri: application.callback,
      code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
      code_challenge_method: 'S256',
      scope: 'feedback-report:read feedback-admin',
      state,
    })) {
      address.searchParams.set(name, value);
    }
    // Checks the state, and that the answer says whose it is.
    const parameters = oauth.validateAuthResponse(server, client, await allow(address), state);
    const exchange = () =>
      oauth.authorizationCodeGrantRequest(server, client, oauth.None(), parameters, application.callback, verifier, INSECURE);
    const tokens = await oauth.processAuthorizationCodeResponse(server, client, await exchange());
    assert.equal(tokens.scope, 'feedback-report:read feedback-admin');
    const status = async (token, path = '/v1/access') => {
      try {
        const url = new URL(path, product.url);
        return (await oauth.protectedResourceRequest(token, 'GET', url, undefined, null, INSECURE)).status;
      } catch (error) {
        if (error instanceof oauth.WWWAuthenticateChallengeError) return error.status;
        throw error;
      }
    };
    assert.equal(await status(tokens.access_token, `/v1/environments/${environment.id}/api-keys`), 200);
    const refresh = async (token) => {
      const answer = await oauth.refreshTokenGrantRequest(server, client, oauth.None(), token, INSECURE);
      return oauth.processRefreshTokenResponse(server, client, answer);
    };
    const next = await refresh(tokens.refresh_token);
    assert.equal(await status(next.access_token), 200);
    await assert.rejects(refresh(tokens.refresh_token), { error: 'invalid_grant' });
    assert.equal(await status(next.access_token), 401, 'who used it again is not known, so nobody has it any more');
    await assert.rejects(
      exchange().then((answer) => oauth.processAuthorizationCodeResponse(server, client, answer)),
      { error: 'invalid_grant' },
    );
  });

  await t.test('openid-client: code, refresh and revocation', async () => {
    const config = await openid.discovery(new URL(product.url), id, undefined, openid.None(), {
      algorithm: 'oauth2',
      execute: [openid.allowInsecureRequests],
    });
    const verifier = openid.randomPKCECodeVerifier();
    const state = openid.randomState();
    const address = openid.buildAuthorizationUrl(config, {
      redirect_uri: application.callback,
      code_challenge: await openid.calculatePKCECodeChallenge(verifier),
      code_challenge_method: 'S256',
      state,
    });
    const answer = await allow(address);
    const current = new URL(application.callback + answer.search);
    const tokens = await openid.authorizationCodeGrant(config, current, { pkceCodeVerifier: verifier, expectedState: state });
    const next = await openid.refreshTokenGrant(config, tokens.refresh_token);
    const status = async () => {
      const asked = fetch(`${product.url}/v1/access`, { headers: { authorization: `Bearer ${next.access_token}` } });
      return (await asked).status;
    };
    assert.equal(await status(), 200);
    await openid.tokenRevocation(config, next.refresh_token);
    assert.equal(await status(), 401);
  });

  for (const library of ['authlib', 'requests-oauthlib', 'requests-oauth2client']) {
    await t.test(`${library}: code, PKCE, refresh, reuse and revocation`, async (t) => {
      const variables = { OAUTHLIB_INSECURE_TRANSPORT: '1' };
      const words = [PYTHON_CLIENTS, library, product.url];
      const worker = new Worker(t, process.env.PYTHON ?? 'python3', words, variables);
      const who = { id, redirect_uri: application.callback };
      const obtain = async () => {
        const { address } = await worker.ask('authorize', who);
        const { search } = await allow(new URL(address));
        const tokens = await worker.ask('exchange', who, { answer: application.callback + search });
        return worker.ask('refresh', who, { token: tokens.refresh_token }).then((next) => ({ tokens, next }));
      };
      const { tokens, next } = await obtain();
      assert.equal((await api(product, next.access_token, '/v1/access')).body.client_id, id);
      assert.deepEqual(await worker.ask('refresh', who, { token: tokens.refresh_token }), { error: 'invalid_grant' });
      assert.equal((await api(product, next.access_token, '/v1/access')).status, 401);
      const again = (await obtain()).next;
      assert.equal((await api(product, again.access_token, '/v1/access')).status, 200);
      await worker.ask('give_up', who, { token: again.refresh_token });
      assert.equal((await api(product, again.access_token, '/v1/access')).status, 401);
    });
  }

  await t.test('a person who has nothing to give is told so, and the application too', async () => {
    await product.user('nobody@example.com');
    const nobody = await (await Visitor.arrive(t, browser, product)).signIn('nobody@example.com');
    nobody.expectToLeave(application.origin);
    const address = new URL(`${product.url}/oauth2/authorize`);
    address.search = new URLSearchParams({
      response_type: 'code',
      client_id: id,
      redirect_uri: application.callback,
      code_challenge: await oauth.calculatePKCECodeChallenge(oauth.generateRandomCodeVerifier()),
      code_challenge_method: 'S256',
    }).toString();
    await nobody.page.goto(address.href);
    await nobody.page.getByRole('heading', { name: 'Nothing to allow' }).waitFor();
    assert.deepEqual(await nobody.barriers(), []);
    await button(nobody, 'Back to the application').click();
    assert.equal((await application.next()).searchParams.get('error'), 'access_denied');
  });

  await t.test('removing it ends all that people allowed', async () => {
    await person.open(path);
    await person.page.getByText('Remove… Dashboard', { exact: true }).click();
    await button(person, 'Remove Dashboard').click();
    await person.page.getByRole('status').waitFor();
    assert.deepEqual((await product.operate('application', 'list')).items, []);
    await person.open(`/oauth2/authorize?client_id=${id}&redirect_uri=${application.callback}`, 400);
  });
});
