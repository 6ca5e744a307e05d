// Certificates, made by OpenSSL, and requests over TLS.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { request } from 'node:https';
import { join } from 'node:path';

const P256 = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256'];

/** A certificate of its own making and its key, as files of that name in `folder`; made `at` another time if need be. */
export function makeCertificate(folder, name, algorithm = P256, at) {
  const [certificate, key] = [join(folder, `${name}.pem`), join(folder, `${name}.key`)];
  const who = ['-subj', `/CN=${name}`, '-addext', 'subjectAltName=IP:127.0.0.1,DNS:localhost'];
  const words = ['openssl', 'req', '-x509', ...algorithm, '-nodes', '-keyout', key, '-out', certificate, ...who];
  const [program, ...rest] = at ? ['faketime', at, ...words] : words;
  execFileSync(program, rest, { stdio: 'pipe' });
  return { certificate, key, cert: readFileSync(certificate), keyPem: readFileSync(key) };
}

/** A request over TLS with HTTP/1.1, of a client with the certificate `own`, if it has one. */
export function ask(product, path, { method = 'GET', headers = {}, body, own, agent } = {}) {
  return new Promise((resolve, reject) => {
    const options = { method, headers, agent: agent ?? false, ca: product.certificate.cert, timeout: 10_000 };
    if (own) Object.assign(options, { cert: own.cert, key: own.keyPem });
    const sent = request(product.url + path, options, (response) => {
      const parts = [];
      const { socket } = response;
      response.on('data', (part) => parts.push(part));
      response.on('error', reject);
      response.on('end', () => {
        const text = Buffer.concat(parts).toString();
        const json = /json/.test(response.headers['content-type'] ?? '');
        const { statusCode: status, headers } = response;
        resolve({ status, headers: new Headers(headers), body: json ? JSON.parse(text) : text, socket });
      });
    });
    sent.on('timeout', () => sent.destroy(new Error('no answer within 10 s')));
    sent.on('error', reject);
    sent.end(body);
  });
}
