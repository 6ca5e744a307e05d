import assert from 'node:assert/strict';
import { test } from 'node:test';
import { api, askForToken, assertInvalidClient, assertWorks, basic, tokenFor, tokenWithinASecond } from '../program.mjs';
import { ENVIRONMENT_SCOPES, Product, SCOPES } from '../product.mjs';
import { request, send } from '../raw-http.mjs';

const FORM = ['Content-Type', 'application/x-www-form-urlencoded'];
const GRANT = 'grant_type=client_credentials';

function assertRefused({ status, headers, body }, expectedStatus, error, says) {
  assert.equal(status, expectedStatus, JSON.stringify(body));
  assert.equal(body.error, error, JSON.stringify(body));
  assert.match(headers.get('content-type'), /^application\/json/);
  assert.equal(headers.get('cache-control'), 'no-store');
  assert.ok(!('access_token' in body));
  // RFC 6749 §5.2: printable ASCII without quotation mark and backslash.
  assert.match(body.error_description, /^[\x20-\x21\x23-\x5b\x5d-\x7e]{10,}$/);
  if (says) assert.match(body.error_description, says);
}

test('a keypair becomes a token', async (t) => {
  const product = await Product.start(t);
  const account = await product.account('Acme');
  const environment = await product.environment(account, 'Production');
  const keypair = await product.keypair(environment, ENVIRONMENT_SCOPES.slice(0, 3), 'Nightly export');
  const ofAccount = await product.keypair(account, SCOPES, 'All of it');

  await t.test('by Basic, with all that it may request', async () => {
    const { status, headers, body } = await askForToken(product, keypair);
    assert.equal(status, 200);
    assert.equal(headers.get('cache-control'), 'no-store');
    assert.equal(body.token_type, 'Bearer');
    assert.equal(body.expires_in, 3600);
    assert.deepEqual(body.scope.split(' ').sort(), ENVIRONMENT_SCOPES.slice(0, 3).sort());
    const [header, claims] = body.access_token
      .split('.', 2)
      .map((part) => JSON.parse(Buffer.from(part, 'base64url')));
    assert.equal(header.typ, 'at+jwt');
    assert.equal(header.alg, 'ES256');
    assert.equal(claims.iss, product.url);
    assert.equal(claims.sub, keypair.id);
    assert.equal(claims.client_id, keypair.id);
    assert.equal(claims.owner, environment.id);
    assert.equal(claims.exp - claims.iat, 3600);
    assert.ok(claims.aud && claims.jti && claims.scope);
  });

  await t.test('by Basic with every byte percent-encoded', async () => {
    const encoded = (text) => [...Buffer.from(text)].map((byte) => `%${byte.toString(16)}`).join('');
    const credentials = { id: encoded(keypair.id), secret: encoded(keypair.secret) };
    await assertWorks(product, await tokenFor(product, credentials));
  });

  await t.test('by the form body', async () => {
    const fields = { client_id: keypair.id, client_secret: keypair.secret };
    await assertWorks(product, await tokenFor(product, null, fields));
  });

  await t.test('narrowed to the scopes that were asked for', async () => {
    const { body } = await askForToken(product, keypair, { scope: 'feedback-report:read' });
    assert.equal(body.scope, 'feedback-report:read');
    assert.deepEqual((await assertWorks(product, body.access_token)).scopes, ['feedback-report:read']);
  });

  await t.test('an empty scope is an omitted one', async () => {
    const { body } = await askForToken(product, keypair, { scope: '' });
    assert.equal(body.scope.split(' ').length, 3);
  });

  await t.test('narrowed to one environment of the account', async () => {
    const staging = await product.environment(account, 'Staging');
    const whole = await assertWorks(product, await tokenFor(product, ofAccount));
    assert.deepEqual(whole.environments.map(({ id }) => id).sort(), [environment.id, staging.id].sort());
    const { resource } = await (await fetch(`${product.url}/.well-known/oauth-protected-resource`)).json();
    await assertWorks(product, await tokenFor(product, ofAccount, { resource }));
    const narrowed = await tokenFor(product, ofAccount, {
      resource: `${product.url}/v1/environments/${staging.id}`,
    });
    assert.deepEqual((await assertWorks(product, narrowed)).environments.map(({ id }) => id), [staging.id]);
    assert.equal((await api(product, narrowed, `/v1/environments/${environment.id}`)).status, 404);
    for (const elsewhere of ['https://elsewhere.example/', `${product.url}/nothing`, 'no url']) {
      assertRefused(await askForToken(product, ofAccount, { resource: elsewhere }), 400, 'invalid_target');
    }
  });

  await t.test('the metadata says what is there', async () => {
    const metadata = await (await fetch(`${product.url}/.well-known/oauth-authorization-server`)).json();
    assert.equal(metadata.issuer, product.url);
    assert.equal(metadata.token_endpoint, `${product.url}/oauth2/token`);
    assert.equal(metadata.jwks_uri, `${product.url}/oauth2/jwks`);
    assert.ok(metadata.grant_types_supported.includes('client_credentials'));
    for (const method of ['client_secret_basic', 'client_secret_post']) {
      assert.ok(metadata.token_endpoint_auth_methods_supported.includes(method));
    }
    assert.deepEqual([...metadata.scopes_supported].sort(), [...SCOPES].sort());
    const { keys } = await (await fetch(metadata.jwks_uri)).json();
    assert.ok(keys.length > 0);
    for (const key of keys) assert.ok(key.kid && !('d' in key), 'a private key is published');
    const api = await (await fetch(`${product.url}/.well-known/oauth-protected-resource`)).json();
    assert.deepEqual(api.authorization_servers, [product.url]);
  });
});

