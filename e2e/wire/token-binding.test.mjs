// Tokens that are bound to the client's certificate, over TLS as it is, and with curl.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createHash, X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect as http2 } from 'node:http2';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { connect } from 'node:tls';
import { promisify } from 'node:util';
import { basic } from '../program.mjs';
import { Product } from '../product.mjs';
import { ask, makeCertificate } from '../tls.mjs';

const ACCESS = '/v1/access';

async function start(t) {
  const folder = mkdtempSync(join(tmpdir(), 'feedback-tls-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const product = await Product.start(t, [], { certificate: makeCertificate(folder, 'server') });
  const account = await product.account('Acme');
  const words = ['--owner', account.id, '--scope', 'feedback-report:read', '--token-binding', 'mtls'];
  const keypair = await product.operate('key', 'create', ...words);
  const exchange = (own) =>
    ask(product, '/oauth2/token', {
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded', authorization: basic(keypair) },
      body: 'grant_type=client_credentials',
      own,
    });
  const access = (token, own, headers) =>
    ask(product, ACCESS, { headers: { ...headers, authorization: `Bearer ${token}` }, own });
  return { product, folder, keypair, exchange, access };
}

test('a token that is bound to a certificate works over connections with that and no others', async (t) => {
  const { product, folder, keypair, exchange, access } = await start(t);
  const stranger = makeCertificate(folder, 'stranger');
  const metadata = (await ask(product, '/.well-known/oauth-authorization-server')).body;
  assert.equal(metadata.tls_client_certificate_bound_access_tokens, true);
  assert.equal((await exchange()).body.error, 'invalid_request');

  for (const [name, algorithm, at] of [
    ['ec', undefined],
    ['rsa', ['-newkey', 'rsa:2048']],
    ['ed25519', ['-newkey', 'ed25519']],
    ['outdated', undefined, '2020-01-01'],
  ]) {
    await t.test(name, async () => {
      const own = makeCertificate(folder, name, algorithm, at);
      const given = await exchange(own);
      assert.equal(given.status, 200, JSON.stringify(given.body));
      const { access_token: token, token_type: type } = given.body;
      assert.equal(type, 'Bearer');
      const claims = JSON.parse(Buffer.from(token.split('.')[1], 'base64url'));
      const hash = createHash('sha256').update(new X509Certificate(own.cert).raw).digest('base64url');
      assert.deepEqual(claims.cnf, { 'x5t#S256': hash });
      const answer = await access(token, own);
      assert.deepEqual([answer.status, answer.body.key_id], [200, keypair.id]);

      const der = new X509Certificate(own.cert).raw.toString('base64');
      const forged = { 'client-cert': `:${der}:`, 'x-ssl-client-cert': encodeURIComponent(own.cert) };
      for (const [who, headers] of [[undefined], [stranger], [undefined, forged]]) {
        const refused = await access(token, who, headers);
        assert.equal(refused.status, 401);
        assert.match(refused.headers.get('www-authenticate'), /^Bearer .*error="invalid_token"/);
      }
    });
  }

  const own = makeCertificate(folder, 'own');
  const token = (await exchange(own)).body.access_token;

  await t.test('by HTTP/2', async () => {
    for (const [who, status] of [[own, 200], [stranger, 401]]) {
      const session = http2(product.url, { ca: product.certificate.cert, cert: who.cert, key: who.keyPem });
      const stream = session.request({ ':path': ACCESS, authorization: `Bearer ${token}` });
      const [answered] = await once(stream, 'response');
      assert.equal(answered[':status'], status);
      stream.resume();
      await once(stream, 'end');
      session.close();
    }
  });

  await t.test('by curl', async () => {
    const { stdout } = await promisify(execFile)('curl', [
      ...['-sS', '--cacert', product.certificate.certificate, '--cert', own.certificate, '--key', own.key],
      ...['-H', `Authorization: Bearer ${token}`, product.url + ACCESS],
    ]);
    assert.equal(JSON.parse(stdout).key_id, keypair.id);
  });

  await t.test('not with a certificate whose key the client does not have', async () => {
    const claimed = { ca: product.certificate.cert, cert: own.cert, key: stranger.keyPem };
    assert.throws(() => connect({ port: product.port, ...claimed }), /key values mismatch/);
    const trick = ['--cert', own.certificate, '--key', stranger.key, product.url + ACCESS];
    await assert.rejects(promisify(execFile)('curl', ['-sS', '--cacert', product.certificate.certificate, ...trick]));
  });

  await t.test('on a session that is taken up again', async () => {
    const options = { port: product.port, host: '127.0.0.1', ca: product.certificate.cert, minVersion: 'TLSv1.3' };
    const over = async (more) => {
      const socket = connect({ ...options, ...more });
      const tickets = [];
      socket.on('session', (ticket) => tickets.push(ticket));
      await once(socket, 'secureConnect');
      const reused = socket.isSessionReused();
      const lines = [`GET ${ACCESS} HTTP/1.1`, 'Host: x', `Authorization: Bearer ${token}`, 'Connection: close'];
      socket.write(`${lines.join('\r\n')}\r\n\r\n`);
      const parts = await socket.toArray();
      return { status: Buffer.concat(parts).toString().split(' ')[1], reused, tickets };
    };
    const first = await over({ cert: own.cert, key: own.keyPem });
    assert.equal(first.status, '200');
    const again = await over({ session: first.tickets[0], cert: own.cert, key: own.keyPem });
    assert.deepEqual([again.status, again.reused], ['200', true]);
    const strangers = await over({ cert: stranger.cert, key: stranger.keyPem });
    const taken = await over({ session: strangers.tickets[0], cert: own.cert, key: own.keyPem });
    assert.deepEqual([taken.status, taken.reused], ['401', true], 'a session is of the certificate that it began with');
  });
});
