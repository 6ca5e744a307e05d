import assert from 'node:assert/strict';
import { test } from 'node:test';
import { api, assertWorks, tokenFor } from '../program.mjs';
import { ENVIRONMENT_SCOPES, Product, SCOPES } from '../product.mjs';
import { request } from '../raw-http.mjs';

/** An answer that a program can act on, and that gives nothing of the inside away. */
function assertProblem({ status, headers, body }, expectedStatus, says) {
  const shown = JSON.stringify(body);
  assert.equal(status, expectedStatus, shown);
  assert.match(headers.get('content-type'), /^application\/problem\+json/, shown);
  assert.equal(body.status, expectedStatus, shown);
  assert.match(body.code, /^[a-z0-9_]+$/, shown);
  assert.ok(body.type && body.title && body.detail && body.request_id, shown);
  if (says) assert.match(shown, says);
}

/** What may not differ between "not yours" and "not there". */
const withoutRequestId = ({ body }) => JSON.stringify({ ...body, request_id: null });

test('who may not', async (t) => {
  const product = await Product.start(t);
  const account = await product.account('Acme');
  const environment = await product.environment(account, 'Production');
  const sibling = await product.environment(account, 'Staging');
  const stranger = await product.account('Globex');
  const strangersEnvironment = await product.environment(stranger, 'Production');
  const strangersKeypair = await product.keypair(strangersEnvironment, ['feedback-report:read'], 'theirs');
  const keypair = await product.keypair(environment, ENVIRONMENT_SCOPES, 'ours');
  const token = await tokenFor(product, keypair);
  const bearer = ['Authorization', `Bearer ${token}`];

  await t.test('no token: 401 without an error code', async () => {
    const answer = await api(product, null, '/v1/access');
    assertProblem(answer, 401);
    const challenge = answer.headers.get('www-authenticate');
    assert.match(challenge, /^Bearer\b/);
    assert.ok(challenge.includes(`resource_metadata="${product.url}/.well-known/oauth-protected-resource`), challenge);
    assert.doesNotMatch(challenge, /error/);
  });

  const [header, claims, signature] = token.split('.');
  const json = (object) => Buffer.from(JSON.stringify(object)).toString('base64url');
  const decoded = JSON.parse(Buffer.from(claims, 'base64url'));
  const decodedHeader = JSON.parse(Buffer.from(header, 'base64url'));
  const bad = {
    'no token at all': 'x',
    'three empty parts': '..',
    'a changed claim': `${header}.${json({ ...decoded, sub: strangersKeypair.id, client_id: strangersKeypair.id })}.${signature}`,
    'a later end': `${header}.${json({ ...decoded, exp: decoded.exp + 1 })}.${signature}`,
    'no algorithm': `${json({ ...decodedHeader, alg: 'none' })}.${claims}.`,
    'another algorithm': `${json({ ...decodedHeader, alg: 'HS256' })}.${claims}.${signature}`,
    'another type': `${json({ ...decodedHeader, typ: 'JWT' })}.${claims}.${signature}`,
    'a signature of zeros': `${header}.${claims}.${Buffer.alloc(64).toString('base64url')}`,
    'a signature cut short': token.slice(0, -4),
    'a long token': 'x'.repeat(8_000),
    'the secret itself': keypair.secret,
  };
  for (const [what, value] of Object.entries(bad)) {
    await t.test(`${what}: 401 invalid_token`, async () => {
      const answer = await api(product, value, '/v1/access');
      assertProblem(answer, 401);
      assert.match(answer.headers.get('www-authenticate'), /^Bearer\b.*error="invalid_token"/);
    });
  }

  await t.test('a token in the address: 400', async () => {
    assertProblem(await api(product, null, `/v1/access?access_token=${token}`), 400);
    assertProblem(await api(product, token, `/v1/access?access_token=${token}`), 400);
  });

  await t.test('a token twice: 400', async () => {
    assertProblem(await request(product, 'GET', '/v1/access', [bearer, bearer]), 400);
  });

  await t.test('a token in a form body does not count', async () => {
    const form = ['Content-Type', 'application/x-www-form-urlencoded'];
    const path = `/v1/environments/${environment.id}/queries`;
    const { status } = await request(product, 'POST', path, [form], `access_token=${token}`);
    assert.ok(status === 400 || status === 401, `${status}`);
  });

  await t.test('another scheme is no token', async () => {
    const answer = await request(product, 'GET', '/v1/access', [['Authorization', 'Basic eDp5']]);
    assertProblem(answer, 401);
  });

  await t.test('the scheme in any case', async () => {
    const { status } = await request(product, 'GET', '/v1/access', [['Authorization', `bEARER ${token}`]]);
    assert.equal(status, 200);
  });

  await t.test('a missing scope: 403, by name', async () => {
    const environmentPath = `/v1/environments/${environment.id}`;
    const day = 'from=2026-01-01&to=2026-01-02';
    const query = { title: 'T', question: 'Q?' };
    const needs = [
      ['GET', `${environmentPath}/reports/overview?${day}`, 'feedback-report:read'],
      ['GET', `${environmentPath}/reports/feedback?${day}`, 'feedback-report:read'],
      ['POST', `${environmentPath}/queries`, 'feedback-queries:create', query],
      ['POST', `${environmentPath}/responses`, 'feedback-responses:create', { responses: [{ score: 1 }] }],
      ['GET', `${environmentPath}/api-keys`, 'feedback-admin'],
      ['GET', `${environmentPath}/api-keys/${keypair.id}`, 'feedback-admin'],
      ['PATCH', `${environmentPath}/api-keys/${keypair.id}`, 'feedback-admin', { enabled: false }],
      ['DELETE', `${environmentPath}/api-keys/${keypair.id}`, 'feedback-admin'],
      ['POST', `${environmentPath}/api-keys`, 'feedback-admin', { comment: 'c', scopes: ['feedback-admin'] }],
      ['POST', `${environmentPath}/api-keys/${keypair.id}/secrets`, 'feedback-admin'],
      ['GET', `${environmentPath}/audit-events`, 'feedback-admin'],
      ['POST', '/v1/environments', 'feedback-account-admin', { name: 'New' }],
      ['PATCH', environmentPath, 'feedback-account-admin', { name: 'New' }],
      ['POST', `${environmentPath}/close`, 'feedback-account-admin'],
    ];
    for (const [method, path, scope, body] of needs) {
      const holding = ENVIRONMENT_SCOPES.filter((held) => held !== scope).join(' ');
      const without = await tokenFor(product, keypair, { scope: holding });
      const answer = await api(product, without, path, { method, json: body });
      assertProblem(answer, 403, new RegExp(scope));
      assert.equal(answer.body.code, 'insufficient_scope');
      const challenge = answer.headers.get('www-authenticate');
      assert.match(challenge, /^Bearer\b.*error="insufficient_scope"/);
      assert.ok(challenge.includes(scope), `${method} ${path}: ${challenge}`);
    }
    await assertWorks(product, token);
  });

  await t.test('what is not ours is as if it did not exist', async () => {
    const nowhere = (id) => id.slice(0, 4) + '01h455vb4pex5vsknk084sn02q';
    const pairs = [
      [`/v1/environments/${strangersEnvironment.id}`, `/v1/environments/${nowhere(strangersEnvironment.id)}`],
      [`/v1/environments/${sibling.id}`, `/v1/environments/${nowhere(sibling.id)}`],
      [`/v1/accounts/${stranger.id}`, `/v1/accounts/${nowhere(stranger.id)}`],
      [`/v1/environments/${strangersEnvironment.id}/api-keys`, `/v1/environments/${nowhere(sibling.id)}/api-keys`],
      [
        `/v1/environments/${environment.id}/api-keys/${strangersKeypair.id}`,
        `/v1/environments/${environment.id}/api-keys/${nowhere(strangersKeypair.id)}`,
      ],
      [
        `/v1/environments/${strangersEnvironment.id}/api-keys/${strangersKeypair.id}`,
        `/v1/environments/${environment.id}/api-keys/${nowhere(strangersKeypair.id)}`,
      ],
    ];
    for (const [theirs, none] of pairs) {
      const answers = [await api(product, token, theirs), await api(product, token, none)];
      answers.forEach((answer) => assertProblem(answer, 404));
      assert.equal(withoutRequestId(answers[0]), withoutRequestId(answers[1]));
    }
    for (const [method, json] of [['PATCH', { enabled: false }], ['DELETE']]) {
      const path = `/v1/environments/${environment.id}/api-keys/${strangersKeypair.id}`;
      assertProblem(await api(product, token, path, { method, json }), 404);
    }
    await tokenFor(product, strangersKeypair);
  });

  await t.test('paths that name nothing: 404', async () => {
    const odd = [
      '/v1', '/v1/', '/v1/nothing', '/v1/environments/x', `/v1/environments/${account.id}`,
      `/v1/environments/${environment.id.toUpperCase()}`, '/v1/environments/%00', '/v1/environments/%ff',
      '/v1/environments/..%2f..', `/v1/environments/${'e'.repeat(4_000)}`, "/v1/environments/'%20OR%201=1--",
      `/v1/environments/${environment.id}/api-keys/${environment.id}`,
      `/v1/environments/${environment.id}/queries/qry_`, `/v1/accounts/${environment.id}`,
    ];
    for (const path of odd) {
      const { status, body } = await request(product, 'GET', path, [bearer]);
      assert.equal(status, 404, `${path}: ${status} ${JSON.stringify(body)}`);
    }
  });

  await t.test('methods that are not there: 405 with Allow', async () => {
    for (const [method, path] of [['DELETE', '/v1/access'], ['PUT', `/v1/environments/${environment.id}`]]) {
      const answer = await api(product, token, path, { method });
      assert.equal(answer.status, 405, answer.text);
      assert.match(answer.headers.get('allow'), /GET/);
    }
  });
});

