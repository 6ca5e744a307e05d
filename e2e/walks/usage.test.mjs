import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { ApiManagement } from '../api-management.mjs';
import { openBrowser, Visitor } from '../browser.mjs';
import { RUST_CLIENTS } from '../clients/life.mjs';
import { api, tokenFor } from '../program.mjs';
import { Product, until } from '../product.mjs';

const SCREENSHOTS = fileURLToPath(new URL('../screenshots/', import.meta.url));
const [REPORT, QUERIES, ADMIN] = ['feedback-report:read', 'feedback-queries:create', 'feedback-admin'];
const CRATES = fileURLToPath(new URL('../clients/rust/', import.meta.url));
/** Counts are written every 5 seconds. */
const WRITTEN = 15_000;

/** Compiles a program in Rust, with the crates of the other clients in Rust, which are there. */
async function compiled(file, folder) {
  for (const name of ['Cargo.toml', 'Cargo.lock']) {
    const text = await readFile(join(CRATES, name), 'utf8');
    await writeFile(join(folder, name), text.replace('name = "rust-clients"', 'name = "copied-program"'));
  }
  await mkdir(join(folder, 'src'));
  await writeFile(join(folder, 'src', 'main.rs'), await readFile(file));
  const target = resolve(RUST_CLIENTS, '../..');
  const words = ['build', '--locked', '--offline', '--manifest-path', join(folder, 'Cargo.toml'), '--target-dir', target];
  await promisify(execFile)('cargo', words);
  return [join(target, 'debug', 'copied-program')];
}

