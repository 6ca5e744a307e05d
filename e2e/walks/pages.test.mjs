import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { ApiManagement } from '../api-management.mjs';
import { openBrowser, Visitor } from '../browser.mjs';
import { api, tokenFor } from '../program.mjs';
import { PASSWORD, Product, SCOPES } from '../product.mjs';

const SCREENSHOTS = fileURLToPath(new URL('../screenshots/', import.meta.url));
const WIDTHS = { wide: { width: 1280, height: 900 }, phone: { width: 390, height: 844 } };
const VIEWS = ['light', 'dark'].flatMap((colorScheme) =>
  Object.entries(WIDTHS).map(([size, viewport]) => ({ colorScheme, size, viewport })),
);

// Two views at a time: a browser waits for much of what it shows.
test('every page, in both themes, wide and narrow', { concurrency: 2 }, async (t) => {
  const product = await Product.start(t);
  const browser = await openBrowser(t);
  const account = await product.account('Acme Hospitality Group');
  const environment = await product.environment(account, 'Production');
  const empty = await product.environment(account, 'A newly made environment with a name that is rather long');
  await product.user('admin@example.com', 'administrator', account);
  await product.user('reader@example.com', 'reader', environment);
  await product.user('nobody@example.com');
  const found = await product.keypair(environment, SCOPES.slice(0, 1), 'In a public repository');
  const application = await product.operate(
    ...['application', 'create', '--owner', account.id, '--name', 'Dashboard in the lobby'],
    ...['--redirect-uri', 'https://dashboard.example.com/callback', '--redirect-uri', 'http://127.0.0.1/callback'],
  );
  await fill();
  await mkdir(SCREENSHOTS, { recursive: true });

  await Promise.all(
    VIEWS.map(({ colorScheme, size, viewport }) =>
      t.test(`${colorScheme}, ${size}`, async (t) => {
        const options = { colorScheme, viewport, reducedMotion: 'reduce' };
        // All of them at once, to be mended at once.
        const faults = [];
        const look = async (visitor, name, within) => {
          const path = `${SCREENSHOTS}${name}-${colorScheme}-${size}.png`;
          await visitor.page.screenshot({ path, fullPage: true });
          faults.push(...(await visitor.overflow()), ...(await visitor.barriers(within)));
        };

        const guest = await Visitor.arrive(t, browser, product, options);
        await guest.open('/sign-in');
        await look(guest, 'sign-in');
        await guest.page.getByLabel('E-mail', { exact: true }).fill('admin@example.com');
        await guest.page.getByLabel('Password', { exact: true }).fill('not the password at all');
        guest.expectRefusal('/sign-in');
        await guest.page.getByRole('button', { name: 'Sign in', exact: true }).click();
        await guest.page.getByRole('alert').waitFor();
        await look(guest, 'sign-in-refused');
        await guest.open('/leaked-secret');
        await look(guest, 'leaked-secret');
        await guest.page.getByLabel('Key Secret', { exact: true }).fill(found.secret);
        await guest.page.getByRole('button', { name: 'Report', exact: true }).click();
        await guest.page.getByText('Thank you.').waitFor();
        await look(guest, 'leaked-secret-reported');

        const admin = await (await Visitor.arrive(t, browser, product, options)).signIn('admin@example.com');
        const shapes = new Set();
        await admin.walk(
          // One page of each shape for either owner, and one environment without anything in it.
          (path) => !path.includes('?') && !path.startsWith('/v1/'),
          async (path) => {
            const shape = nameOf(path);
            if (shapes.has(shape)) return;
            shapes.add(shape);
            await look(admin, shape);
          },
          new URL(admin.page.url()).pathname,
          `/environments/${environment.id}`,
          `/environments/${empty.id}`,
        );
        for (const part of ['users', 'api-management', 'api-management-new', 'edit', 'public-keys', 'rotate', 'remove', 'applications', 'audit-log', 'settings', 'queries', 'queries-new', 'queries-one', 'docs']) {
          assert.ok([...shapes].some((shape) => shape.endsWith(part)), `${part} is not among ${[...shapes]}`);
        }

        const management = new ApiManagement(admin, environment);
        await management.create({ comment: `Made in ${colorScheme}, ${size}`, scopes: [SCOPES[0]] });
        await look(admin, 'keypair-shown-once');
        await management.finishReading();
        await management.open();
        await management.button('Create API keypair').click();
        admin.expectRefusal(management.path);
        await management.button('Create').click();
        await management.page.getByText(/at least one scope/i).waitFor();
        await look(admin, 'keypair-refused');
        for (const [name, menu] of Object.entries({ switcher: /Switch account or environment/, user: /^Your account/ })) {
          await admin.open(`/environments/${environment.id}`);
          await admin.page.getByLabel(menu).first().click();
          // It lies over the rest, which is out of reach meanwhile.
          await look(admin, `open-${name}`, 'details[open]');
        }
        await admin.open('/nothing-here', 404);
        await look(admin, 'not-found');

        await admin.open(asking({}));
        await look(admin, 'authorize-where');
        await admin.open(asking({ owner: environment.id }));
        await look(admin, 'authorize');
        await admin.open(asking({ client_id: 'feedback-cli', redirect_uri: 'http://127.0.0.1:1/', owner: account.id }));
        await look(admin, 'authorize-command-line');
        await guest.open(asking({ code_challenge: '' }), 400);
        await look(guest, 'authorize-refused');

        const reader = await (await Visitor.arrive(t, browser, product, options)).signIn('reader@example.com');
        await look(reader, 'reader-start');
        const nobody = await (await Visitor.arrive(t, browser, product, options)).signIn('nobody@example.com');
        await look(nobody, 'welcome');
        await nobody.open(asking({}));
        await look(nobody, 'authorize-nothing');
        assert.equal(faults.length, 0, faults.join('\n'));
      }),
    ),
  );

  await Promise.all(
    VIEWS.map(({ colorScheme, size, viewport }) =>
      t.test(`the API’s page, ${colorScheme}, ${size}`, async (t) => {
        const guest = await Visitor.arrive(t, browser, product, { colorScheme, viewport });
        await guest.open('/docs');
        await guest.page.screenshot({ path: `${SCREENSHOTS}docs-${colorScheme}-${size}.png` });
        assert.deepEqual([...(await guest.overflow()), ...(await guest.barriers())], []);
      }),
    ),
  );

  await t.test('nothing is wider than 360 pixels, with the longest words there are', async (t) => {
    const viewport = { width: 360, height: 740 };
    const long = 'Donaudampfschifffahrtsgesellschaftskapitänsmützenabzeichenfarbe'.repeat(3);
    await product.keypair(environment, SCOPES.slice(0, 4), long);
    const admin = await (await Visitor.arrive(t, browser, product, { viewport })).signIn('admin@example.com');
    const faults = [];
    const visited = await admin.walk(
      (path) => !path.startsWith('/v1/'),
      async () => faults.push(...(await admin.overflow())),
      new URL(admin.page.url()).pathname,
      `/environments/${environment.id}`,
    );
    assert.deepEqual(faults, []);
    assert.ok(visited.size > 20, `only ${visited.size} pages were found`);
  });

  await t.test('signing in, choosing and leaving, by keyboard alone', async (t) => {
    const visitor = await Visitor.arrive(t, browser, product);
    const { page } = visitor;
    await visitor.open('/sign-in');
    await page.getByLabel('E-mail', { exact: true }).focus();
    await page.keyboard.type('admin@example.com');
    await page.keyboard.press('Tab');
    await page.keyboard.type(PASSWORD);
    await page.keyboard.press('Enter');
    await page.waitForURL((url) => url.pathname !== '/sign-in');
    await page.keyboard.press('Tab');
    assert.match(await focused(page), /skip to content/i);
    const reached = [];
    for (let n = 0; n < 40 && !/API management/.test(reached.at(-1)); n += 1) {
      await page.keyboard.press('Tab');
      reached.push(await focused(page));
    }
    assert.match(reached.at(-1), /API management/, reached.join(' | '));
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { level: 1, name: 'API management' }).waitFor();
  });

  /** Where an application sends a person. */
  function asking(changes) {
    const parameters = {
      response_type: 'code',
      client_id: application.id,
      redirect_uri: application.redirect_uris[0],
      code_challenge: 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM',
      code_challenge_method: 'S256',
      ...changes,
    };
    return `/oauth2/authorize?${new URLSearchParams(parameters)}`;
  }

  /** The address without what is different from one object to the next. */
  function nameOf(path) {
    return (
      path
        .replace(empty.id, 'empty')
        .replace(/\/(acc|env)_[0-9a-z]{26}/, '')
        .replace(/\/(key|qry)_[0-9a-z]{26}/, '/one')
        .replace('/administration/access-management', '')
        .slice(1)
        .replaceAll('/', '-') || 'home'
    );
  }

  /** Weeks of answers, so that there is something to see. */
  async function fill() {
    const keypair = await product.keypair(account, SCOPES, 'Nightly export to the data warehouse');
    await product.keypair(environment, SCOPES.slice(0, 2), 'Dashboard in the lobby <script>alert(1)</script>');
    const unused = await product.keypair(environment, SCOPES.slice(2, 3), '');
    await product.operate('key', 'disable', unused.id);
    const token = await tokenFor(product, keypair);
    const path = `/v1/environments/${environment.id}`;
    const post = async (below, json) => {
      const answer = await api(product, token, path + below, { method: 'POST', json });
      assert.ok(answer.status < 300, answer.text);
      return answer.body;
    };
    const query = await post('/queries', { title: 'Breakfast', question: 'How did you like the breakfast?' });
    const closed = await post('/queries', { title: 'Check-in', question: 'How was your arrival?' });
    await post(`/queries/${closed.id}/close`);
    const responses = Array.from({ length: 600 }, (_, n) => ({
      id: `r-${n}`,
      score: [5, 4, 4, 3, 5, 2, 4, 5, 1, 4, 3][(n * 7 + (n % 13)) % 11],
      ...(n % 3 ? {} : { query: query.id }),
      ...(n % 7 ? {} : { text: 'Lovely people, cold eggs.' }),
      respondent: `guest-${n % 170}`,
      machine: `kiosk-${n % 9}`,
      at: new Date(Date.now() - (n % 40) * 86_400_000 - n * 1_000).toISOString(),
    }));
    await post('/responses', { responses });
  }
});

/** What has the keyboard, by its name. */
const focused = (page) =>
  page.evaluate(() => document.activeElement.getAttribute('aria-label') ?? document.activeElement.textContent.trim());
