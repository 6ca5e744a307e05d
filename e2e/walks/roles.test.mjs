import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ApiManagement, apiManagementPath } from '../api-management.mjs';
import { openBrowser, Visitor } from '../browser.mjs';
import { tokenFor } from '../program.mjs';
import { Product } from '../product.mjs';

test('whoever is no full administrator finds no API management, neither to read nor to act', async (t) => {
  const product = await Product.start(t);
  const browser = await openBrowser(t);
  const account = await product.account('Acme');
  const environment = await product.environment(account, 'Production');
  const sibling = await product.environment(account, 'Staging');
  const stranger = await product.account('Globex');
  const ofAccount = await product.keypair(account, ['feedback-report:read'], 'of the account');
  const ofEnvironment = await product.keypair(environment, ['feedback-report:read'], 'of the environment');
  await product.user('admin@example.com', 'administrator', account);
  await product.user('reader@example.com', 'reader', account);
  await product.user('author@example.com', 'author', account);
  await product.user('reader.production@example.com', 'reader', environment);
  await product.user('author.production@example.com', 'author', environment);
  await product.user('nobody@example.com');
  await product.user('staging@example.com', 'administrator', sibling);
  await product.user('production@example.com', 'administrator', environment);
  await product.user('globex@example.com', 'administrator', stranger);

  // Every address and every act that an administrator is offered below Administration.
  const pages = new Set();
  const acts = new Map();
  await t.test('what an administrator is offered', async (t) => {
    const admin = await (await Visitor.arrive(t, browser, product)).signIn('admin@example.com');
    for (const [owner, keypair] of [[account, ofAccount], [environment, ofEnvironment]]) {
      const root = apiManagementPath(owner).replace('/access-management/api-management', '/');
      await admin.walk(
        (path) => path.startsWith(root),
        async (path) => {
          pages.add(path);
          for (const { path, fields } of await admin.forms()) if (path.startsWith(root)) acts.set(path, fields);
        },
        apiManagementPath(owner),
      );
      const one = `${apiManagementPath(owner)}/${keypair.id}`;
      acts.set(`${one}/enable`, {});
      for (const act of ['disable', 'edit', 'rotate', 'remove']) assert.ok(acts.has(`${one}/${act}`), act);
      for (const page of ['users', 'api-management', 'edit', 'rotate', 'remove', 'audit-log', 'settings']) {
        assert.ok([...pages].some((path) => path.startsWith(root) && path.endsWith(page)), page);
      }
    }
  });

  const belongsTo = (owner) => (path) => path.includes(owner.id);
  const everyone = () => true;
  const outsiders = [
    ['reader@example.com', everyone],
    ['author@example.com', everyone],
    ['reader.production@example.com', everyone],
    ['author.production@example.com', everyone],
    ['nobody@example.com', everyone],
    ['globex@example.com', everyone],
    ['staging@example.com', everyone],
    ['production@example.com', belongsTo(account)],
  ];
  for (const [email, concerns] of outsiders) {
    await t.test(email, async (t) => {
      const visitor = await (await Visitor.arrive(t, browser, product)).signIn(email);
      if (!/^(globex|staging|production)/.test(email)) {
        for (const name of ['Administration', 'Access management', 'API management', 'Users', 'Audit log', 'Settings']) {
          assert.equal(await visitor.page.getByText(name, { exact: true }).count(), 0, name);
        }
      }
      for (const path of [...pages].filter(concerns)) await visitor.open(path, 404);
      for (const [path, fields] of [...acts].filter(([path]) => concerns(path))) {
        assert.equal(await visitor.act(path, fields), 404, `POST ${path}`);
      }
      for (const owner of [account, environment].filter(({ id }) => concerns(id))) {
        const create = { comment: 'mine', scopes: 'feedback-report:read', scope: 'feedback-report:read' };
        assert.equal(await visitor.act(apiManagementPath(owner), create), 404);
      }
    });
  }

  await t.test('nobody signed in: sent to sign in, and nothing is done', async (t) => {
    const visitor = await Visitor.arrive(t, browser, product);
    await visitor.page.goto(apiManagementPath(account));
    assert.equal(new URL(visitor.page.url()).pathname, '/sign-in');
    for (const [path, fields] of acts) {
      const status = await visitor.act(path, fields);
      assert.ok([0, 401, 404].includes(status), `${status} for POST ${path}`);
    }
  });

  await t.test('a request from another site does nothing, whoever is signed in', async (t) => {
    const visitor = await (await Visitor.arrive(t, browser, product)).signIn('admin@example.com');
    const cookie = (await visitor.context.cookies()).map(({ name, value }) => `${name}=${value}`).join('; ');
    for (const [path, fields] of acts) {
      for (const origin of [{ origin: 'https://elsewhere.example', 'sec-fetch-site': 'cross-site' }, { origin: 'null' }, {}]) {
        const { status } = await fetch(product.url + path, {
          method: 'POST',
          headers: { cookie, 'content-type': 'application/x-www-form-urlencoded', ...origin },
          body: new URLSearchParams(fields),
          redirect: 'manual',
        });
        assert.ok(status >= 400 && status < 500, `${status} for POST ${path} with ${JSON.stringify(origin)}`);
      }
    }
  });

  await t.test('and the keypairs are as they were', async (t) => {
    await tokenFor(product, ofAccount);
    await tokenFor(product, ofEnvironment);
    const admin = await (await Visitor.arrive(t, browser, product)).signIn('admin@example.com');
    for (const [owner, keypair] of [[account, ofAccount], [environment, ofEnvironment]]) {
      const management = await new ApiManagement(admin, owner).open();
      await management.assertStatus(keypair, 'active');
      // The table's head, and this one.
      assert.equal(await admin.page.getByRole('row').count(), 2);
    }
  });
});
