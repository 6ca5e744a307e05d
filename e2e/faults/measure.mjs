// Measures how long old tokens are served, over many rounds of each scenario, and writes the distribution into
// docs/performance.md and docs/revocation.svg: node e2e/faults/measure.mjs --rounds 20
import { readFile, writeFile } from 'node:fs/promises';
import { cpus, loadavg } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Cluster, Nodes } from '../nodes.mjs';
import { BINARY, Product } from '../product.mjs';
import { EMBEDDED, SCENARIOS, administration, bound, round } from './revocation.mjs';

const { rounds } = parseArgs({ options: { rounds: { type: 'string', default: '20' } } }).values;
const PAGE = fileURLToPath(new URL('../../docs/performance.md', import.meta.url));
const PLOT = fileURLToPath(new URL('../../docs/revocation.svg', import.meta.url));

/** What has to be ended, the latest first. */
const ends = [];
const t = { after: (end) => ends.unshift(end) };

async function measure(nodes, scenarios) {
  const administer = await administration(nodes.A);
  const measured = [];
  for (const scenario of scenarios) {
    await scenario.set?.(nodes);
    const served = [];
    for (let n = 0; n < Number(rounds); n += 1) served.push(await round(nodes, administer, scenario, n));
    await scenario.unset?.(nodes);
    const late = served.flatMap((of) => nodes.names.filter((name) => of[name].start > bound(scenario, name)));
    console.log(`${scenario.name}: ${rounds} rounds${late.length ? `, TOO LATE through ${late}` : ''}`);
    if (late.length) process.exitCode = 1;
    measured.push({ name: scenario.name, of: (name, when) => served.map((served) => served[name]?.[when]) });
  }
  return measured;
}

/** The least value that so many hundredths of them do not exceed. */
const percentile = (values, hundredths) =>
  [...values].sort((a, b) => a - b)[Math.max(0, Math.ceil((values.length * hundredths) / 100) - 1)];

const whole = (milliseconds) => String(Math.ceil(milliseconds));
const spread = (values) => [0, 50, 90, 99, 100].map((hundredths) => whole(percentile(values, hundredths)));

function table(several, one) {
  const row = ({ name, of }, node) => {
    const others = node === 'A' ? [] : [...spread(of('C', 'start'))].slice(-1);
    return [name, whole(Math.max(...of('A', 'start'))), ...spread(of(node, 'start')), ...others];
  };
  const lines = [
    ['What happened', 'A: max', 'B: min', 'p50', 'p90', 'p99', 'max', 'C: max', 'B: last end'],
    ['---', ...Array(8).fill('---:')],
    ...several.map((scenario) => [...row(scenario, 'B'), whole(Math.max(...scenario.of('B', 'end')))]),
    ...one.map(({ name, of }) => [name, whole(Math.max(...of('A', 'start'))), ...Array(7).fill('')]),
  ];
  return lines.map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

/** A dot for each round and node, on one scale. */
function plot(measured) {
  const [left, right, top, step] = [330, 960, 44, 24];
  const x = (milliseconds) => Math.round((left + ((right - left) * milliseconds) / 1_000) * 10) / 10;
  const bottom = top + measured.length * step;
  const colours = { A: '#7a7a7a', B: '#c2410c', C: '#1d4ed8' };
  const text = (at, y, what, more = '') => `<text x="${at}" y="${y}" ${more}>${what}</text>`;
  const dots = measured.flatMap(({ name, of }, n) => {
    const y = top + n * step + step / 2;
    const nodes = Object.entries(colours).flatMap(([node, colour], i) =>
      of(node, 'start')
        .filter((start) => start !== undefined)
        .map((start) => `<circle cx="${x(start)}" cy="${y + (i - 1) * 5}" r="2.2" fill="${colour}" fill-opacity=".6"/>`),
    );
    return [text(left - 12, y + 4, name, 'text-anchor="end"'), ...nodes];
  });
  const scale = [0, 200, 400, 600, 800, 1000].flatMap((at) => [
    `<line x1="${x(at)}" x2="${x(at)}" y1="${top}" y2="${bottom}" stroke="${at === 1000 ? '#b91c1c' : '#dddddd'}"/>`,
    text(x(at), bottom + 18, at === 1000 ? '1000 ms' : at, 'text-anchor="middle"'),
  ]);
  const key = Object.entries(colours).map(([node, colour], n) =>
    text(left + n * 90, 24, `● node ${node}`, `fill="${colour}"`),
  );
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1000 ${bottom + 32}" font-family="sans-serif" font-size="13">`,
    '<title>Milliseconds after the answer at which the last request was started that was served with an old token</title>',
    `<rect width="1000" height="${bottom + 32}" fill="#ffffff"/>`,
    ...key,
    ...scale,
    ...dots,
    '</svg>\n',
  ].join('\n');
}

async function write(several, one) {
  const build = BINARY.includes('/release/') ? 'a release build' : 'an unoptimised build';
  const text = `
**How long is an old token served?** Three nodes, A, B and C, on one PostgreSQL, each with a TCP relay of its own on
the way there, that can break; 64 programs that call them without end, each with a token of its own that another
node issued. An administrator stops their keypair through A. The figures are the milliseconds from the moment at which
the answer has arrived to the *start* of the last request that was served with an old token; 0 if none was that started
later. Promised are 0 for the node that answered and 1000 for all others. \`last end\` counts to the *end* of the last
such request instead: one that was begun before may still be answered, also by a node that has to wait for its database.

${table(several, one)}

![For each round of each scenario, when the last request was started that an old token was served](revocation.svg)

${rounds} rounds of each, with ${build}; nodes, database and callers all on ${cpus().length} cores (${cpus()[0].model.trim()}),
with a load of ${loadavg()[2].toFixed(1)} in the 15 minutes before this was written. A caller pauses for 5 ms between two requests.
\`node e2e/faults/measure.mjs --rounds ${rounds}\` measures it again and writes this part of the page; \`./test\` runs one
round of each scenario.
`;
  const page = await readFile(PAGE, 'utf8');
  const part = /(<!-- revocation:begin -->\n)[^]*(<!-- revocation:end -->)/;
  await writeFile(PAGE, page.replace(part, (_, begin, end) => begin + text + '\n' + end));
  await writeFile(PLOT, plot([...several, ...one]));
}

try {
  const several = await measure(await Nodes.start(t, await Cluster.start(t)), SCENARIOS);
  const one = await measure({ names: ['A'], A: await Product.start(t) }, EMBEDDED);
  await write(several, one);
} finally {
  for (const end of ends) await end();
}
