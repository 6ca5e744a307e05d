// Requests that no HTTP library would send, byte by byte.
import { connect } from 'node:net';

/** Sends `bytes` and resolves with the first answer, or with status 0 when the server only hung up. */
export function send(product, ...bytes) {
  return new Promise((resolve, reject) => {
    const received = [];
    const socket = connect(product.port, '127.0.0.1', () => bytes.forEach((part) => socket.write(part)));
    socket.setTimeout(10_000, () => socket.destroy(new Error('no answer within 10 s')));
    socket.on('data', (data) => received.push(data));
    socket.on('error', (error) =>
      // The server may close while it is still being written to; what it answered before that counts.
      ['ECONNRESET', 'EPIPE'].includes(error.code) ? resolve(parse(Buffer.concat(received))) : reject(error),
    );
    socket.on('end', () => resolve(parse(Buffer.concat(received))));
  });
}

/** A request with `Connection: close`; header values and body are taken as Latin-1, so any byte can be said. */
export function request(product, method, target, headers = [], body = '') {
  const bytes = Buffer.from(body, 'latin1');
  const lines = [
    `${method} ${target} HTTP/1.1`,
    `Host: 127.0.0.1:${product.port}`,
    'Connection: close',
    ...headers.map(([name, value]) => `${name}: ${value}`),
    `Content-Length: ${bytes.length}`,
  ];
  return send(product, Buffer.from(lines.join('\r\n') + '\r\n\r\n', 'latin1'), bytes);
}

/**
 * Begins a request and holds the last byte of its body back; the function it resolves with lets go of that byte and
 * resolves with the answer.
 */
export function hold(product, method, target, headers, json) {
  const body = JSON.stringify(json);
  const lines = [
    `${method} ${target} HTTP/1.1`,
    `Host: 127.0.0.1:${product.port}`,
    'Connection: close',
    'Content-Type: application/json',
    ...headers.map(([name, value]) => `${name}: ${value}`),
    `Content-Length: ${Buffer.byteLength(body)}`,
  ];
  return new Promise((resolve, reject) => {
    const received = [];
    const socket = connect(product.port, '127.0.0.1');
    socket.setTimeout(10_000, () => socket.destroy(new Error('no answer within 10 s')));
    socket.on('error', reject);
    socket.on('data', (data) => received.push(data));
    const answered = new Promise((answer) => socket.on('end', () => answer(parse(Buffer.concat(received)))));
    socket.write(`${lines.join('\r\n')}\r\n\r\n${body.slice(0, -1)}`, () =>
      resolve(() => {
        socket.write(body.slice(-1));
        return answered;
      }),
    );
  });
}

export function parse(buffer) {
  const [head, ...rest] = buffer.toString('latin1').split('\r\n\r\n');
  const [statusLine, ...lines] = head.split('\r\n');
  const headers = new Headers(lines.map((line) => line.split(/:\s*/, 1).concat(line.replace(/^[^:]*:\s*/, ''))));
  let body = rest.join('\r\n\r\n');
  if (body && /json/.test(headers.get('content-type') ?? '')) body = JSON.parse(body);
  return { status: Number(statusLine.split(' ')[1] ?? 0), headers, body };
}
