import { fileURLToPath } from 'node:url';
import { life, Worker } from './life.mjs';

const PROGRAM = fileURLToPath(new URL('python_clients.py', import.meta.url));
const SECRETS = ['client_secret_basic', 'client_secret_post'];
const ALL = [...SECRETS, 'private_key_jwt'];

for (const [library, methods, capabilities] of [
  ['authlib', ALL, ['token', 'get', 'introspect', 'revoke']],
  ['requests-oauthlib', SECRETS, ['token', 'get']],
  ['requests-oauth2client', ALL, ['token', 'get', 'introspect', 'revoke']],
  ['httpx-auth', ['client_secret_basic'], ['token']],
]) {
  life(library, methods, ({ url }, t) => {
    const variables = { OAUTHLIB_INSECURE_TRANSPORT: '1' };
    return new Worker(t, process.env.PYTHON ?? 'python3', [PROGRAM, library, url], variables).client(...capabilities);
  });
}
