// A node's way to its database, which can fail in the ways that networks do.
import { connect, createServer } from 'node:net';

export class Link {
  /** A relay on a free loopback port, before the server at `port`. */
  static async open(port) {
    const link = new Link();
    link.#target = port;
    link.#server = createServer((near) => link.#relay(near));
    await new Promise((resolve) => link.#server.listen(0, '127.0.0.1', resolve));
    link.port = link.#server.address().port;
    return link;
  }

  #target;
  #server;
  #state = 'passing';
  #delay = 0;
  #sockets = new Set();

  /** Everything arrives again; what was held back, first. */
  pass() {
    this.#state = 'passing';
    this.#delay = 0;
    this.#sockets.forEach((socket) => socket.resume());
  }

  /** The connections break, and new ones do as soon as they are made. */
  cut() {
    this.#state = 'cut';
    this.#sockets.forEach((socket) => socket.resetAndDestroy());
  }

  /** A black hole: connections stay and can be made, nothing arrives, also not that one side has closed. */
  freeze() {
    this.#state = 'frozen';
    this.#sockets.forEach((socket) => socket.pause());
  }

  /** Every piece arrives so many milliseconds later, in each direction. */
  delay(milliseconds) {
    this.#delay = milliseconds;
  }

  async close() {
    this.cut();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #relay(near) {
    if (this.#state === 'cut') return near.resetAndDestroy();
    const far = connect(this.#target, '127.0.0.1');
    for (const [from, to] of [[near, far], [far, near]]) {
      from.setNoDelay(true);
      this.#sockets.add(from);
      // Pieces wait behind one another, so that none overtakes when the delay changes.
      let turn = Promise.resolve();
      from.on('data', (piece) => {
        const due = performance.now() + this.#delay;
        turn = turn.then(() => moment(due)).then(() => to.write(piece));
      });
      from.on('end', () => (turn = turn.then(() => to.end())));
      from.on('error', () => {});
      from.on('close', () => {
        this.#sockets.delete(from);
        turn = turn.then(() => to.destroySoon());
      });
      if (this.#state === 'frozen') from.pause();
    }
  }
}

const moment = (due) => {
  const left = due - performance.now();
  return left > 0 ? new Promise((resolve) => setTimeout(resolve, left)) : undefined;
};
