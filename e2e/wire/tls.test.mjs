import assert from 'node:assert/strict';
import { execFile, execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect as http2 } from 'node:http2';
import { Agent, request } from 'node:https';
import { connect as tcp } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { connect } from 'node:tls';
import { promisify } from 'node:util';
import { BINARY, freePort, Product, until } from '../product.mjs';
import { basic } from '../program.mjs';
import { ask, makeCertificate } from '../tls.mjs';

const FORM = { 'content-type': 'application/x-www-form-urlencoded' };

function folder(t) {
  const path = mkdtempSync(join(tmpdir(), 'feedback-tls-'));
  t.after(() => rmSync(path, { recursive: true }));
  return path;
}

/** A handshake, and what it came to. */
function handshake(product, options = {}) {
  return new Promise((resolve, reject) => {
    const socket = connect({ port: product.port, host: '127.0.0.1', rejectUnauthorized: false, ...options }, () => {
      const { raw } = socket.getPeerCertificate();
      resolve({ protocol: socket.getProtocol(), alpn: socket.alpnProtocol, raw });
      socket.destroy();
    });
    socket.on('error', reject);
  });
}

const der = (pem) => Buffer.from(pem.toString().replace(/-----[^-]+-----|\s/g, ''), 'base64');

test('TLS is served, with HTTP/1.1 and HTTP/2', async (t) => {
  const product = await Product.start(t, [], { certificate: makeCertificate(folder(t), 'server') });
  const silent = tcp(product.port, '127.0.0.1');
  silent.on('error', () => {});
  const hungUp = once(silent, 'close');
  const environment = await product.environment(await product.account('Acme'), 'Production');
  const keypair = await product.keypair(environment, ['feedback-report:read'], 'Over TLS');
  const headers = { ...FORM, authorization: basic(keypair) };
  const given = await ask(product, '/oauth2/token', { method: 'POST', headers, body: 'grant_type=client_credentials' });
  assert.equal(given.status, 200);
  const token = given.body.access_token;

  await t.test('by HTTP/1.1', async () => {
    const metadata = (await ask(product, '/.well-known/oauth-authorization-server')).body;
    assert.equal(metadata.issuer, product.url);
    const answer = await ask(product, '/v1/access', { headers: { authorization: `Bearer ${token}` } });
    assert.deepEqual([answer.status, answer.body.key_id], [200, keypair.id]);
  });

  await t.test('by HTTP/2', async () => {
    const session = http2(product.url, { ca: product.certificate.cert });
    const stream = session.request({ ':path': '/v1/access', authorization: `Bearer ${token}` });
    const [answered] = await once(stream, 'response');
    assert.deepEqual([session.alpnProtocol, answered[':status']], ['h2', 200]);
    stream.resume();
    await once(stream, 'end');
    session.close();
  });

  await t.test('by curl', async () => {
    const { certificate } = product.certificate;
    const { stdout } = await promisify(execFile)('curl', ['-sS', '--cacert', certificate, '-H', `Authorization: Bearer ${token}`, `${product.url}/v1/access`]);
    assert.equal(JSON.parse(stdout).key_id, keypair.id);
  });

  await t.test('from TLS 1.2 on', async () => {
    const alpn = { ALPNProtocols: ['h2', 'http/1.1'] };
    assert.equal((await handshake(product, { maxVersion: 'TLSv1.2' })).protocol, 'TLSv1.2');
    assert.deepEqual((({ protocol, alpn }) => [protocol, alpn])(await handshake(product, alpn)), ['TLSv1.3', 'h2']);
    assert.equal((await handshake(product, { ALPNProtocols: ['http/1.1'] })).alpn, 'http/1.1');
    const old = { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' };
    await assert.rejects(handshake(product, old), { code: /ALERT_(PROTOCOL_VERSION|HANDSHAKE_FAILURE)$/ });
  });

  await t.test('and not plain HTTP', async () => {
    await assert.rejects(fetch(product.url.replace('https', 'http')));
    assert.equal((await ask(product, '/readyz')).status, 200);
  });

  await t.test('to nobody who connects and says nothing', { timeout: 40_000 }, () => hungUp);
});

test('SIGHUP brings a new certificate, and no connection ends for it', async (t) => {
  const place = folder(t);
  const served = makeCertificate(place, 'served');
  const product = await Product.start(t, [], { certificate: served });
  const agent = new Agent({ keepAlive: true, maxSockets: 1, ca: served.cert });
  t.after(() => agent.destroy());
  const before = await ask(product, '/healthz', { agent });
  const first = der(served.cert);
  assert.deepEqual((await handshake(product)).raw, first);

  const other = makeCertificate(place, 'other', ['-newkey', 'rsa:2048']);
  copyFileSync(other.certificate, served.certificate);
  product.process.kill('SIGHUP');
  await until('the log to say so', 5_000, () => product.log.includes('the certificate could not be read again'));
  assert.match(product.log, /tls_key = .*served\.key: it is not the key of tls_certificate/);
  assert.deepEqual((await handshake(product)).raw, first);

  copyFileSync(other.key, served.key);
  product.process.kill('SIGHUP');
  await until('the log to say so', 5_000, () => product.log.includes('the certificate was read again'));
  assert.deepEqual((await handshake(product)).raw, der(other.cert));
  const after = await ask(product, '/healthz', { agent });
  assert.equal(after.status, 200);
  assert.equal(after.socket, before.socket, 'it is the connection from before');
  product.certificate = other;
});

test('SIGTERM lets a request finish that was begun over TLS', async (t) => {
  const product = await Product.start(t, [], { certificate: makeCertificate(folder(t), 'server') });
  const keypair = await product.keypair(await product.account('Acme'), ['feedback-report:read'], 'Late');
  const body = 'grant_type=client_credentials';
  const headers = { ...FORM, authorization: basic(keypair), 'content-length': body.length };
  const held = request(`${product.url}/oauth2/token`, { method: 'POST', headers, ca: product.certificate.cert });
  const answered = once(held, 'response');
  await new Promise((resolve) => held.write(body.slice(0, -1), resolve));
  // Who came later has been answered, so the server knows of the one that is held.
  await ask(product, '/healthz');
  const ended = product.stop('SIGTERM');
  await until('the server to take no more', 5_000, () => ask(product, '/healthz').then(() => false, () => true));
  held.end(body.slice(-1));
  const [response] = await answered;
  assert.equal(response.statusCode, 200);
  response.resume();
  assert.deepEqual(await ended, { code: 0, signal: null });
});

test('files that are of no use stop the start, and are named', async (t) => {
  const place = folder(t);
  const { certificate, key } = makeCertificate(place, 'one');
  const other = makeCertificate(place, 'other');
  const locked = join(place, 'locked.key');
  execFileSync('openssl', ['pkcs8', '-topk8', '-in', key, '-out', locked, '-passout', 'pass:open'], { stdio: 'pipe' });
  const broken = join(place, 'broken.pem');
  writeFileSync(broken, readFileSync(certificate, 'latin1').replace(/\n[^\n]{20}/, '\n????'));
  for (const [files, said] of [
    [[join(place, 'none.pem'), key], /tls_certificate = .*none\.pem: can't be read/],
    [[certificate, join(place, 'none.key')], /tls_key = .*none\.key: can't be read/],
    [[key, key], /tls_certificate = .*one\.key: there is no certificate in it/],
    [[certificate, certificate], /tls_key = .*one\.pem: there is no private key in it/],
    [[certificate, locked], /tls_key = .*locked\.key: there is no private key in it/],
    [[broken, key], /tls_certificate = .*broken\.pem: /],
    [[certificate, other.key], /tls_key = .*other\.key: it is not the key of tls_certificate/],
    [[certificate, undefined], /tls_key is missing/],
    [[undefined, key], /tls_certificate is missing/],
  ]) {
    const [FEEDBACK_TLS_CERTIFICATE, FEEDBACK_TLS_KEY] = files;
    const env = { ...Product.environment(), FEEDBACK_TLS_CERTIFICATE, FEEDBACK_TLS_KEY };
    const words = ['serve', '--data', join(place, 'data'), '--listen', `127.0.0.1:${await freePort()}`];
    const { code, stderr } = await promisify(execFile)(BINARY, words, { env, timeout: 10_000 }).catch((error) => error);
    assert.equal(code, 1, stderr);
    assert.match(stderr, said);
    assert.equal(stderr.trim().split('\n').length, 1);
  }
});
