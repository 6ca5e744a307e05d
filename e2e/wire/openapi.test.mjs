// schemathesis reads the OpenAPI document and looks for requests that are not answered as it says.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { api, assertWorks, tokenFor } from '../program.mjs';
import { Product, SCOPES } from '../product.mjs';

const CONFIGURATION = fileURLToPath(new URL('schemathesis.toml', import.meta.url));

test('schemathesis finds no answer that the OpenAPI document does not have', async (t) => {
  const product = await Product.start(t);
  const account = await product.account('Acme');
  const environment = await product.environment(account, 'Production');
  const administers = await product.keypair(account, SCOPES, 'All scopes');
  const token = await tokenFor(product, administers);
  const keypair = (owner) => product.keypair(owner, SCOPES.slice(0, 2), 'To be changed');
  const query = async () => {
    const json = { title: 'Checkout', question: 'How was it?' };
    return (await api(product, token, `/v1/environments/${environment.id}/queries`, { method: 'POST', json })).body;
  };
  const objects = {
    ACCOUNT: account,
    ENVIRONMENT: environment,
    ENVIRONMENT_TO_CLOSE: await product.environment(account, 'To be closed'),
    KEYPAIR: await keypair(environment),
    KEYPAIR_TO_REMOVE: await keypair(environment),
    KEYPAIR_OF_ACCOUNT: await keypair(account),
    KEYPAIR_OF_ACCOUNT_TO_REMOVE: await keypair(account),
    QUERY: await query(),
    QUERY_TO_CLOSE: await query(),
  };
  const identifiers = Object.entries(objects).map(([name, { id }]) => [name, id]);
  const words = ['--config-file', CONFIGURATION, 'run', `${product.url}/v1/openapi.json`];
  const child = spawn(process.env.PYTHON ?? 'python3', ['-m', 'schemathesis.cli', ...words], {
    cwd: product.data,
    stdio: ['ignore', 'inherit', 'inherit'],
    env: { ...process.env, TOKEN: token, ...Object.fromEntries(identifiers) },
  });
  assert.equal(await new Promise((resolve) => child.on('close', resolve).on('error', resolve)), 0);
  // Had it stopped its own keypair, all that came after would have been 401.
  await assertWorks(product, token);
});