test('a bad request for a token is told what to mend', async (t) => {
  const product = await Product.start(t);
  const account = await product.account('Acme');
  const keypair = await product.keypair(account, SCOPES.slice(0, 2), 'Nightly export');
  const AUTH = ['Authorization', basic(keypair)];
  const inBody = `client_id=${keypair.id}&client_secret=${keypair.secret}`;
  const post = (headers, body) => request(product, 'POST', '/oauth2/token', headers, body);
  const cases = [
    ['a JSON body', [AUTH, ['Content-Type', 'application/json']], '{"grant_type":"client_credentials"}'],
    ['no content type', [AUTH], GRANT],
    ['a multipart body', [AUTH, ['Content-Type', 'multipart/form-data; boundary=x']], '--x--'],
    ['two content types', [AUTH, FORM, ['Content-Type', 'text/plain']], GRANT],
    ['no grant type', [AUTH, FORM], ''],
    ['the grant type twice', [AUTH, FORM], `${GRANT}&${GRANT}`],
    ['the scope twice', [AUTH, FORM], `${GRANT}&scope=feedback-report:read&scope=feedback-report:read`],
    ['an unknown parameter twice', [AUTH, FORM], `${GRANT}&x=1&x=2`],
    ['the Key ID twice', [FORM], `${GRANT}&client_id=${keypair.id}&${inBody}`],
    ['two ways of authentication', [AUTH, FORM], `${GRANT}&${inBody}`],
    ['two Authorization headers', [AUTH, AUTH, FORM], GRANT],
    ['another Key ID in the body', [AUTH, FORM], `${GRANT}&client_id=key_01h455vb4pex5vsknk084sn02q`],
    ['a body over 16 KiB', [AUTH, FORM], `${GRANT}&x=${'x'.repeat(16 * 1024)}`],
    ['escaped bytes that are no UTF-8', [AUTH, FORM], `${GRANT}&scope=%ff%fe`],
    ['raw bytes that are no UTF-8', [AUTH, FORM], `${GRANT}&scope=\xff\xfe`],
    ['a half percent escape', [AUTH, FORM], `${GRANT}&scope=%f`],
    ['a NUL', [AUTH, FORM], `${GRANT}&scope=feedback-report%00read`],
  ];
  for (const [what, headers, body] of cases) {
    await t.test(what, async () => {
      const answer = await post(headers, body);
      if (what === 'a NUL') return assertRefused(answer, 400, 'invalid_scope');
      assertRefused(answer, 400, 'invalid_request');
    });
  }

  const encode = (text) => 'Basic ' + Buffer.from(text, 'latin1').toString('base64');
  const headers = [
    ['Basic without a colon', encode('no-colon-here')],
    ['Basic that is no base64', 'Basic !!!!'],
    ['Basic with nothing', 'Basic'],
    ['Basic with a NUL', encode(`${keypair.id}\0:${keypair.secret}`)],
    ['Basic with invalid UTF-8', encode(`${keypair.id}:\xff\xfe`)],
    ['Basic with escapes that are no UTF-8', encode(`${keypair.id}:%ff%fe`)],
    ['Basic with a half escape', encode(`${keypair.id}:%f`)],
  ];
  for (const [what, value] of headers) {
    await t.test(what, async () => {
      assertRefused(await post([['Authorization', value], FORM], GRANT), 400, 'invalid_request');
    });
  }

  await t.test('another scheme is no authentication of a client', async () => {
    const answer = await post([['Authorization', 'Bearer x'], FORM], GRANT);
    assertRefused(answer, 401, 'invalid_client');
    assert.match(answer.headers.get('www-authenticate'), /^Basic\b/);
  });

  await t.test('no authentication', async () => {
    assertRefused(await post([FORM], GRANT), 401, 'invalid_client');
  });

  await t.test('credentials in the address', async () => {
    const target = `/oauth2/token?${inBody}`;
    assertRefused(await request(product, 'POST', target, [FORM], GRANT), 400, 'invalid_request');
  });

  await t.test('another grant', async () => {
    for (const grant of ['password', 'Client_Credentials']) {
      assertRefused(await post([AUTH, FORM], `grant_type=${grant}`), 400, 'unsupported_grant_type');
    }
    for (const grant of ['authorization_code', 'refresh_token']) {
      assertRefused(await post([AUTH, FORM], `grant_type=${grant}`), 400, 'unauthorized_client');
    }
  });

  await t.test('a scope that it may not request, by name', async () => {
    for (const scope of ['feedback-admin', 'feedback-report:write', 'FEEDBACK-REPORT:READ']) {
      const answer = await askForToken(product, keypair, { scope: `feedback-report:read ${scope}` });
      assertRefused(answer, 400, 'invalid_scope', new RegExp(scope));
    }
    for (const scope of ['feedback-report:read\u00a0feedback-admin', '"', '\\', 'ä'.repeat(500)]) {
      assertRefused(await askForToken(product, keypair, { scope }), 400, 'invalid_scope');
    }
  });

  await t.test('a scope twice', async () => {
    const scope = 'feedback-report:read feedback-report:read';
    assertRefused(await askForToken(product, keypair, { scope }), 400, 'invalid_scope', /feedback-report:read/);
  });

  await t.test('other methods', async () => {
    for (const method of ['GET', 'PUT', 'DELETE', 'PATCH']) {
      const { status, headers } = await request(product, method, '/oauth2/token');
      assert.equal(status, 405, method);
      assert.match(headers.get('allow'), /POST/);
    }
  });

  await t.test('headers of a megabyte', async () => {
    const { status } = await post([AUTH, FORM, ['X-Long', 'x'.repeat(1 << 20)]], GRANT);
    assert.ok(status === 431 || status === 0, `${status}`);
  });

  await t.test('bytes that are no HTTP', async () => {
    const { status } = await send(product, Buffer.from('\x16\x03\x01\x02\x00\x01\x00\r\n\r\n', 'latin1'));
    assert.ok(status === 400 || status === 0, `${status}`);
  });

  await t.test('and the good one still works', async () => {
    await assertWorks(product, await tokenFor(product, keypair));
  });
});

