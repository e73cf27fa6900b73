import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { promisify } from 'node:util';
import { readBlocks, root } from './read-blocks.ts';

const blocks = await readBlocks(['README.md', 'ops-docs/**/*.md', 'examples/**/*.md']);

describe('code in the docs', () => {
  for (const { page, code, from } of blocks.filter((block) => block.from !== undefined)) {
    it(`of ${page} stands in ${from} as it is quoted`, async () => {
      const file = (await readFile(join(root, from ?? ''), 'utf8')).split('\n');
      let at = 0;
      for (const line of code.trimEnd().split('\n')) {
        const found = file.indexOf(line, at);
        assert.notEqual(found, -1, `not in ${from}, or not in this order: ${line}`);
        at = found + 1;
      }
    });
  }

  it('compiles against the packages', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'opspawn-docs-'));
    await symlink(join(root, 'node_modules'), join(folder, 'node_modules'));
    const files = blocks
      .filter(({ from }) => from === undefined)
      .map(({ page, code, prelude }, index) => ({
        name: `${String(index).padStart(2, '0')}-${page.replace(/[^a-z]/gi, '-')}.ts`,
        text: `${prelude}\n${code}\nexport {};\n`,
      }));
    await writeFile(join(folder, 'package.json'), '{ "type": "module" }');
    await Promise.all(files.map(({ name, text }) => writeFile(join(folder, name), text)));
    const config = {
      extends: join(root, 'tsconfig.base.json'),
      compilerOptions: { noEmit: true },
      include: ['*.ts'],
    };
    await writeFile(join(folder, 'tsconfig.json'), JSON.stringify(config));
    await promisify(execFile)(join(root, 'node_modules/.bin/tsc'), ['-p', folder]).catch(({ stdout }) =>
      assert.fail(`code in the docs does not compile:\n${stdout}`),
    );
    await rm(folder, { recursive: true });
  });
});
