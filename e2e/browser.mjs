// A person at a browser: real Chromium, watched for everything that a page must not do.
import assert from 'node:assert/strict';
import { chromium } from 'playwright-core';
import axe from 'axe-core';
import { PASSWORD } from './product.mjs';

const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

export async function openBrowser(t) {
  const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: FLAGS });
  t.after(() => browser.close());
  return browser;
}

export class Visitor {
  /** Somebody with a browser of their own; when the test `t` ends, their pages must have behaved. */
  static async arrive(t, browser, product, options = {}) {
    const visitor = new Visitor();
    visitor.product = product;
    visitor.context = await browser.newContext({ baseURL: product.url, locale: 'en-GB', ...options });
    visitor.context.setDefaultTimeout(30_000);
    await visitor.context.grantPermissions(['clipboard-read', 'clipboard-write'], { origin: product.url });
    visitor.page = await visitor.context.newPage();
    visitor.#watch();
    t.after(async () => {
      await visitor.context.close();
      assert.deepEqual(visitor.#misdeeds, []);
    });
    return visitor;
  }

  #misdeeds = [];
  /** Other origins that the browser is led to, in the knowledge of the test. */
  #origins = new Set();
  /** Addresses that were asked for in the knowledge that the answer is an error, which Chromium puts on its console. */
  #refusals = new Set();

  #watch() {
    const { page, product } = this;
    page.on('request', (request) => {
      const url = request.url();
      const led = [...this.#origins].some((origin) => url.startsWith(`${origin}/`));
      if (!led && !url.startsWith(`${product.url}/`) && !/^(data|blob):/.test(url)) {
        this.#misdeeds.push(`a request left the host: ${url}`);
      }
    });
    page.on('response', (response) => {
      if (response.status() >= 500) this.#misdeeds.push(`${response.status()} at ${response.url()}`);
    });
    page.on('pageerror', (error) => this.#misdeeds.push(`an exception at ${page.url()}: ${error}`));
    page.on('console', (message) => {
      // A violated Content-Security-Policy is an error on the console, too.
      if (!['error', 'warning'].includes(message.type())) return;
      if (message.text().startsWith('Failed to load resource') && this.#refusals.has(message.location().url)) return;
      this.#misdeeds.push(`${message.type()} at ${page.url()}: ${message.text()}`);
    });
  }

  async signIn(email, password = PASSWORD) {
    await this.open('/sign-in');
    await this.page.getByLabel('E-mail', { exact: true }).fill(email);
    await this.page.getByLabel('Password', { exact: true }).fill(password);
    await this.page.getByRole('button', { name: 'Sign in', exact: true }).click();
    await this.page.waitForURL((url) => url.pathname !== '/sign-in');
    return this;
  }

  /** The browser will be led to this origin, and that is right. */
  expectToLeave(origin) {
    this.#origins.add(origin);
    // It asks there for an icon, and there is none.
    this.#refusals.add(`${origin}/favicon.ico`);
  }

  /** This address will answer with an error, and that is right. */
  expectRefusal(path) {
    this.#refusals.add(this.product.url + path);
  }

  async open(path, status = 200) {
    if (status >= 400) this.expectRefusal(path);
    const response = await this.page.goto(path);
    assert.equal(response.status(), status, `${path} as ${await this.page.title()}`);
    return response;
  }

  /** What the form would do, from a page of the same origin, without the form being offered. */
  async act(path, fields = {}, method = 'POST') {
    this.expectRefusal(path);
    return this.page.evaluate(
      async ([path, fields, method]) =>
        (await fetch(path, { method, body: new URLSearchParams(fields), redirect: 'manual' })).status,
      [path, fields, method],
    );
  }

  /** Clicks a copy button and says what came into the clipboard. */
  async copied(button) {
    await this.page.evaluate(() => navigator.clipboard.writeText(''));
    await button.click();
    const text = await this.page.waitForFunction(() => navigator.clipboard.readText());
    return text.jsonValue();
  }

  /** Visits every page that can be reached by links and by forms that only ask, as far as `concerns` agrees. */
  async walk(concerns, look, ...starts) {
    const seen = new Set(starts);
    for (const path of seen) {
      await this.open(path);
      await look(path);
      for (const next of await this.#waysOn()) if (concerns(next)) seen.add(next);
    }
    return seen;
  }

  async #waysOn() {
    const addresses = await this.page.evaluate(() => [
      ...[...document.querySelectorAll('a[href]')].map(({ href }) => href),
      ...[...document.querySelectorAll('form')].filter(({ method }) => method === 'get').map(({ action }) => action),
    ]);
    return addresses
      .map((address) => new URL(address))
      .filter(({ origin }) => origin === this.product.url)
      .map(({ pathname, search }) => pathname + search);
  }

  /** The forms that change something on this page: where they go, and with which fields. */
  forms() {
    return this.page.locator('form[method=post i]').evaluateAll((forms) =>
      forms.map((form) => ({
        path: new URL(form.action).pathname + new URL(form.action).search,
        fields: Object.fromEntries(new FormData(form)),
      })),
    );
  }

  /** What makes this page wider than the window. */
  async overflow() {
    const { scroll, width, culprits } = await this.page.evaluate(() => {
      const width = document.documentElement.clientWidth;
      return {
        width,
        scroll: document.documentElement.scrollWidth,
        culprits: [...document.body.querySelectorAll('*')]
          .filter((element) => element.getBoundingClientRect().right > width + 1)
          .slice(0, 5)
          .map((element) => element.outerHTML.slice(0, 120)),
      };
    });
    return scroll <= width ? [] : [`${this.page.url()} is ${scroll} wide on ${width}: ${culprits.join('\n')}`];
  }

  /** What stands against names, labels, landmarks and contrast: WCAG 2.2 AA as far as a program can tell. */
  async barriers(within = 'html') {
    await this.page.evaluate(axe.source);
    const violations = await this.page.evaluate(async (within) => {
      const runOnly = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];
      const { violations } = await globalThis.axe.run(within, { runOnly });
      return violations.flatMap(({ id, nodes }) =>
        nodes.map(({ html, failureSummary }) => `${id}: ${html.slice(0, 200)}\n   ${failureSummary}`),
      );
    }, within);
    return violations.map((violation) => `${this.page.url()}\n   ${violation}`);
  }
}
