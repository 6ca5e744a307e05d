import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { BINARY, Product } from '../product.mjs';

test('authlib and requests-oauthlib get at the data until the keypair is disabled', async (t) => {
  const product = await Product.start(t);
  const environment = await product.environment(await product.account('Acme'), 'Production');
  const keypair = await product.keypair(environment, ['feedback-report:read'], 'Python');
  const child = spawn(
    process.env.PYTHON ?? 'python3',
    [fileURLToPath(new URL('python_clients.py', import.meta.url))],
    {
      stdio: ['ignore', 'inherit', 'inherit'],
      env: {
        ...process.env,
        E2E_BINARY: BINARY,
        E2E_DATA: product.data,
        E2E_URL: product.url,
        E2E_KEYPAIR: JSON.stringify(keypair),
        OAUTHLIB_INSECURE_TRANSPORT: '1',
      },
    },
  );
  assert.equal(await new Promise((resolve) => child.on('close', resolve)), 0);
});