test('one answer for every keypair that is not valid', async (t) => {
  const product = await Product.start(t);
  const account = await product.account('Acme');
  const closed = await product.environment(account, 'Closed');
  const make = (owner, comment) => product.keypair(owner, ['feedback-report:read'], comment);
  const valid = await make(account, 'valid');
  const disabled = await make(account, 'disabled');
  const removed = await make(account, 'removed');
  const ofClosed = await make(closed, 'of a closed environment');
  await product.operate('key', 'disable', disabled.id);
  await product.operate('key', 'remove', removed.id, '--yes');
  await product.operate('environment', 'close', closed.id, '--yes');

  const invalid = {
    'an unknown Key ID': { id: 'key_01h455vb4pex5vsknk084sn02q', secret: valid.secret },
    'no Key ID at all': { id: 'somebody', secret: valid.secret },
    'an empty Key ID': { id: '', secret: valid.secret },
    'a Key ID in capitals': { id: valid.id.toUpperCase(), secret: valid.secret },
    'the secret of another': { id: valid.id, secret: disabled.secret },
    'a secret with a wrong checksum': { id: valid.id, secret: valid.secret.slice(0, -1) + (valid.secret.endsWith('0') ? '1' : '0') },
    'an empty secret': { id: valid.id, secret: '' },
    disabled,
    removed,
    'a closed owner': ofClosed,
  };
  const bodies = new Set();
  for (const [what, keypair] of Object.entries(invalid)) {
    await t.test(what, async () => {
      // With scopes that nobody has, too: whoever is not the client learns nothing about them.
      for (const extra of [{}, { scope: 'feedback-admin' }]) {
        const byHeader = await askForToken(product, keypair, extra);
        assertRefused(byHeader, 401, 'invalid_client');
        assert.match(byHeader.headers.get('www-authenticate'), /^Basic\b/);
        bodies.add(JSON.stringify(byHeader.body));
      }
    });
  }
  await t.test('with one body, also for the form', async () => {
    for (const keypair of [disabled, removed]) {
      const fields = { client_id: keypair.id, client_secret: keypair.secret };
      const byForm = await askForToken(product, null, fields);
      assertRefused(byForm, 401, 'invalid_client');
      bodies.add(JSON.stringify(byForm.body));
    }
    assert.equal(bodies.size, 1, [...bodies].join('\n'));
  });
  await t.test('while the valid one is served', async () => {
    await assertWorks(product, await tokenFor(product, valid));
    await product.operate('key', 'enable', disabled.id);
    await tokenWithinASecond(product, disabled);
    await assertInvalidClient(product, removed);
  });
});
