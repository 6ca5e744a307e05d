import assert from 'node:assert/strict';
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { spawn } from 'node:child_process';
import { BINARY, PASSWORD, Product } from '../product.mjs';

test('the operator’s commands, with the names of the API', async (t) => {
  const product = await Product.start(t);
  const account = await product.account('Acme');
  const environment = await product.environment(account, 'Production');

  await t.test('identifiers', () => {
    assert.match(account.id, /^acc_[0-7][0-9a-hjkmnp-tv-z]{25}$/);
    assert.match(environment.id, /^env_[0-7][0-9a-hjkmnp-tv-z]{25}$/);
    assert.equal(account.name, 'Acme');
    assert.equal(environment.account_id, account.id);
  });

  await t.test('a keypair, with its secret once', async () => {
    const made = await product.keypair(environment, ['feedback-report:read', 'feedback-admin'], 'Nightly export');
    assert.match(made.id, /^key_/);
    assert.match(made.secret, /^fbs_[0-9A-Za-z]{49}$/);
    assert.deepEqual(made.owner, { type: 'environment', id: environment.id });
    assert.equal(made.comment, 'Nightly export');
    assert.deepEqual([...made.scopes].sort(), ['feedback-admin', 'feedback-report:read']);
    assert.equal(made.enabled, true);
    assert.equal(made.status, 'active');
    assert.equal(made.expires_at, null);
    assert.match(made.created_at, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/);
    assert.equal(made.secrets.length, 1);
    assert.ok(!made.secret.includes(made.secrets[0].hint) || made.secrets[0].hint.length < 12);
    const shown = await product.operate('key', 'show', made.id);
    assert.ok(!('secret' in shown));
    const { secret, ...rest } = made;
    assert.deepEqual(shown, rest);
    const { items } = await product.operate('key', 'list', '--owner', environment.id);
    assert.deepEqual(items.map(({ id }) => id), [made.id]);
    assert.ok(!JSON.stringify(items).includes(secret.slice(0, 12)));
  });

  await t.test('a user and a role', async () => {
    const user = await product.operate('user', 'create', '--email', 'admin@example.com', '--password-stdin', {
      input: PASSWORD,
    });
    assert.match(user.id, /^usr_/);
    assert.ok(!JSON.stringify(user).includes('argon2'));
    await product.operate('user', 'grant', '--user', 'admin@example.com', '--on', account.id, '--role', 'administrator');
  });

  const refused = {
    'a name that is empty': ['account', 'create', '--name', ''],
    'a name of 10,000 characters': ['account', 'create', '--name', 'x'.repeat(10_000)],
    'no name': ['account', 'create'],
    'an account that is not there': ['environment', 'create', '--account', 'acc_01h455vb4pex5vsknk084sn02q', '--name', 'N'],
    'an id that is none': ['environment', 'create', '--account', 'Acme', '--name', 'N'],
    'an unknown scope': ['key', 'create', '--owner', account.id, '--scope', 'everything', '--comment', 'c'],
    'a scope twice': ['key', 'create', '--owner', account.id, '--scope', 'feedback-admin feedback-admin', '--comment', 'c'],
    'an account’s scope on an environment': ['key', 'create', '--owner', environment.id, '--scope', 'feedback-account-admin', '--comment', 'c'],
    'an unknown role': ['user', 'grant', '--user', 'admin@example.com', '--on', account.id, '--role', 'root'],
    'an unknown user': ['user', 'grant', '--user', 'nobody@example.com', '--on', account.id, '--role', 'reader'],
    'a key that is not there': ['key', 'disable', 'key_01h455vb4pex5vsknk084sn02q'],
    'a close without being sure': ['account', 'close', account.id],
    'an unknown command': ['keys'],
  };
  for (const [what, words] of Object.entries(refused)) {
    await t.test(`${what}: refused in a line`, async () => {
      const { code, stdout, stderr } = await product.command([...words, '--json']);
      assert.ok(code > 0 && code < 100, `${code}`);
      assert.equal(stdout, '', 'a failure goes to standard error');
      assert.ok(stderr.trim().length > 10, 'nothing was said');
      assert.doesNotMatch(stderr, /panicked|RUST_BACKTRACE|Error \{/);
    });
  }

  await t.test('a password that is short, common or absent', async () => {
    for (const input of ['short\n', 'passwordpassword\n', '\n', '']) {
      const { code, stderr } = await product.command(
        ['user', 'create', '--email', 'other@example.com', '--password-stdin', '--json'],
        input,
      );
      assert.ok(code > 0, `taken: ${JSON.stringify(input)}`);
      assert.match(stderr, /password/i);
    }
  });

  await t.test('the data is its user’s alone', async () => {
    const { mode } = await stat(join(product.data, 'master.key'));
    assert.equal(mode & 0o777, 0o600);
  });
});

test('a wrong setting stops the start with a line that names it', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'feedback-e2e-'));
  t.after(() => rm(folder, { recursive: true }));
  await writeFile(join(folder, 'feedback.toml'), 'colour = "red"\n');
  await writeFile(join(folder, 'file'), 'no folder\n');

  const cases = [
    ['an unknown setting in the file', ['--config', join(folder, 'feedback.toml')], {}, /colour/],
    ['an unknown variable', [], { FEEDBACK_COLOUR: 'red' }, /colour/i],
    ['an address that is none', ['--listen', 'here'], {}, /listen/],
    ['an address from a variable', [], { FEEDBACK_LISTEN: 'here' }, /listen/i],
    ['a public URL that is none', ['--public-url', 'example'], {}, /public.url/],
    ['plain http for the world', ['--public-url', 'http://feedback.example.com'], {}, /public.url|https/],
    ['a data folder that is a file', ['--data', join(folder, 'file')], {}, /file/],
    ['a settings file that is not there', ['--config', join(folder, 'none.toml')], {}, /none\.toml/],
    ['an unknown flag', ['--colour', 'red'], {}, /--colour/],
  ];
  for (const [what, flags, variables, says] of cases) {
    await t.test(what, async () => {
      const data = flags.includes('--data') ? [] : ['--data', join(folder, 'data')];
      const listen = flags.includes('--listen') || variables.FEEDBACK_LISTEN ? [] : ['--listen', '127.0.0.1:0'];
      const child = spawn(BINARY, ['serve', ...flags, ...data, ...listen], {
        cwd: tmpdir(),
        env: { ...Product.environment(), ...variables },
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      const deadline = setTimeout(() => child.kill('SIGKILL'), 10_000);
      let said = '';
      for (const output of [child.stdout, child.stderr]) output.setEncoding('utf8').on('data', (text) => (said += text));
      const [code, signal] = await new Promise((resolve) => child.on('close', (...end) => resolve(end)));
      clearTimeout(deadline);
      assert.equal(signal, null, `it went on:\n${said}`);
      assert.ok(code > 0 && code < 100, `${code}\n${said}`);
      assert.match(said, says);
      assert.doesNotMatch(said, /panicked/);
    });
  }
});
