/** What a command loads is most of what it costs to start. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import {
  createEmptyDatabase,
  skipWithoutPostgres,
} from '../../packages/ops-core/test/postgres/test-database.ts';
import { opspawn, startOpspawn } from './opspawn-process.ts';

const folder = mkdtempSync(join(tmpdir(), 'opspawn-modules-'));
after(() => rmSync(folder, { recursive: true }));

const config = fileURLToPath(new URL('modules.config.ts', import.meta.url));
const file = join(folder, 'modules.json');
const env = {
  NODE_OPTIONS: `--import ${new URL('list-modules.ts', import.meta.url)}`,
  MODULES_FILE: file,
};

function loaded(): string[] {
  const modules = JSON.parse(readFileSync(file, 'utf8')) as string[];
  assert.ok(modules.length > 20, 'nothing was noted');
  return modules;
}

const found = (modules: readonly string[], pattern: RegExp): string[] =>
  modules.filter((module) => pattern.test(module));

it('help is answered before the engine or the options or code of a command are loaded', async () => {
  assert.equal((await opspawn(['--help'], { cwd: folder, env })).code, 0);
  const modules = loaded();
  assert.equal(found(modules, /\/cli\/src\/program\.ts$/).length, 1);
  assert.deepEqual(
    found(modules, /\/packages\/(?!cli\/)|\/cli\/src\/(?:commands\/|[a-z]+-commands\.ts)/),
    [],
  );
});

it('serving and working on SQLite loads what that needs, and nothing of other databases, brokers, tools or tests', async () => {
  await (await startOpspawn(['start', '--port', '0', '--data', folder, '--config', config], { env }))[
    Symbol.asyncDispose
  ]();
  const modules = loaded();
  assert.equal(found(modules, /\/storage\/sqlite\/sqlite-store\.ts$/).length, 1);
  assert.equal(found(modules, /\/fastify\/fastify\.js$/).length, 1);
  assert.deepEqual(
    found(modules, /\/(?:postgres|rabbitmq|node_modules\/pg|rabbitmq-client)\//),
    [],
    'services',
  );
  // Node's own `fetch`: anything that imports node:http loads it.
  assert.deepEqual(found(modules, /undici/), [], 'fetch');
  const clients = /node_modules\/(?:@modelcontextprotocol|@ai-sdk|@openrouter|gpt-tokenizer|ajv|yaml)\//;
  assert.deepEqual(found(modules, clients), [], 'models and MCP servers');
  assert.deepEqual(
    found(modules, /\/agentkit\/src\/(?:testing|tool\/sandbox|tool\/process\/process-pool)/),
    [],
    'tools',
  );
});

it('a server alone loads nothing that runs tasks', async () => {
  await (await startOpspawn(['server', '--port', '0', '--data', folder], { env }))[Symbol.asyncDispose]();
  const modules = loaded();
  assert.equal(found(modules, /\/tasks\/engine\.ts$/).length, 1);
  assert.deepEqual(found(modules, /\/tasks\/(?:worker\/|durable\/(?:pump|run-durable))/), []);
});

it('on PostgreSQL nothing of the store on SQLite is loaded', { skip: skipWithoutPostgres }, async () => {
  await using database = await createEmptyDatabase();
  const args = ['worker', '--config', config, '--database', database.url];
  await (await startOpspawn(args, { env }))[Symbol.asyncDispose]();
  const modules = loaded();
  assert.equal(found(modules, /\/storage\/postgres\/postgres-store\.ts$/).length, 1);
  assert.deepEqual(found(modules, /\/storage\/sqlite\/|\/broker\/socket\/|\/fastify\//), []);
});

it('what renews the lease on PostgreSQL is little more than the driver: it starts beside each worker', () => {
  const lease = new URL('../../packages/ops-core/src/storage/postgres/scheduling/lease.ts', import.meta.url);
  const { status } = spawnSync(process.execPath, ['--eval', `import('${lease}')`], {
    env: { ...process.env, ...env },
  });
  assert.equal(status, 0);
  const modules = loaded();
  assert.equal(found(modules, /node_modules\/pg\/lib\/client\.js$/).length, 1);
  assert.equal(found(modules, /\/packages\/ops-core\/src\//).length, 2);
  assert.deepEqual(found(modules, /\/packages\/(?!ops-core\/)|node_modules\/zod\//), []);
});