test('what keypairs are used for, what a token reaches, and a first request', async (t) => {
  const product = await Product.start(t);
  const browser = await openBrowser(t);
  const account = await product.account('Acme');
  const environment = await product.environment(account, 'Production');
  await product.user('admin@example.com', 'administrator', account);
  await mkdir(SCREENSHOTS, { recursive: true });

  for (const javaScriptEnabled of [true, false]) {
    const how = javaScriptEnabled ? '' : ', without JavaScript';

    await t.test(`scopes that are not used are removed by a click, and what would fail is told${how}`, async (t) => {
      const visitor = await Visitor.arrive(t, browser, product, { javaScriptEnabled });
      const management = new ApiManagement(await visitor.signIn('admin@example.com'), environment);
      const { page } = management;
      const keypair = await product.keypair(environment, [REPORT, QUERIES, ADMIN], `Lobby${how}`);
      const token = await tokenFor(product, keypair);
      const report = `/v1/environments/${environment.id}/reports/overview`;
      for (let n = 0; n < 3; n += 1) assert.equal((await api(product, token, report)).status, 200);
      const known = await until('the counts', WRITTEN, async () => {
        const usage = await product.operate('key', 'usage', keypair.id);
        // They may be written in two parts.
        return usage.operations.some(({ requests }) => requests >= 3) && usage;
      });
      assert.deepEqual(known.operations.map(({ operation, requests }) => [operation, requests]), [['reportOverview', 3]]);
      assert.equal(known.days.at(-1).tokens, 1);

      await management.open();
      await management.row(keypair).getByText('3 requests in 7 days').waitFor();
      await page.getByRole('link', { name: keypair.id }).click();
      await page.getByRole('heading', { level: 1, name: `Lobby${how}` }).waitFor();
      assert.equal(await page.getByText('Never used', { exact: true }).count(), 2);
      await page.getByRole('table', { name: 'What it did in the last 7 days' }).getByText(REPORT).waitFor();
      await page.getByRole('img', { name: /Requests and tokens per day/ }).waitFor();

      await management.button('Edit').click();
      await page.getByText(/3 requests in 7 days, the last/).waitFor();
      await page.goBack();
      await management.button('Remove unused scopes').click();
      await page.getByText('The scopes that were not used were removed.').waitFor();
      assert.equal((await api(product, token, report)).status, 200);
      const access = await api(product, token, '/v1/access');
      assert.deepEqual(access.body.scopes, [REPORT]);
      assert.equal(await management.button('Remove unused scopes').count(), 0);

      await visitor.open(`/environments/${environment.id}/administration/settings`);
      await page.getByRole('table', { name: 'Keypairs in use' }).getByRole('link', { name: keypair.id }).click();
      await management.button('Remove').click();
      await page.getByRole('table', { name: 'What it did in the last 7 days' }).waitFor();
      await management.remove(keypair);
    });

    await t.test(`a pasted token says what it reaches, and why it does no more${how}`, async (t) => {
      const visitor = await Visitor.arrive(t, browser, product, { javaScriptEnabled });
      const management = new ApiManagement(await visitor.signIn('admin@example.com'), environment);
      const { page } = management;
      const keypair = await product.keypair(environment, [REPORT], `Asked about${how}`);
      const token = await tokenFor(product, keypair);
      const ask = async (text) => {
        await management.open();
        await page.getByRole('link', { name: 'What does a token reach?' }).click();
        await page.getByLabel('Access token', { exact: true }).fill(text);
        await management.button('Show what it reaches').click();
      };
      await ask(token);
      await page.getByText('It works.').waitFor();
      await page.getByRole('main').getByRole('link', { name: 'Production' }).waitFor();
      assert.ok(!(await page.content()).includes(token), 'it is shown again');
      assert.ok(!page.url().includes('eyJ'), page.url());
      await page.getByText('Revoke this token…').click();
      await management.button('Revoke this token').click();
      await page.getByText('The token stopped working. No other token did.').waitFor();
      assert.equal((await api(product, token, '/v1/access')).status, 401);
      const other = await tokenFor(product, keypair);
      assert.equal((await api(product, other, '/v1/access')).status, 200);
      await ask(token);
      await page.getByText('It was revoked, by its program or an administrator.').waitFor();
      await management.disable(keypair);
      await ask(other);
      await page.getByText('Its keypair is disabled.').waitFor();
      await ask('eyJ.nonsense');
      await page.getByText('Nothing can be told of that.').waitFor();
    });

    await t.test(`a first request is made right after a keypair is${how}`, async (t) => {
      const visitor = await Visitor.arrive(t, browser, product, { javaScriptEnabled });
      const management = new ApiManagement(await visitor.signIn('admin@example.com'), environment);
      const made = await management.create({ comment: `Tried${how}`, scopes: [REPORT] });
      const opened = visitor.context.waitForEvent('page');
      await management.button('Try a request', management.once).click();
      const tried = await opened;
      await tried.getByText('It got one.').waitFor();
      assert.match(await tried.getByText('"environments"').innerText(), new RegExp(environment.id));
      assert.ok(!(await tried.content()).includes(made.secret), 'the secret is shown again');
      assert.ok(!tried.url().includes('fbs_'), tried.url());
      await tried.close();
      // The page that shows the secret is still there.
      assert.ok((await management.once.innerText()).includes(made.secret));
      await management.finishReading();
    });
  }

  await t.test('programs to copy do what they say', async (t) => {
    const visitor = await Visitor.arrive(t, browser, product);
    const management = new ApiManagement(await visitor.signIn('admin@example.com'), environment);
    const { id, secret } = await management.create({ comment: 'Copied', scopes: [REPORT] });
    await management.once.getByText('Use it in a program').click();
    const folder = await mkdtemp(join(tmpdir(), 'feedback-programs-'));
    t.after(() => rm(folder, { recursive: true }));
    for (const [language, program] of [
      ['Python', async (file) => ['python3', file]],
      ['JavaScript', async (file) => [process.execPath, file]],
      ['Rust', (file) => compiled(file, folder)],
    ]) {
      await management.once.getByText(language, { exact: true }).first().click();
      const code = await visitor.copied(management.button(`Copy ${language}`, management.once));
      const file = join(folder, `${language}.mjs`);
      await writeFile(file, code);
      const env = { ...process.env, FEEDBACK_KEY_ID: id, FEEDBACK_KEY_SECRET: secret };
      const [command, ...words] = await program(file);
      const { stdout } = await promisify(execFile)(command, words, { env });
      assert.match(stdout, /combined/, language);
    }
    await management.finishReading();
  });

  await t.test('they are seen in both themes, wide and narrow', async (t) => {
    const keypair = await product.keypair(environment, [REPORT, QUERIES], 'To be seen');
    const token = await tokenFor(product, keypair);
    for (const path of ['/queries', '/reports/overview', '/api-keys', '/reports/feedback']) {
      await api(product, token, `/v1/environments/${environment.id}${path}`);
    }
    await until('the counts', WRITTEN, async () => (await product.operate('key', 'usage', keypair.id)).operations.length > 0);
    const faults = [];
    for (const colorScheme of ['light', 'dark']) {
      for (const [size, viewport] of Object.entries({ wide: { width: 1280, height: 900 }, phone: { width: 390, height: 844 } })) {
        const options = { colorScheme, viewport, reducedMotion: 'reduce' };
        const visitor = await (await Visitor.arrive(t, browser, product, options)).signIn('admin@example.com');
        const management = new ApiManagement(visitor, environment);
        const look = async (name, page = visitor.page) => {
          await page.screenshot({ path: `${SCREENSHOTS}${name}-${colorScheme}-${size}.png`, fullPage: true });
          if (page === visitor.page) faults.push(...(await visitor.overflow()), ...(await visitor.barriers()));
        };
        for (const [name, path] of [['keypair', ''], ['keypair-edit', '/edit'], ['keypair-remove', '/remove']]) {
          await visitor.open(`${management.path}/${keypair.id}${path}`);
          await look(name);
        }
        await visitor.open(`/environments/${environment.id}/administration/settings`);
        await look('settings-in-use');
        await management.open();
        await look('api-management-in-use');
        await visitor.open(`${management.path}/token`);
        for (const [name, text] of [['token-nonsense', 'nonsense'], ['token-works', token]]) {
          await visitor.page.getByLabel('Access token', { exact: true }).fill(text);
          await management.button('Show what it reaches').click();
          await visitor.page.getByRole(name === 'token-works' ? 'status' : 'alert').waitFor();
          await look(name);
        }
        await management.create({ comment: 'To be tried', scopes: [REPORT] });
        await management.once.getByText('Use it in a program').click();
        await look('keypair-shown-once-programs');
        const opened = visitor.context.waitForEvent('page');
        await management.button('Try a request', management.once).click();
        const tried = await opened;
        await tried.getByText('It got one.').waitFor();
        await look('keypair-tried', tried);
        await management.finishReading();
      }
    }
    assert.deepEqual(faults, []);
  });
});
