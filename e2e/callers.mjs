// Programs that call one node without end, and remember what came of each call.
import { Agent, request } from 'node:http';
import { setTimeout as pause } from 'node:timers/promises';

/** Between two calls of a caller: all of them together must not be a fault of their own. */
const PAUSE = 5;

export class Callers {
  /** One caller for each token, all at the same address of `node`. */
  constructor(node, tokens, path) {
    this.#agent = new Agent({ keepAlive: true, maxSockets: tokens.length });
    this.#options = (token) => ({
      agent: this.#agent,
      host: '127.0.0.1',
      port: node.port,
      path,
      headers: { authorization: `Bearer ${token}` },
    });
    this.#latest = tokens.map(() => 0);
    this.#calling = tokens.map((token, n) => this.#call(token, n));
  }

  /** Every call: when it was started and ended, in milliseconds of `performance.now()`; its status, 0 without one. */
  calls = [];
  #agent;
  #options;
  #calling;
  #latest;
  #stopped = false;

  /** Whether the last call of every caller was answered so. */
  allHear = (status) => this.#latest.every((latest) => latest === status);

  async stop() {
    this.#stopped = true;
    await Promise.all(this.#calling);
    this.#agent.destroy();
  }

  async #call(token, n) {
    const options = this.#options(token);
    while (!this.#stopped) {
      const start = performance.now();
      const status = await answered(options);
      this.calls.push({ start, end: performance.now(), status });
      this.#latest[n] = status;
      await pause(PAUSE);
    }
  }
}

const answered = (options) =>
  new Promise((resolve) => {
    request(options, (response) => {
      response.resume().on('end', () => resolve(response.statusCode)).on('error', () => resolve(0));
    })
      .on('error', () => resolve(0))
      .end();
  });
