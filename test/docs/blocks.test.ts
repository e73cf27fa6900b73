import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { glob, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const root = fileURLToPath(new URL('../..', import.meta.url));

interface Block {
  page: string;
  code: string;
  /** Path of the file that it quotes. */
  from?: string | undefined;
  /** What its reader has to think before it. */
  prelude: string;
}

/** TypeScript blocks, each with the comment before it: `<!-- from: FILE -->` or `<!-- prelude: CODE -->`. */
async function readBlocks(): Promise<Block[]> {
  const blocks: Block[] = [];
  for await (const page of glob(['README.md', 'ops-docs/**/*.md', 'examples/**/*.md'], { cwd: root })) {
    const text = await readFile(join(root, page), 'utf8');
    for (const [, kind, argument = '', code = ''] of text.matchAll(
      /(?:<!-- (from|prelude): (.*?) -->\n)?```ts\n(.*?)```/gs,
    )) {
      blocks.push({
        page,
        code,
        from: kind === 'from' ? argument : undefined,
        prelude: kind === 'prelude' ? argument : '',
      });
    }
  }
  return blocks;
}

const blocks = await readBlocks();

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
