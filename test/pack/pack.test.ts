/**
 * The tarballs, installed into an empty project from the registry that npm is configured for, and run there with the
 * Node of the system, as users do.
 */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  cpSync,
  existsSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { packAll } from '../../scripts/pack.ts';
import { eventually } from '../cli/opspawn-process.ts';

const project = mkdtempSync(join(tmpdir(), 'opspawn-pack-'));
after(() => rmSync(project, { recursive: true, force: true }));
const examples = fileURLToPath(new URL('../../examples/', import.meta.url));

/** As the shell of a user has it: without this repository's own node. */
const path = (process.env.PATH ?? '')
  .split(delimiter)
  .filter((folder) => !folder.includes('node_modules'))
  .join(delimiter);
const systemNode = spawnSync('node', ['--version'], { encoding: 'utf8', env: { PATH: path } }).stdout?.trim();
/** Where the system has no Node at all, the pinned one stands in. */
const env: NodeJS.ProcessEnv = {
  ...Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^(?:npm_|NODE_|OPSPAWN_)|_API_KEY$/.test(name)),
  ),
  AGENTKIT_LLM_PROVIDER: 'scripted',
  AGENTKIT_LLM_MODEL: 'first-tool',
  PATH: systemNode ? path : `${dirname(process.execPath)}${delimiter}${path}`,
  // What is compiled here must not come from a cache.
  NODE_DISABLE_COMPILE_CACHE: '1',
};

function run(program: string, args: readonly string[], cwd = project) {
  const { status, stdout, stderr, error } = spawnSync(program, args, {
    cwd,
    env,
    encoding: 'utf8',
    timeout: 400_000,
  });
  return { status, stdout, stderr: stderr + (error?.message ?? '') };
}

const opspawn = (...args: string[]) => run(join(project, 'node_modules', '.bin', 'opspawn'), args);

const config = `
import { defineAgent, defineTool, moduleUrl } from '@opspawn/agentkit';
import { callTool, say, scriptedModel } from '@opspawn/agentkit/testing';
import { defineConfig, defineFunction } from '@opspawn/ops-core';

const double = defineTool({
  description: 'Doubles a number',
  input: { jsonSchema: { type: 'object', properties: { n: { type: 'number' } }, required: ['n'] } },
  annotations: { readOnlyHint: true },
  isolation: 'process',
  module: moduleUrl('./double', import.meta.url),
});
const model = scriptedModel({
  name: 'doubler',
  steps: [callTool('double', { n: 21 }), ({ messages }) => say(JSON.stringify(messages.at(-1)?.content))],
});

export default defineConfig({
  agents: [defineAgent({ name: 'doubler', instructions: 'Doubles.', model, tools: { double } })],
  functions: [defineFunction({ name: 'greet', run: (ctx) => ctx.step('greet', () => 'Hello') })],
});
`;

before(async () => {
  const tarballs = await packAll(join(project, 'tarballs'));
  writeFileSync(join(project, 'package.json'), '{ "name": "user", "private": true, "type": "module" }');
  const npm = run('npm', [
    'install',
    '--prefer-offline',
    '--no-audit',
    '--no-fund',
    '--loglevel=error',
    ...tarballs,
  ]);
  assert.equal(npm.status, 0, npm.stdout + npm.stderr);
  writeFileSync(join(project, 'opspawn.config.ts'), config);
  writeFileSync(join(project, 'double.ts'), 'export default ({ n }: { n: number }) => 2 * n;\n');
});

