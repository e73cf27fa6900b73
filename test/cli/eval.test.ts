import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { opspawn } from './opspawn-process.ts';

const example = fileURLToPath(new URL('../../examples/evaluate/', import.meta.url));
let folder: string;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'opspawn-eval-'));
});
after(() => rm(folder, { recursive: true }));

const evaluate = (...args: string[]) =>
  opspawn(['eval', 'reckoner', '--data', join(example, 'cases.jsonl'), ...args], { cwd: example });

describe('opspawn eval', () => {
  it('shows a table, keeps a report, and exits with 0 when the thresholds are reached', async () => {
    const out = join(folder, 'report.json');
    const { code, stdout } = await evaluate(
      '--scorer',
      'numeric=0.001',
      '--threshold',
      'numeric=0.75',
      '--out',
      out,
    );
    assert.equal(code, 0, stdout);
    assert.match(stdout, /^case +numeric +output\nsum +1 +It is 42\.\n/);
    assert.match(
      stdout,
      /\nwords +0 +I only reckon\.\nmean +0\.75 +4 cases, 0 failed, \d+ tokens, \$0\.0000\n$/,
    );
    const report = JSON.parse(await readFile(out, 'utf8')) as { cases: { scores: object }[] };
    assert.deepEqual(report.cases[3]?.scores, { numeric: 0 });
  });

  it('exits with 1 when a threshold is missed or a mean fell, and says which', async () => {
    const missed = await evaluate('--scorer', 'numeric=0.001', '--threshold', 'numeric=0.9', '--json');
    assert.equal(missed.code, 1);
    assert.deepEqual(JSON.parse(missed.stdout).misses, ['numeric is 0.75, and has to be 0.9']);
    const report = JSON.parse(missed.stdout) as { cases: { scores: { numeric: number } }[] };
    const better = { ...report, cases: report.cases.map((each) => ({ ...each, scores: { numeric: 1 } })) };
    const before = join(folder, 'before.json');
    await writeFile(before, JSON.stringify(better));
    const fallen = await evaluate('--scorer', 'numeric=0.001', '--compare', before);
    assert.equal(fallen.code, 1);
    assert.match(fallen.stdout, /numeric: 1 before, 0\.75 now\nworse:\n {2}words {2}numeric 1 -> 0\n/);
    assert.match(fallen.stderr, /numeric fell from 1 to 0\.75/);
    assert.equal(
      (await evaluate('--scorer', 'numeric=0.001', '--compare', before, '--allow-drop', '0.3')).code,
      0,
    );
  });

  it('says what is wrong before anything runs', async () => {
    const wrong: [string[], RegExp][] = [
      [['--scorer', 'good'], /There is no scorer good\. Known: exact, contains/],
      [['--threshold', 'exact'], /exact is no threshold/],
      [['--threshold', 'good=1'], /--threshold good: no scorer of that name scores here, only exact/],
      [['--compare', 'missing.json'], /missing\.json cannot be read: ENOENT/],
      [['--out', folder], /cannot be written: it is a folder/],
      [['--out', join(folder, 'none', 'x.json')], /cannot be written: ENOENT/],
      [['--allow-drop', 'much'], /'much' is invalid. It must be a number from 0 to 1/],
      [['--scorer', 'judge=nowhere/m'], /No provider for the model nowhere\/m/],
    ];
    for (const [args, message] of wrong) {
      const { code, stderr } = await evaluate(...args);
      assert.equal(code, 2);
      assert.match(stderr, message);
    }
    const unknown = await opspawn(['eval', 'nobody', '--data', 'cases.jsonl'], { cwd: example });
    assert.deepEqual([unknown.code, /defines no agent "nobody"/.test(unknown.stderr)], [4, true]);
  });
});
