import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { OpspawnError } from '@opspawn/agentkit';
import { findConfig, loadConfig } from './load-config.ts';

const run = promisify(execFile);
const root = mkdtempSync(join(tmpdir(), 'opspawn-config-'));
after(() => rmSync(root, { recursive: true, force: true }));
symlinkSync(
  fileURLToPath(new URL('../../../../../node_modules', import.meta.url)),
  join(root, 'node_modules'),
);

const door = fileURLToPath(new URL('./user-config.ts', import.meta.url));
const definitions = fileURLToPath(new URL('./definition.ts', import.meta.url));
const imports = `import { defineConfig } from '${door}';
import { defineFunction, defineWorkflow } from '${definitions}';
import { defineAgent } from '@opspawn/agentkit';
`;

/** Line 4 is the first of `source`. */
function write(name: string, source: string): string {
  const folder = join(root, name);
  mkdirSync(folder);
  const path = join(folder, 'opspawn.config.ts');
  writeFileSync(path, imports + source);
  return path;
}

async function refusal(
  name: string,
  source: string,
): Promise<{ message: string; details: Record<string, unknown> }> {
  const path = write(name, source);
  try {
    await loadConfig(path);
  } catch (error) {
    assert.ok(error instanceof OpspawnError);
    assert.equal(error.code, 'config_invalid');
    assert.equal(error.details.file, path);
    return { message: error.message.replace(`${path}:`, ''), details: error.details };
  }
  return assert.fail('the config was taken');
}

describe('the config file', () => {
  it('is found from a folder upwards', () => {
    const path = write('found', 'export default defineConfig({});');
    mkdirSync(join(root, 'found/a/b'), { recursive: true });
    assert.equal(findConfig(join(root, 'found/a/b')), path);
  });

  it('gives agents, functions and workflows', async () => {
    const path = write(
      'whole',
      `const add = defineFunction({ name: 'add', run: () => 1 });
const both = defineWorkflow({ name: 'add', run: () => 2 });
const agent = defineAgent({ name: 'helper', instructions: 'Help.', model: 'scripted/first-tool' });
export default defineConfig({ agents: [agent], functions: [add], workflows: [both] });`,
    );
    const { config } = await loadConfig(path);
    assert.deepEqual([config.agents?.[0]?.name, config.functions?.[0]?.name], ['helper', 'add']);
  });

  it('that waits for ever is refused, and the process does not end as if all were done', async () => {
    const path = write('waits', 'await new Promise(() => {});\nexport default defineConfig({});');
    const script = `import { loadConfig } from ${JSON.stringify(import.meta.resolve('./load-config.ts'))};
loadConfig(${JSON.stringify(path)}).catch(({ message }) => console.log(message));`;
    const { stdout } = await run(process.execPath, ['--input-type=module', '--eval', script]);
    assert.equal(stdout, `${path}: waits at its top level for something that never comes\n`);
  });

  it('a misspelt key is named with its line', async () => {
    const { message } = await refusal('typo', '\nexport default defineConfig({\n  agnets: [],\n});');
    assert.equal(message, '6: agnets is not known');
  });

  it('a misspelt key of a definition is named with its line, also where it stands above', async () => {
    const { message } = await refusal(
      'nested',
      `const a = defineFunction({ name: 'a', run: () => 1 });
const b = defineFunction({
  name: 'b',
  attemptTimeoutMS: 5,
  run: () => 1,
} as never);
export default defineConfig({ functions: [a, b] });`,
    );
    assert.equal(message, '7: functions[1].attemptTimeoutMS is not known');
  });

  it('a wrong value is named with its line', async () => {
    const { message } = await refusal(
      'value',
      `export default defineConfig({\n  mcp: { file: 1 },\n} as never);`,
    );
    assert.equal(message, '5: mcp must be { file } or { servers }');
  });

  it('a misspelt key of an agent is named with its line', async () => {
    const { message } = await refusal(
      'agent',
      `const agent = {\n  name: 'helper',\n  instructions: 'Help.',\n  limits: { turnz: 1 },\n};
export default defineConfig({ agents: [agent] as never });`,
    );
    assert.equal(message, '7: agents[0].limits.turnz is not known');
  });

  it('two definitions of a kind with one name are refused at the second', async () => {
    const { message } = await refusal(
      'twice',
      `export default defineConfig({ functions: [
  defineFunction({ name: 'a', run: () => 1 }),
  defineFunction({ name: 'a', run: () => 2 }),
] });`,
    );
    assert.equal(message, '6: functions[1].name "a" is there twice');
  });

  it('without a default export it is refused', async () => {
    const { message } = await refusal('empty', 'export const config = {};');
    assert.match(message, /has no default export/);
  });

  it('what it throws is told with its line', async () => {
    const { message } = await refusal('throws', "\nthrow new Error('no such thing');");
    assert.equal(message, '5: no such thing');
  });

  it('what is not TypeScript is told with the file', async () => {
    const { message } = await refusal('syntax', '\nexport default defineConfig({;');
    assert.match(message, /5: .*Expression expected|5: /);
  });

  it('a file that is not there is named', async () => {
    await assert.rejects(loadConfig(join(root, 'nowhere.ts')), {
      code: 'config_invalid',
      message: /nowhere\.ts/,
    });
  });
});