test('bad input gets a clear error and changes nothing', async (t) => {
  const product = await Product.start(t);
  const account = await product.account('Acme');
  const environment = await product.environment(account, 'Production');
  const keypair = await product.keypair(account, SCOPES, 'everything');
  const target = await product.keypair(environment, ENVIRONMENT_SCOPES.slice(0, 2), 'the one to edit');
  const token = await tokenFor(product, keypair);
  const path = `/v1/environments/${environment.id}`;
  const keyPath = `${path}/api-keys/${target.id}`;
  // Wide enough that midnight may pass.
  const day = (offset) => new Date(Date.now() + offset * 86_400_000).toISOString().slice(0, 10);
  const range = `from=${day(-1)}&to=${day(1)}`;
  const report = `${path}/reports/overview?${range}&combine=true`;
  const etag = (await api(product, token, keyPath)).headers.get('etag');
  const query = (await api(product, token, `${path}/queries`, {
    method: 'POST',
    json: { title: 'Checkout', question: 'How was it?' },
  })).body;

  const everything = async () => {
    const seen = [];
    for (const read of ['/v1/environments', `${path}/api-keys`, `/v1/accounts/${account.id}/api-keys`, `${path}/queries`, report]) {
      const { status, body, text } = await api(product, token, read);
      assert.equal(status, 200, `${read}: ${text}`);
      // The one thing that reading may move.
      seen.push(JSON.stringify(body, (name, value) => (name === 'last_used_at' ? undefined : value)));
    }
    return seen;
  };
  const before = await everything();

  const long = 'x'.repeat(10_000);
  const responses = (...rows) => ({ responses: rows });
  const newKey = (fields) => ({ comment: 'c', scopes: ['feedback-report:read'], ...fields });
  const J = 'application/json';
  /** [what, method, path, JSON or raw body, what the answer names, status (400), headers] */
  const cases = [
    ['an unknown field in an environment', 'POST', '/v1/environments', { name: 'n', colour: 'red' }, /colour/],
    ['an environment without a name', 'POST', '/v1/environments', {}, /name/],
    ['an empty name', 'POST', '/v1/environments', { name: '' }, /name/],
    ['a blank name', 'POST', '/v1/environments', { name: '   ' }, /name/],
    ['a name of 10,000 characters', 'POST', '/v1/environments', { name: long }, /name/],
    ['a name that is a number', 'POST', '/v1/environments', { name: 7 }, /name/],
    ['a name with a NUL', 'POST', '/v1/environments', { name: 'a\0b' }, /name/],
    ['an unknown field in a keypair', 'POST', `${path}/api-keys`, newKey({ colour: 1 }), /colour/],
    ['an owner from the body', 'POST', `${path}/api-keys`, newKey({ owner: { type: 'account', id: account.id } }), /owner/],
    ['an id from the body', 'POST', `${path}/api-keys`, newKey({ id: target.id }), /id/],
    ['a comment of 10,000 characters', 'POST', `${path}/api-keys`, newKey({ comment: long }), /comment/],
    ['a scope twice', 'POST', `${path}/api-keys`, newKey({ scopes: ['feedback-report:read', 'feedback-report:read'] }), /scope/],
    ['no scope', 'POST', `${path}/api-keys`, newKey({ scopes: [] }), /scopes/],
    ['an unknown scope', 'POST', `${path}/api-keys`, newKey({ scopes: ['feedback-everything'] }), /feedback-everything/],
    ['an account scope on an environment', 'POST', `${path}/api-keys`, newKey({ scopes: ['feedback-account-admin'] }), /feedback-account-admin/],
    ['an expiry that is no time', 'POST', `${path}/api-keys`, newKey({ expires_at: 'tomorrow' }), /expires_at/],
    ['an expiry that is over', 'POST', `${path}/api-keys`, newKey({ expires_at: '2020-01-01T00:00:00Z' }), /expires_at/],
    ['an edit of the owner', 'PATCH', keyPath, { owner: { type: 'account', id: account.id } }, /owner/],
    ['an edit of the creator', 'PATCH', keyPath, { created_by: 'me' }, /created_by/],
    ['an edit of the id', 'PATCH', keyPath, { id: keypair.id }, /id/],
    ['an edit to an unknown scope', 'PATCH', keyPath, { scopes: ['root'] }, /root/],
    ['an edit to an account scope', 'PATCH', keyPath, { scopes: ['feedback-account-admin'] }, /feedback-account-admin/],
    ['enabled as text', 'PATCH', keyPath, { enabled: 'no' }, /enabled/],
    ['an unknown field in a query', 'POST', `${path}/queries`, { title: 't', question: 'q', state: 'closed' }, /state/],
    ['a query without a question', 'POST', `${path}/queries`, { title: 't' }, /question/],
    ['a title of 10,000 characters', 'POST', `${path}/queries`, { title: long, question: 'q' }, /title/],
    ['a score of 0', 'POST', `${path}/responses`, responses({ score: 0 }), /score/],
    ['a score of 6', 'POST', `${path}/responses`, responses({ score: 6 }), /score/],
    ['a negative score', 'POST', `${path}/responses`, responses({ score: -1 }), /score/],
    ['half a score', 'POST', `${path}/responses`, responses({ score: 3.5 }), /score/],
    ['a score as text', 'POST', `${path}/responses`, responses({ score: '3' }), /score/],
    ['a huge score', 'POST', `${path}/responses`, '{"responses":[{"score":1e400}]}', null],
    ['a response without a score', 'POST', `${path}/responses`, responses({ text: 'fine' }), /score/],
    ['a batch with one bad row', 'POST', `${path}/responses`, responses({ score: 5 }, { score: 9 }, { score: 4 }), /1.*score|score.*1/],
    ['a batch with one unknown field', 'POST', `${path}/responses`, responses({ score: 5 }, { score: 4, mood: 'ok' }), /mood/],
    ['a batch of 1,001', 'POST', `${path}/responses`, responses(...Array(1_001).fill({ score: 3 })), /1,?000/],
    ['an empty batch', 'POST', `${path}/responses`, responses(), /responses/],
    ['a response to no query', 'POST', `${path}/responses`, responses({ score: 3, query: 'qry_01h455vb4pex5vsknk084sn02q' }), /query/],
    ['a response at no time', 'POST', `${path}/responses`, responses({ score: 3, at: 'noon' }), /at/],
    ['a text of a million characters', 'POST', `${path}/responses`, responses({ score: 3, text: 'x'.repeat(1_000_000) }), null, [400, 413]],
    ['JSON cut short', 'POST', `${path}/responses`, '{"responses":[{"score":3}', null],
    ['JSON of another shape', 'POST', `${path}/responses`, '[]', null],
    ['a bare null', 'POST', `${path}/responses`, 'null', null],
    ['no body', 'POST', `${path}/responses`, '', null],
    ['a field twice', 'POST', '/v1/environments', '{"name":"a","name":"b"}', /name/],
    ['JSON nested without end', 'POST', '/v1/environments', '{"name":' + '['.repeat(5_000), null],
    ['bytes that are no UTF-8', 'POST', '/v1/environments', Buffer.from('7b226e616d65223a22ff227d', 'hex'), null],
    ['a lone surrogate', 'POST', '/v1/environments', '{"name":"\\ud800"}', null],
    ['a form', 'POST', '/v1/environments', 'name=n', null, [415], { 'content-type': 'application/x-www-form-urlencoded' }],
    ['text', 'POST', '/v1/environments', '{"name":"n"}', null, [415], { 'content-type': 'text/plain' }],
    ['a body of 20 MB', 'POST', `${path}/responses`, `{"responses":[{"score":3,"text":"${'x'.repeat(20_000_000)}"}]}`, null, [413]],
    ['an old ETag', 'PATCH', keyPath, { comment: 'changed' }, null, [412], { 'if-match': '"another"' }],
    ['an ETag that is none', 'PATCH', keyPath, { comment: 'changed' }, null, [400, 412], { 'if-match': 'x y z' }],
    ['an old ETag on an environment', 'PATCH', path, { name: 'changed' }, null, [412], { 'if-match': '"another"' }],
    ['an unknown field in a query edit', 'PATCH', `${path}/queries/${query.id}`, { answer: 1 }, /answer/],
    ['dates reversed', 'GET', `${path}/reports/overview?from=2026-02-02&to=2026-02-01`, null, /from|to/],
    ['dates too far apart', 'GET', `${path}/reports/overview?from=2024-01-01&to=2025-01-02`, null, /366/],
    ['a day that is none', 'GET', `${path}/reports/overview?from=2026-02-30&to=2026-03-01`, null, /from/],
    ['a time for a date', 'GET', `${path}/reports/overview?from=2026-02-01T00:00:00Z&to=2026-03-01`, null, /from/],
    ['a date twice', 'GET', `${path}/reports/overview?from=2026-02-01&from=2026-02-02&to=2026-03-01`, null, /from/],
    ['a year beyond time', 'GET', `${path}/reports/overview?from=99999-01-01&to=99999-01-02`, null, /from/],
    ['history without combine', 'GET', `${path}/reports/overview?from=2026-02-01&to=2026-02-02&history=2`, null, /history/],
    ['history of 13', 'GET', `${path}/reports/overview?from=2026-02-01&to=2026-02-02&combine=true&history=13`, null, /history/],
    ['negative history', 'GET', `${path}/reports/overview?from=2026-02-01&to=2026-02-02&combine=true&history=-1`, null, /history/],
    ['history before the calendar', 'GET', `${path}/reports/overview?from=0001-01-01&to=0001-12-31&combine=true&history=12`, null, null, [200, 400]],
    ['combine as a word', 'GET', `${path}/reports/overview?from=2026-02-01&to=2026-02-02&combine=maybe`, null, /combine/],
    ['an unknown parameter', 'GET', `${path}/reports/overview?from=2026-02-01&to=2026-02-02&colour=red`, null, /colour/],
    ['a limit of 0', 'GET', `${path}/queries?limit=0`, null, /limit/],
    ['a limit in words', 'GET', `${path}/queries?limit=many`, null, /limit/],
    ['a limit beyond reason', 'GET', `${path}/queries?limit=99999999999999999999`, null, /limit/],
    ['a cursor of nobody', 'GET', `${path}/queries?cursor=garbage`, null, /cursor/],
    ['a cursor with a NUL', 'GET', `${path}/api-keys?cursor=%00`, null, /cursor/],
    ['an address that is no UTF-8', 'GET', `${path}/queries?cursor=%ff`, null, null],
    ['a report on no query', 'GET', `${path}/reports/queries/qry_01h455vb4pex5vsknk084sn02q?${range}`, null, null, [404]],
    ['closing with a body', 'POST', `${path}/close`, { why: 'because' }, /why/],
  ];
  for (const [what, method, address, body, says, statuses = [400], headers = {}] of cases) {
    await t.test(what, async () => {
      const raw = typeof body === 'string' || Buffer.isBuffer(body);
      const answer = await api(product, token, address, {
        method,
        ...(raw ? { body } : body === null ? {} : { json: body }),
        headers: {
          ...(raw ? { 'content-type': J } : {}),
          ...(method === 'PATCH' ? { 'if-match': etag } : {}),
          ...headers,
        },
      });
      assert.ok(statuses.includes(answer.status), `${answer.status}, not ${statuses}: ${answer.text.slice(0, 500)}`);
      if (answer.status !== 200) assertProblem(answer, answer.status, says ?? undefined);
      assert.deepEqual(await everything(), before, 'something changed');
    });
  }

  await t.test('a keypair cannot give what it does not have', async () => {
    const admin = await product.keypair(environment, ['feedback-admin'], 'administers only');
    const adminToken = await tokenFor(product, admin);
    const beyond = { comment: 'c', scopes: ['feedback-report:read'] };
    assertProblem(await api(product, adminToken, `${path}/api-keys`, { method: 'POST', json: beyond }), 403, /feedback-report:read/);
    const { headers } = await api(product, adminToken, `${path}/api-keys/${admin.id}`);
    const edit = { method: 'PATCH', json: { scopes: ENVIRONMENT_SCOPES }, headers: { 'if-match': headers.get('etag') } };
    assertProblem(await api(product, adminToken, `${path}/api-keys/${admin.id}`, edit), 403);
    const narrow = await tokenFor(product, keypair, { scope: 'feedback-account-admin' });
    const wide = { method: 'POST', json: { comment: 'c', scopes: SCOPES } };
    assertProblem(await api(product, narrow, `/v1/accounts/${account.id}/api-keys`, wide), 403);
  });

  await t.test('ids repeat without being counted twice', async () => {
    const twice = { method: 'POST', json: responses({ id: 'r-1', score: 5 }, { id: 'r-2', score: 1 }) };
    assert.deepEqual((await api(product, token, `${path}/responses`, twice)).body, { accepted: 2, duplicates: 0 });
    assert.deepEqual((await api(product, token, `${path}/responses`, twice)).body, { accepted: 0, duplicates: 2 });
    const { body } = await api(product, token, report);
    assert.equal(body.points[0].responses, 2);
    assert.equal(body.points[0].average_score, 3);
  });
});
