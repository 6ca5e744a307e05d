import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { ApiManagement, apiManagementPath } from '../api-management.mjs';
import { openBrowser, Visitor } from '../browser.mjs';
import { api, askForToken, assertDead, assertInvalidClient, assertWorks, tokenFor } from '../program.mjs';
import { Product } from '../product.mjs';

const REPORT = 'feedback-report:read';
const QUERIES = 'feedback-queries:create';
/** How long the old secret goes on after a rotation. */
const OVERLAP = 'In 1 hour';
const WHEN_IDLE = 'When nobody uses it any more';

test('the life of a keypair, for everybody who may manage it', async (t) => {
  const product = await Product.start(t);
  const browser = await openBrowser(t);
  const account = await product.account('Acme');
  const environment = await product.environment(account, 'Production');
  await product.user('admin@example.com', 'administrator', account);
  await product.user('operations@example.com', 'administrator', environment);

  const administrators = [
    ['the account’s administrator, for the account', 'admin@example.com', account],
    ['the account’s administrator, for its environment', 'admin@example.com', environment],
    ['the environment’s own administrator', 'operations@example.com', environment],
  ];
  for (const [who, email, owner] of administrators) {
    for (const javaScriptEnabled of [true, false]) {
      await t.test(`${who}${javaScriptEnabled ? '' : ', without JavaScript'}`, async (t) => {
        const visitor = await Visitor.arrive(t, browser, product, { javaScriptEnabled });
        await visitor.signIn(email);
        await live(product, new ApiManagement(visitor, owner), owner, environment, javaScriptEnabled);
      });
    }
  }

  for (const javaScriptEnabled of [true, false]) {
    const how = javaScriptEnabled ? '' : ', without JavaScript';
    await t.test(`whoever has found a secret stops its keypair, and its administrator mends it${how}`, async (t) => {
      const admin = await Visitor.arrive(t, browser, product, { javaScriptEnabled });
      const management = new ApiManagement(await admin.signIn('operations@example.com'), environment);
      const keypair = await management.create({ comment: `To be found${how}`, scopes: [REPORT] });
      await management.finishReading();
      const token = await tokenFor(product, keypair);
      await assertWorks(product, token);

      const finder = await Visitor.arrive(t, browser, product, { javaScriptEnabled });
      await finder.open('/sign-in');
      await finder.page.getByRole('link', { name: 'Found a Key Secret?' }).click();
      await finder.page.getByLabel('Key Secret', { exact: true }).fill(keypair.secret);
      await finder.page.getByRole('button', { name: 'Report', exact: true }).click();
      await finder.page.getByText('Thank you.').waitFor();
      assert.ok(!finder.page.url().includes('fbs_'), finder.page.url());
      assert.ok(!(await finder.page.content()).includes(keypair.secret));
      await assertDead(product, token);
      await assertInvalidClient(product, keypair);

      await management.assertStatus(keypair, 'disabled');
      await management.row(keypair).getByText(/reported as leaked/).waitFor();
      const rotated = await management.rotate(keypair, OVERLAP);
      await management.finishReading();
      await management.enable(keypair);
      await assertInvalidClient(product, keypair);
      await assertWorks(product, await tokenFor(product, rotated));
    });
  }

  async function live(product, management, owner, environment, javaScriptEnabled) {
    const { page, visitor } = management;
    await management.open();
    await page.getByRole('link', { name: 'API management', exact: true }).first().click();
    assert.equal(new URL(page.url()).pathname, apiManagementPath(owner));

    const comment = `Nightly export <b>for</b> "BI" & ${owner.id}`;
    const keypair = await management.create({ comment, scopes: [REPORT, QUERIES] });
    if (javaScriptEnabled) {
      const [id, secret, ...commands] = await management.copies();
      assert.equal(id, keypair.id);
      assert.equal(secret, keypair.secret);
      const tokenCommand = commands.find((copy) => copy.includes('/oauth2/token'));
      const { stdout } = await promisify(execFile)('bash', ['-c', tokenCommand]);
      await assertWorks(product, JSON.parse(stdout).access_token);
      // What is shown once does not go away by a stray key.
      await page.keyboard.press('Escape');
      await page.keyboard.press('Escape');
      assert.ok(await management.once.isVisible());
    }
    await management.finishReading();
    assert.equal(new URL(page.url()).pathname, management.path);
    for (const path of [management.path, new URL(page.url()).pathname + new URL(page.url()).search]) {
      await visitor.open(path);
      assert.ok(!(await page.content()).includes(keypair.secret), 'the secret is shown again');
    }
    // Markup in a comment is text.
    await management.row(keypair).getByText(comment).first().waitFor();
    assert.equal(await page.locator('b', { hasText: 'for' }).count(), 0);

    // Token, and data.
    const { status, body } = await askForToken(product, keypair);
    assert.equal(status, 200);
    assert.deepEqual(body.scope.split(' ').sort(), [REPORT, QUERIES].sort());
    const token = body.access_token;
    const access = await assertWorks(product, token);
    assert.equal(access.owner.id, owner.id);
    const path = `/v1/environments/${environment.id}`;
    const report = `${path}/reports/overview?from=2026-01-01&to=2026-01-31`;
    assert.equal((await api(product, token, report)).status, 200);

    await management.disable(keypair);
    await assertDead(product, token);
    await assertInvalidClient(product, keypair);

    await management.enable(keypair);
    await assertDead(product, token);
    const renewed = await tokenFor(product, keypair);
    await assertWorks(product, renewed);

    await management.edit(keypair, { comment: 'Only queries now', scopes: [QUERIES] });
    const lost = await api(product, renewed, report);
    assert.equal(lost.status, 403, lost.text);
    assert.match(lost.headers.get('www-authenticate'), /insufficient_scope/);
    assert.equal((await api(product, renewed, `${path}/queries`)).status, 200);

    const rotated = await management.rotate(keypair, javaScriptEnabled ? OVERLAP : WHEN_IDLE);
    await management.finishReading();
    await assertWorks(product, renewed);
    const last = await tokenFor(product, rotated);
    await assertWorks(product, last);

    await management.press(keypair, 'Edit');
    await management.confirm(/^End now secret 1 /);
    await page.getByText('The secret stopped working.').waitFor();
    await assertDead(product, renewed);
    await assertInvalidClient(product, keypair);
    await assertWorks(product, last);

    visitor.expectRefusal(`${management.path}/${keypair.id}/remove`);
    await management.startRemoving(keypair, 'no way');
    await page.getByRole('textbox', { name: /last 6 characters/ }).waitFor();
    await tokenFor(product, rotated);
    await management.remove(keypair);
    await assertDead(product, last);
    await assertInvalidClient(product, rotated);
  }
});
