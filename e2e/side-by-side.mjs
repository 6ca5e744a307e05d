// Runs files of tests, so many at a time: `node e2e/side-by-side.mjs 2 FILE…`, each in a process of its own. What a file
// says is printed as a whole when it has ended. The first that fails ends the others.
import { spawn } from 'node:child_process';

const [atATime, ...files] = process.argv.slice(2);
const running = new Set();

/** Ends what is running, each with all that it has started. */
function end(code) {
  for (const { pid } of running) {
    try {
      process.kill(-pid, 'SIGTERM');
    } catch {
      // It has just ended by itself.
    }
  }
  process.exit(code);
}
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => end(1));

async function run(file) {
  const began = performance.now();
  // At the head of a group of processes, so that its servers end with it.
  const child = spawn(process.execPath, ['--test', '--test-reporter=spec', file], {
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  running.add(child);
  const said = [];
  for (const output of [child.stdout, child.stderr]) output.on('data', (bytes) => said.push(bytes));
  const code = await new Promise((resolve) => child.on('close', resolve));
  running.delete(child);
  process.stdout.write(`\n-- ${file}, ${Math.round((performance.now() - began) / 1000)} s\n${Buffer.concat(said)}`);
  if (code !== 0) {
    process.stderr.write(`\nFAILED: ${file}\n`);
    end(1);
  }
}

async function runOneAfterTheOther() {
  for (let file = files.shift(); file; file = files.shift()) await run(file);
}

await Promise.all(Array.from({ length: Number(atATime) }, runOneAfterTheOther));
