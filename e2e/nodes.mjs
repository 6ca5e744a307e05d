// Three nodes on one database, each behind a link of its own.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { Link } from './link.mjs';
import { Product } from './product.mjs';

const run = promisify(execFile);
const SCRIPT = fileURLToPath(new URL('postgres-cluster', import.meta.url));

/** Under which address clients reach all of them: what a token says of its issuer. */
const PUBLIC_URL = 'http://localhost:8080';

/** A PostgreSQL of one's own, to be restarted and killed. */
export class Cluster {
  static async start(t) {
    const cluster = new Cluster();
    cluster.folder = await mkdtemp(join(tmpdir(), 'feedback-e2e-'));
    t.after(async () => {
      for (const end of cluster.#users) await end();
      await cluster.#script('stop');
    });
    cluster.url = new URL(await cluster.#script('start'));
    return cluster;
  }

  #users = new Set();

  /** Ends something with `t`, while it can still reach the cluster. */
  endBefore(t, end) {
    const once = async () => this.#users.delete(once) && (await end());
    this.#users.add(once);
    t.after(once);
  }

  restart = () => this.#script('restart');
  /** Kills all of its processes at once. */
  kill = () => this.#script('kill');

  /** What a statement answers, as text. */
  async sql(statement, database = 'postgres') {
    const { stdout } = await run('psql', ['-XqAt', '-v', 'ON_ERROR_STOP=1', '-d', this.database(database), '-c', statement]);
    return stdout.trim();
  }

  /** The URL of one of its databases, `through` a link. */
  database(name, through) {
    const url = new URL(this.url);
    url.pathname = name;
    if (through) url.port = through.port;
    return url.href;
  }

  async #script(action) {
    const { stdout } = await run(SCRIPT, [action, this.folder]);
    return stdout.trim();
  }
}

export class Nodes {
  /** Starts A, B and C at the same moment, on an empty database of `cluster`. They end with `t`. */
  static async start(t, cluster, database = 'feedback') {
    const nodes = new Nodes();
    const ends = [];
    cluster.endBefore(t, async () => {
      for (const end of ends.reverse()) await end();
    });
    const keys = await mkdtemp(join(tmpdir(), 'feedback-e2e-'));
    ends.push(() => rm(keys, { recursive: true }));
    await cluster.sql(`CREATE DATABASE ${database}`);
    nodes.cluster = cluster;
    nodes.links = {};
    for (const name of nodes.names) {
      const link = await Link.open(Number(cluster.url.port));
      nodes.links[name] = link;
      ends.push(() => link.close());
    }
    const start = async ([name, link]) => {
      const variables = {
        FEEDBACK_DATABASE_URL: cluster.database(database, link),
        FEEDBACK_MASTER_KEY_FILE: join(keys, 'master.key'),
      };
      nodes[name] = await Product.start({ after: (end) => ends.push(end) }, [], { publicUrl: PUBLIC_URL, variables });
      nodes[name].neverLogged(cluster.url.password);
    };
    await Promise.all(Object.entries(nodes.links).map(start));
    return nodes;
  }

  names = ['A', 'B', 'C'];

  /** Ends the node in good order, and starts it with its clock set by so many seconds. */
  async setClock(node, seconds) {
    const { LD_PRELOAD, FAKETIME, FAKETIME_DONT_FAKE_MONOTONIC, ...variables } = node.variables;
    node.variables = seconds
      ? {
          ...variables,
          LD_PRELOAD: '/usr/$LIB/faketime/libfaketimeMT.so.1',
          FAKETIME: `${seconds > 0 ? '+' : ''}${seconds}s`,
          FAKETIME_DONT_FAKE_MONOTONIC: '1',
        }
      : variables;
    await node.stop('SIGTERM');
    await node.serve();
    const { headers } = await fetch(`${node.url}/healthz`);
    const ahead = Date.parse(headers.get('date')) - Date.now();
    assert.ok(Math.abs(ahead - seconds * 1000) < 5_000, `its clock is ${ahead} ms ahead, not ${seconds} s`);
  }
}
