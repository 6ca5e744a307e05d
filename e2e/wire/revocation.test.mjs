import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  api,
  askForToken,
  assertDead,
  assertDeadWithinASecond,
  assertInvalidClient,
  assertWorks,
  tokenFor,
  tokenWithinASecond,
} from '../program.mjs';
import { ENVIRONMENT_SCOPES, Product, SCOPES } from '../product.mjs';
import { hold } from '../raw-http.mjs';

test('what happens to tokens already issued', async (t) => {
  const product = await Product.start(t);
  const account = await product.account('Acme');
  const environment = await product.environment(account, 'Production');
  const administrator = await tokenFor(product, await product.keypair(account, SCOPES, 'administrator'));
  const keyPath = ({ id }) => `/v1/environments/${environment.id}/api-keys/${id}`;
  const make = async (comment, owner = environment, scopes = ENVIRONMENT_SCOPES.slice(0, 2)) => {
    const keypair = await product.keypair(owner, scopes, comment);
    const token = await tokenFor(product, keypair);
    await assertWorks(product, token);
    return { keypair, token };
  };
  const edit = async (keypair, json) => {
    const { headers } = await api(product, administrator, keyPath(keypair));
    const edited = await api(product, administrator, keyPath(keypair), {
      method: 'PATCH',
      json,
      headers: { 'if-match': headers.get('etag') },
    });
    assert.equal(edited.status, 200, edited.text);
    return edited.body;
  };

  await t.test('disabled by the API: at once, and for good', async () => {
    const { keypair, token } = await make('to be disabled');
    assert.equal((await edit(keypair, { enabled: false })).status, 'disabled');
    await assertDead(product, token);
    await assertInvalidClient(product, keypair);
    assert.equal((await edit(keypair, { enabled: true })).status, 'active');
    await assertDead(product, token);
    await assertWorks(product, await tokenFor(product, keypair));
    await assertDead(product, token);
  });

  await t.test('disabled under load: no request that starts after the answer gets data', async () => {
    const { keypair, token } = await make('busy');
    let answered = Infinity;
    let before = 0;
    let late = 0;
    const callers = Array.from({ length: 8 }, async () => {
      for (let after = 0; after < 20; ) {
        const started = performance.now();
        const { status } = await api(product, token, '/v1/access');
        if (started > answered) {
          after += 1;
          late += status === 200 ? 1 : 0;
        } else if (status === 200) before += 1;
      }
    });
    await edit(keypair, { comment: 'busy, and about to stop' });
    await edit(keypair, { enabled: false });
    answered = performance.now();
    await Promise.all(callers);
    assert.ok(before > 0, 'nobody called before');
    assert.equal(late, 0);
  });

  await t.test('a request that was begun before is judged by what is true when it is whole', async () => {
    const { keypair, token } = await make('patient', environment, ['feedback-admin', 'feedback-responses:create']);
    const bearer = [['Authorization', `Bearer ${token}`]];
    const keys = `/v1/environments/${environment.id}/api-keys`;
    const held = [
      await hold(product, 'PATCH', keyPath(keypair), bearer, { enabled: true }),
      await hold(product, 'POST', keys, bearer, { comment: 'a way back', scopes: ['feedback-admin'] }),
      await hold(product, 'POST', `/v1/environments/${environment.id}/responses`, bearer, { responses: [{ score: 1 }] }),
    ];
    await edit(keypair, { enabled: false });
    for (const letGo of held) assert.equal((await letGo()).status, 401);
    await assertInvalidClient(product, keypair);
  });

  await t.test('a keypair that is flooded with edits by its own holder is disabled all the same', async () => {
    const { keypair, token } = await make('restless', environment, ['feedback-admin']);
    let stopped = false;
    const restless = Array.from({ length: 12 }, async (_, n) => {
      for (let edits = 0; edits < 200 && !stopped; edits += 1) {
        const json = { comment: `edit ${n}.${edits}` };
        await api(product, token, keyPath(keypair), { method: 'PATCH', json });
      }
    });
    for (let calls = 0; calls < 5; calls += 1) {
      const { status, text } = await api(product, administrator, keyPath(keypair), {
        method: 'PATCH',
        json: calls < 4 ? { comment: `by the administrator, ${calls}` } : { enabled: false },
      });
      assert.equal(status, 200, text);
    }
    await assertDead(product, token);
    stopped = true;
    await Promise.all(restless);
    await assertInvalidClient(product, keypair);
  });

  await t.test('disabled by the command line beside the server: within a second', async () => {
    const { keypair, token } = await make('for the operator');
    assert.equal((await product.operate('key', 'disable', keypair.id)).enabled, false);
    await assertDeadWithinASecond(product, token);
    await assertInvalidClient(product, keypair);
    await product.operate('key', 'enable', keypair.id);
    await assertWorks(product, await tokenWithinASecond(product, keypair));
    await assertDead(product, token);
  });

  await t.test('disabled and enabled between two looks: still outlived', async () => {
    const { keypair, token } = await make('blinking');
    await product.operate('key', 'disable', keypair.id);
    await product.operate('key', 'enable', keypair.id);
    await assertDeadWithinASecond(product, token);
  });

  await t.test('removed', async () => {
    const byApi = await make('to be removed');
    const answer = await api(product, administrator, keyPath(byApi.keypair), { method: 'DELETE' });
    assert.equal(answer.status, 204, answer.text);
    await assertDead(product, byApi.token);
    await assertInvalidClient(product, byApi.keypair);
    assert.equal((await api(product, administrator, keyPath(byApi.keypair))).status, 404);

    const byOperator = await make('to be removed by the operator');
    const { code } = await product.command(['key', 'remove', byOperator.keypair.id, '--json']);
    assert.notEqual(code, 0, 'removed without being sure');
    await assertWorks(product, byOperator.token);
    await product.operate('key', 'remove', byOperator.keypair.id, '--yes');
    await assertDeadWithinASecond(product, byOperator.token);
    await assertInvalidClient(product, byOperator.keypair);
  });

  await t.test('a scope taken away is lost to old tokens, the others stay; given back, it is back', async () => {
    const { keypair, token } = await make('narrowed');
    const path = `/v1/environments/${environment.id}`;
    const report = `${path}/reports/overview?from=2026-01-01&to=2026-01-02`;
    assert.equal((await api(product, token, report)).status, 200);
    await edit(keypair, { scopes: ['feedback-queries:create'] });
    const refused = await api(product, token, report);
    assert.equal(refused.status, 403, refused.text);
    assert.match(refused.headers.get('www-authenticate'), /insufficient_scope/);
    assert.equal((await api(product, token, `${path}/queries`)).status, 200);
    assert.deepEqual((await assertWorks(product, token)).scopes, ['feedback-queries:create']);
    const again = await askForToken(product, keypair, { scope: 'feedback-report:read' });
    assert.equal(again.body.error, 'invalid_scope');
    // A scope that the token never had does not come to it by an edit.
    await edit(keypair, { scopes: ['feedback-queries:create', 'feedback-responses:create'] });
    assert.deepEqual((await assertWorks(product, token)).scopes, ['feedback-queries:create']);
  });

  await t.test('a rotated secret: both work until the old one is deleted, whose tokens end alone', async () => {
    const { keypair, token } = await make('rotated');
    const rotated = await api(product, administrator, `${keyPath(keypair)}/secrets`, { method: 'POST' });
    assert.ok(rotated.status === 200 || rotated.status === 201, rotated.text);
    assert.match(rotated.body.secret, /^fbs_[0-9A-Za-z]{49}$/);
    product.neverLogged(rotated.body.secret);
    const renewed = await tokenFor(product, { ...keypair, secret: rotated.body.secret });
    await assertWorks(product, token);
    const [first] = rotated.body.secrets.map(({ n }) => n).sort((a, b) => a - b);
    const deleted = await api(product, administrator, `${keyPath(keypair)}/secrets/${first}`, { method: 'DELETE' });
    assert.ok(deleted.status === 200 || deleted.status === 204, deleted.text);
    await assertDead(product, token);
    await assertInvalidClient(product, keypair);
    await assertWorks(product, renewed);
  });

  await t.test('an expiry that passes', async () => {
    const { keypair, token } = await make('expiring');
    const end = Date.now() + 1_500;
    await edit(keypair, { expires_at: new Date(end).toISOString() });
    await assertWorks(product, token);
    await new Promise((resolve) => setTimeout(resolve, end - Date.now() + 1));
    await assertDead(product, token);
    await assertInvalidClient(product, keypair);
    assert.equal((await api(product, administrator, keyPath(keypair))).body.status, 'expired');
  });

  await t.test('an environment closed by the API ends its keypairs, and leaves the reach of its account', async () => {
    const closing = await product.environment(account, 'Short-lived');
    const { keypair, token } = await make('of the closing', closing);
    const { environments } = await assertWorks(product, administrator);
    assert.ok(environments.some(({ id }) => id === closing.id), 'a later environment is not reached');
    const closed = await api(product, administrator, `/v1/environments/${closing.id}/close`, { method: 'POST' });
    assert.ok(closed.status === 200 || closed.status === 204, closed.text);
    await assertDead(product, token);
    await assertInvalidClient(product, keypair);
    assert.equal((await api(product, administrator, `/v1/environments/${closing.id}/queries`)).status, 404);
    const reached = await assertWorks(product, administrator);
    assert.ok(!reached.environments.some(({ id }) => id === closing.id));
  });

  await t.test('an environment closed by the operator', async () => {
    const closing = await product.environment(account, 'Shorter-lived');
    const { keypair, token } = await make('of the closing', closing);
    const { code } = await product.command(['environment', 'close', closing.id, '--json']);
    assert.notEqual(code, 0, 'closed without being sure');
    await product.operate('environment', 'close', closing.id, '--yes');
    await assertDeadWithinASecond(product, token);
    await assertInvalidClient(product, keypair);
  });

  await t.test('an account closed by the operator ends its own keypairs and those of its environments', async () => {
    const closing = await product.account('Globex');
    const below = await product.environment(closing, 'Production');
    const ofAccount = await make('of the account', closing);
    const ofEnvironment = await make('of its environment', below);
    await product.operate('account', 'close', closing.id, '--yes');
    await assertDeadWithinASecond(product, ofAccount.token);
    await assertDeadWithinASecond(product, ofEnvironment.token);
    await assertInvalidClient(product, ofAccount.keypair);
    await assertInvalidClient(product, ofEnvironment.keypair);
    await assertWorks(product, administrator);
  });
});
