// The crates oauth2 and openidconnect. They revoke over https alone, which a loopback server has not.
import { life, RUST_CLIENTS, Worker } from './life.mjs';

for (const library of ['oauth2', 'openidconnect']) {
  life(`the crate ${library}`, ['client_secret_basic', 'client_secret_post'], ({ url }, t) =>
    new Worker(t, RUST_CLIENTS, [library, url]).client('token', 'introspect'),
  );
}
