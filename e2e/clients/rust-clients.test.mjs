// The crates oauth2 and openidconnect. They revoke over https alone, which a loopback server has not.
import { fileURLToPath } from 'node:url';
import { life, Worker } from './life.mjs';

const BINARY =
  process.env.E2E_RUST_CLIENTS ??
  fileURLToPath(new URL('../../target/clients/debug/rust-clients', import.meta.url));

for (const library of ['oauth2', 'openidconnect']) {
  life(`the crate ${library}`, ['client_secret_basic', 'client_secret_post'], ({ url }, t) =>
    new Worker(t, BINARY, [library, url]).client('token', 'introspect'),
  );
}
