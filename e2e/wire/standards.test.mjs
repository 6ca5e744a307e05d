// docs/standards.md names the tests that show what it says. They have to be there.
import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { test } from 'node:test';

const ROOT = new URL('../../', import.meta.url);

/** Every test of the tree: names of Rust's, titles of Node's with what is filled in as it stands in the source. */
async function tests() {
  const found = [];
  for (const [folder, ending, pattern] of [
    ['crates/', '.rs', /#\[(?:tokio::)?test\](?:\s*#\[.*\])*\s*(?:async )?fn (\w+)/g],
    ['e2e/', '.mjs', /\btest\(\s*(['`])(.*?)\1/g],
    ['e2e/clients/', '.test.mjs', /\blife\(\s*(['`])(.*?)\1/g],
  ]) {
    const files = (await readdir(new URL(folder, ROOT), { recursive: true })).filter(
      (name) => name.endsWith(ending) && !name.includes('node_modules'),
    );
    for (const name of files) {
      const text = await readFile(new URL(folder + name, ROOT), 'utf8');
      const names = [...text.matchAll(pattern)].map((match) => match.at(-1));
      found.push(...names.map((title) => (ending === '.test.mjs' ? `${title} walks the life of a keypair` : title)));
    }
  }
  return found;
}

test('every test that docs/standards.md names is there, and what has none is said not to be done', async () => {
  const rows = (await readFile(new URL('docs/standards.md', ROOT), 'utf8'))
    .split('\n')
    .filter((line) => line.startsWith('| ') && !line.startsWith('| ---') && !line.startsWith('| section'));
  assert.ok(rows.length > 50);
  const known = await tests();
  assert.ok(known.length > 200, `${known.length}`);
  for (const row of rows) {
    const cells = row.split('|').slice(1, -1).map((cell) => cell.trim());
    assert.equal(cells.length, 4, row);
    const named = [...cells[3].matchAll(/`([^`]+)`/g)].map(([, name]) => name);
    assert.equal(named.length === 0, /^Not done( yet)?: /.test(cells[2]), `a test, or a reason: ${row}`);
    for (const name of named) {
      assert.ok(known.some((title) => title === name || (/ /.test(name) && title.includes(name))), `no such test: ${name}`);
    }
  }
});
