import assert from 'node:assert/strict';
import { createPublicKey, generateKeyPairSync, randomUUID, sign } from 'node:crypto';
import { test } from 'node:test';
import { ApiManagement } from '../api-management.mjs';
import { openBrowser, Visitor } from '../browser.mjs';
import { askForToken, assertDead, assertInvalidClient, assertWorks, tokenFor } from '../program.mjs';
import { Product } from '../product.mjs';

/** Asks for a token with an assertion that this private key signs (ES256). */
async function signIn(product, { id }, privateKey) {
  const encode = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const exp = Math.floor(Date.now() / 1000) + 60;
  const claims = { iss: id, sub: id, aud: product.url, exp, jti: randomUUID() };
  const message = `${encode({ alg: 'ES256' })}.${encode(claims)}`;
  const signature = sign('sha256', message, { key: privateKey, dsaEncoding: 'ieee-p1363' }).toString('base64url');
  return askForToken(product, null, {
    client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
    client_assertion: `${message}.${signature}`,
  });
}

test('a keypair goes over to signing', async (t) => {
  const product = await Product.start(t);
  const browser = await openBrowser(t);
  const environment = await product.environment(await product.account('Acme'), 'Production');
  await product.user('admin@example.com', 'administrator', environment);

  for (const javaScriptEnabled of [true, false]) {
    await t.test(javaScriptEnabled ? 'with a key pair made in the browser' : 'without JavaScript', async (t) => {
      const keypair = await product.keypair(environment, ['feedback-report:read'], 'Signs');
      const bySecret = await tokenFor(product, keypair);
      const visitor = await Visitor.arrive(t, browser, product, { javaScriptEnabled });
      await visitor.signIn('admin@example.com');
      const management = new ApiManagement(visitor, environment);
      const { page } = visitor;
      const sent = [];
      page.on('request', (request) => sent.push(request.url(), request.postData() ?? ''));
      await management.press(keypair, 'Edit');
      await management.button('Public keys').click();
      const field = page.getByLabel('Public key (PEM or JWK)', { exact: true });
      const make = management.button('Make a key pair in this browser');
      let privateKey;
      if (javaScriptEnabled) {
        await make.click();
        privateKey = await page.getByText('BEGIN PRIVATE KEY').textContent();
        const jwk = createPublicKey(privateKey).export({ format: 'jwk' });
        assert.deepEqual(JSON.parse(await field.inputValue()), jwk);
        const [download] = await Promise.all([
          page.waitForEvent('download'),
          page.getByRole('link', { name: 'Download it' }).click(),
        ]);
        assert.equal(download.suggestedFilename(), `${keypair.id}.pem`);
        // Not before it was said to be saved.
        await management.button('Add public key').click();
        assert.equal(await page.getByRole('heading', { name: 'Registered' }).count(), 0);
        await page.getByLabel('I have saved the private key').check();
        assert.deepEqual(await visitor.barriers(), []);
      } else {
        assert.equal(await make.count(), 0);
        const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' });
        privateKey = pair.privateKey.export({ format: 'pem', type: 'pkcs8' });
        await field.fill(pair.publicKey.export({ format: 'pem', type: 'spki' }));
      }
      await management.button('Add public key').click();
      await page.getByRole('heading', { name: 'Registered' }).waitFor();
      const secretPart = privateKey.split('\n')[1];
      assert.ok(sent.length && !sent.some((text) => decodeURIComponent(text).includes(secretPart)), 'it was sent');
      if (javaScriptEnabled) assert.deepEqual(await visitor.barriers(), []);

      const { status, body } = await signIn(product, keypair, privateKey);
      assert.equal(status, 200, JSON.stringify(body));
      await management.confirm('Stop accepting secrets');
      await management.button('Accept secrets').waitFor();
      await assertDead(product, bySecret);
      await assertInvalidClient(product, keypair);
      await assertWorks(product, body.access_token);

      await management.button('Accept secrets').click();
      await management.confirm(/^Remove public key \d+ /);
      await page.getByText('The public key was removed.').waitFor();
      await assertDead(product, body.access_token);
      assert.equal((await signIn(product, keypair, privateKey)).status, 401);
      await assertWorks(product, await tokenFor(product, keypair));
    });
  }
});
