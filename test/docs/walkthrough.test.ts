/** What the README and the tutorial tell a newcomer to type, typed: from the first command to the last, on a real server. */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it } from 'node:test';
import { opspawn, startOpspawn } from '../cli/opspawn-process.ts';
import { readBlocks, root, shellLines, wordsOf } from './read-blocks.ts';

const tutorial = 'ops-docs/tutorials/first-agent.md';
const [program = assert.fail()] = await readBlocks([tutorial]);
/** A page, its config, and the last thing that its walk has to show. */
const walks: [page: string, config: string, end: RegExp][] = [
  [
    'README.md',
    `export { default } from ${JSON.stringify(join(root, 'examples/opspawn.config.ts'))};`,
    /fulfil-order|paid/,
  ],
  [tutorial, program.code, /Momo/],
];

for (const [page, config, end] of walks) {
  it(`every command of ${page} does what it says`, async (t) => {
    const cwd = mkdtempSync(join(tmpdir(), 'opspawn-walk-'));
    t.after(() => rmSync(cwd, { recursive: true }));
    symlinkSync(join(root, 'node_modules'), join(cwd, 'node_modules'));
    symlinkSync(join(root, 'examples'), join(cwd, 'examples'));
    writeFileSync(join(cwd, 'package.json'), '{ "type": "module" }');
    writeFileSync(join(cwd, 'opspawn.config.ts'), config);
    await using started = await startOpspawn<{ url: string }>(['start', '--port', '0'], { cwd });
    const env = { OPSPAWN_URL: started.facts.url };
    const shown: string[] = [];
    let id = '';
    for (const line of shellLines(readFileSync(join(root, page), 'utf8'))) {
      const [command = '', ...words] = wordsOf(line).map((word) => (word === 'ID' ? id : word));
      // test/cli kills agents at every journal boundary, which takes longer than a look at the docs may
      if (command === 'start' || command === 'crash-test') continue;
      const { code, stdout, stderr } = await opspawn([command, ...words], { cwd, env });
      assert.equal(code, 0, `opspawn ${line}: ${stderr}`);
      id ||= /[0-9a-f]{8}-[0-9a-f-]{27}/.exec(stdout + stderr)?.[0] ?? '';
      shown.push(`$ opspawn ${line}\n${stdout}`);
    }
    assert.ok(shown.length >= 3, shown.join('\n'));
    assert.match(shown.at(-1) ?? '', end);
  });
}