describe(`the tarballs in an empty project, with Node ${systemNode ?? process.version}`, () => {
  it('hold compiled code, declarations and SQL, no sources and no tests', () => {
    const core = join(project, 'node_modules', '@opspawn', 'ops-core');
    for (const file of [
      'dist/index.js',
      'dist/index.d.ts',
      'dist/storage/sqlite/migrations/0001_tasks.sql',
      'LICENSE',
    ]) {
      assert.ok(existsSync(join(core, file)), file);
    }
    assert.ok(!existsSync(join(core, 'src')));
    const { stdout } = run('find', [
      join(project, 'node_modules', '@opspawn'),
      '-name',
      '*.test.*',
      '-o',
      '-name',
      'tsconfig*',
    ]);
    assert.equal(stdout, '');
  });

  it('hold every module that they start by its address', () => {
    const started = /moduleUrl\(["'](\..+?)["'], new URL\(["'](\..+?)["'], import\.meta\.url\)\.href\)/g;
    const folder = join(project, 'node_modules');
    const files = globSync(['@opspawn/*/dist/**/*.js', 'opspawn/dist/**/*.js'], { cwd: folder });
    const addresses = files.flatMap((file) => {
      const text = readFileSync(join(folder, file), 'utf8').replaceAll(/^\s*\*.*$/gm, '');
      assert.ok(!text.includes('addressOf_'), file);
      return [...text.matchAll(started)].map(([, name = '', from = '']) =>
        join(folder, dirname(file), dirname(from), `${name}.js`),
      );
    });
    assert.ok(addresses.length >= 8, addresses.join('\n'));
    for (const address of addresses) assert.ok(existsSync(address), address);
  });

  it('answer --help and --version', () => {
    const { status, stdout, stderr } = opspawn('--help');
    assert.equal(status, 0, stderr);
    assert.match(stdout, /^Usage: opspawn /);
    assert.match(opspawn('--version').stdout, /^\d+\.\d+\.\d+\n$/);
  });

  it('run a function, and a tool in a process of its own, on the Node that they bring', () => {
    const greeted = opspawn('run', 'greet', '--watch');
    assert.deepEqual([greeted.status, greeted.stdout], [0, 'Hello\n'], greeted.stderr);
    const doubled = opspawn('run', 'doubler', 'double 21');
    assert.match(doubled.stdout, /"output":42/, doubled.stderr);
    assert.match(opspawn('doctor').stdout, /node +ok +v26\.\d+\.\d+ .*node_modules/);
  });

  it('serve and keep the lease from a thread until they are stopped', async () => {
    const server = spawn(
      join(project, 'node_modules', '.bin', 'opspawn'),
      ['start', '--port', '0', '--json'],
      {
        cwd: project,
        env: { ...env, OPSPAWN_LEASE_TTL_MS: '3000', OPSPAWN_LOG_LEVEL: 'warn' },
        stdio: ['ignore', 'pipe', 'pipe'],
      },
    );
    const exited = once(server, 'exit');
    let stderr = '';
    server.stderr.on('data', (bytes: Buffer) => {
      stderr += bytes;
    });
    const { url } = await firstLine<{ url: string }>(server);
    // Longer than the lease: without its thread the worker would say that it lost it.
    await new Promise((resolve) => setTimeout(resolve, 4_000));
    const task = opspawn('run', 'greet', '--url', url, '--json');
    assert.equal(JSON.parse(task.stdout).output, 'Hello', task.stderr);
    server.kill('SIGTERM');
    assert.deepEqual(await exited, [0, null]);
    assert.doesNotMatch(stderr, /"level":"(?:warn|error)"/);
  });

  it('end with the process that the user started, also when that is killed', async () => {
    const server = spawn(
      join(project, 'node_modules', '.bin', 'opspawn'),
      ['start', '--port', '0', '--json'],
      {
        cwd: project,
        env,
        stdio: ['ignore', 'pipe', 'ignore'],
      },
    );
    const { pid } = await firstLine<{ pid: number }>(server);
    server.kill('SIGKILL');
    await once(server, 'exit');
    await eventually('the end of the server', async () => (isRunning(pid) ? undefined : true));
  });

  it('pass a crash test', () => {
    const { status, stdout, stderr } = opspawn('crash-test', 'greet', '--json');
    assert.equal(status, 0, stdout + stderr);
    assert.equal(JSON.parse(stdout).passed, true);
  });

  it('have types that an application compiles against', () => {
    const tsc = fileURLToPath(new URL('../../node_modules/.bin/tsc', import.meta.url));
    const options = {
      strict: true,
      noEmit: true,
      module: 'nodenext',
      target: 'es2024',
      types: ['node'],
      typeRoots: [fileURLToPath(new URL('../../node_modules/@types', import.meta.url))],
      lib: ['esnext'],
      skipLibCheck: false,
    };
    writeFileSync(
      join(project, 'tsconfig.json'),
      JSON.stringify({ compilerOptions: options, include: ['opspawn.config.ts'] }),
    );
    const { status, stdout } = run(tsc, ['--project', project]);
    assert.equal(status, 0, stdout);
  });
});

it('without the Node that they bring, the command says what to do', () => {
  const lonely = mkdtempSync(join(tmpdir(), 'opspawn-lonely-'));
  cpSync(join(project, 'node_modules', 'opspawn', 'bin'), join(lonely, 'bin'), { recursive: true });
  cpSync(join(project, 'node_modules', 'opspawn', 'package.json'), join(lonely, 'package.json'));
  const { status, stderr } = run('node', [join(lonely, 'bin', 'opspawn.cjs'), 'task', 'list'], lonely);
  rmSync(lonely, { recursive: true });
  if (Number.parseInt(systemNode?.slice(1) ?? '26', 10) >= 26) return;
  assert.equal(status, 1);
  assert.match(stderr, /opspawn needs Node 26 or newer; this is v\d+.*npm install --include=optional/s);
});

it('agentkit alone runs the hello agent', () => {
  const alone = join(project, 'alone');
  mkdirSync(alone);
  cpSync(join(examples, 'hello-agent.ts'), join(alone, 'hello-agent.ts'));
  const node = join(project, 'node_modules', '.bin', 'node');
  const { status, stdout, stderr } = run(node, ['hello-agent.ts'], alone);
  assert.equal(status, 0, stderr);
  assert.match(stdout, /42/);
});

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

async function firstLine<T>(child: ChildProcess): Promise<T> {
  if (child.stdout === null) throw new Error('it has no stdout');
  for await (const line of createInterface({ input: child.stdout })) return JSON.parse(line) as T;
  throw new Error('it said nothing');
}
