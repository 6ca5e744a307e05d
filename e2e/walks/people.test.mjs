import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ApiManagement, apiManagementPath } from '../api-management.mjs';
import { openBrowser, Visitor } from '../browser.mjs';
import { PASSWORD, Product } from '../product.mjs';

test('from an empty server to a colleague with a role', async (t) => {
  const product = await Product.start(t);
  const browser = await openBrowser(t);
  const link = product.log.match(/https?:\/\/\S+\/set-up\/[\w-]+/)?.[0];
  assert.ok(link, `no set-up link was printed:\n${product.log}`);
  const setUp = new URL(link).pathname;
  let owner;
  let admin;

  await t.test('the set-up link makes the first administrator, once', async () => {
    admin = await Visitor.arrive(t, browser, product);
    const { page } = admin;
    await admin.open(setUp);
    await page.getByLabel('Account name', { exact: true }).fill('Acme');
    await page.getByLabel('E-mail', { exact: true }).fill('admin@example.com');
    const password = page.getByLabel('Password', { exact: true });
    for (const weak of ['short', 'passwordpassword']) {
      await password.evaluate((field) => field.removeAttribute('minlength'));
      await password.fill(weak);
      const refused = page.waitForResponse((response) => response.request().method() === 'POST');
      admin.expectRefusal(setUp);
      await page.getByRole('button', { name: 'Create account', exact: true }).click();
      assert.ok((await refused).status() < 500);
      await page.locator('#password-error').waitFor();
    }
    await password.fill(PASSWORD);
    await page.getByRole('button', { name: 'Create account', exact: true }).click();
    await page.waitForURL((url) => url.pathname !== setUp);
    const guest = await Visitor.arrive(t, browser, product);
    await guest.open(setUp, 404);
    if (new URL(page.url()).pathname === '/sign-in') await admin.signIn('admin@example.com');
    const { items: accounts } = await product.operate('account', 'list');
    assert.deepEqual(accounts.map(({ name }) => name), ['Acme']);
    [owner] = accounts;
  });

  await t.test('a wrong set-up link is nothing', async () => {
    const guest = await Visitor.arrive(t, browser, product);
    await guest.open('/set-up/nonsense', 404);
  });

  let environment;
  await t.test('an environment', async () => {
    const { page } = admin;
    await admin.open(`/accounts/${owner.id}/environments/new`);
    await page.getByLabel('Name', { exact: true }).fill('Production');
    await page.getByRole('button', { name: 'Create', exact: true }).click();
    await page.waitForURL(/\/environments\/env_/);
    environment = { id: page.url().match(/env_[0-9a-z]{26}/)[0] };
  });

  let colleague;
  await t.test('an invited colleague chooses a password, and has the role', async () => {
    const { page } = admin;
    await admin.open(apiManagementPath(environment));
    await page.getByRole('link', { name: 'Users', exact: true }).click();
    await page.getByLabel('E-mail', { exact: true }).fill('operations@example.com');
    await page.getByLabel('Role', { exact: true }).selectOption('administrator');
    await page.getByRole('button', { name: 'Create invitation', exact: true }).click();
    const invitation = await admin.copied(page.getByRole('button', { name: /^Copy invitation link$/ }));
    colleague = await Visitor.arrive(t, browser, product);
    await colleague.open(new URL(invitation).pathname);
    await colleague.page.getByLabel('Password', { exact: true }).fill(PASSWORD);
    await colleague.page.getByRole('button', { name: 'Accept invitation', exact: true }).click();
    await colleague.page.waitForURL((url) => !url.pathname.startsWith('/invitations/'));
    const again = await Visitor.arrive(t, browser, product);
    await again.open(new URL(invitation).pathname, 404);
    if (new URL(colleague.page.url()).pathname === '/sign-in') await colleague.signIn('operations@example.com');
    await new ApiManagement(colleague, environment).open();
    await colleague.open(apiManagementPath(owner), 404);
  });

  await t.test('a demoted colleague has lost it with the next request', async () => {
    const { page } = admin;
    await admin.open(apiManagementPath(environment));
    await page.getByRole('link', { name: 'Users', exact: true }).click();
    await page.getByLabel('Role of operations@example.com').selectOption('reader');
    const answered = page.waitForResponse((response) => response.request().method() === 'POST');
    await page.getByRole('button', { name: 'Save the role of operations@example.com', exact: true }).click();
    await answered;
    await colleague.open(apiManagementPath(environment), 404);
    await colleague.open(`/environments/${environment.id}`);
  });

  await t.test('signing out ends the session, also for whoever kept the cookie', async () => {
    const cookies = await admin.context.cookies();
    for (const { name, secure, httpOnly, sameSite } of cookies) {
      assert.match(name, /^__Host-/);
      assert.ok(secure && httpOnly && ['Lax', 'Strict'].includes(sameSite), name);
    }
    await admin.open(`/environments/${environment.id}`);
    await admin.page.getByLabel(/^Your account/).click();
    await admin.page.getByRole('button', { name: 'Sign out', exact: true }).click();
    await admin.page.waitForURL((url) => url.pathname === '/sign-in');
    const kept = cookies.map(({ name, value }) => `${name}=${value}`).join('; ');
    const answer = await fetch(product.url + apiManagementPath(environment), { headers: { cookie: kept }, redirect: 'manual' });
    assert.ok([302, 303].includes(answer.status), `${answer.status}`);
    assert.match(answer.headers.get('location'), /^\/sign-in/);
  });

  await t.test('pages may not be framed, sniffed, scripted from elsewhere or kept by a cache', async () => {
    for (const path of ['/sign-in', apiManagementPath(environment), '/nothing']) {
      const { headers } = await fetch(product.url + path);
      const policy = headers.get('content-security-policy');
      assert.match(policy, /default-src '(none|self)'/);
      assert.match(policy, /frame-ancestors 'none'/);
      assert.doesNotMatch(policy, /unsafe-inline|unsafe-eval|\*|https?:/);
      assert.equal(headers.get('x-content-type-options'), 'nosniff');
      assert.match(headers.get('referrer-policy'), /no-referrer|same-origin|strict-origin/);
    }
    const { headers } = await fetch(product.url + '/sign-in');
    assert.match(headers.get('cache-control'), /no-store/);
  });
});
