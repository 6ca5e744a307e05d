import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ApiManagement, apiManagementPath } from '../api-management.mjs';
import { openBrowser, Visitor } from '../browser.mjs';
import { assertDead, assertDeadWithinASecond, assertInvalidClient, assertWorks, tokenFor } from '../program.mjs';
import { Product } from '../product.mjs';

test('closing', async (t) => {
  const product = await Product.start(t);
  const browser = await openBrowser(t);
  const account = await product.account('Acme');
  const environment = await product.environment(account, 'Production');
  const staging = await product.environment(account, 'Staging');
  await product.user('admin@example.com', 'administrator', account);
  const make = async (owner) => {
    const keypair = await product.keypair(owner, ['feedback-report:read'], `of ${owner.id}`);
    return { keypair, token: await tokenFor(product, keypair) };
  };
  const ofAccount = await make(account);
  const ofEnvironment = await make(environment);
  const ofStaging = await make(staging);

  const close = async (admin, owner) => {
    await admin.open(apiManagementPath(owner));
    await admin.page.getByRole('link', { name: 'Settings', exact: true }).first().click();
    await admin.page.getByRole('textbox', { name: /to confirm/ }).fill(owner.name);
    await admin.page.getByRole('button', { name: /^Close (account|environment)$/ }).click();
    await admin.page.waitForURL((url) => !url.pathname.endsWith('/settings'));
  };

  await t.test('an environment ends its keypairs and no others', async (t) => {
    const admin = await (await Visitor.arrive(t, browser, product)).signIn('admin@example.com');
    await close(admin, environment);
    await assertDead(product, ofEnvironment.token);
    await assertInvalidClient(product, ofEnvironment.keypair);
    await admin.open(apiManagementPath(environment), 404);
    await assertWorks(product, ofStaging.token);
    const { environments } = await assertWorks(product, ofAccount.token);
    assert.deepEqual(environments.map(({ id }) => id), [staging.id]);
  });

  await t.test('the account ends its own keypairs and those of its environments', async (t) => {
    const admin = await (await Visitor.arrive(t, browser, product)).signIn('admin@example.com');
    await close(admin, account);
    for (const { keypair, token } of [ofAccount, ofStaging]) {
      await assertDead(product, token);
      await assertInvalidClient(product, keypair);
    }
    for (const owner of [account, staging]) await admin.open(apiManagementPath(owner), 404);
  });
});

test('the operator’s hand is felt in an open browser', async (t) => {
  const product = await Product.start(t);
  const browser = await openBrowser(t);
  const account = await product.account('Acme');
  const environment = await product.environment(account, 'Production');
  await product.user('admin@example.com', 'administrator', account);
  const keypair = await product.keypair(environment, ['feedback-report:read'], 'Nightly export');
  const token = await tokenFor(product, keypair);
  const admin = await (await Visitor.arrive(t, browser, product)).signIn('admin@example.com');
  const management = new ApiManagement(admin, environment);
  await management.assertStatus(keypair, 'active');
  await product.operate('key', 'disable', keypair.id);
  await assertDeadWithinASecond(product, token);
  await management.assertStatus(keypair, 'disabled');
  await product.operate('account', 'close', account.id, '--yes');
  await admin.open(apiManagementPath(environment), 404);
});
