/**
 * Idle: what a deployment that has nothing to do costs its PostgreSQL: one server and three workers, each a process.
 *
 *     npm run bench -- idle [--seconds 60] [--workers 3]
 *
 * CPU time of all processes of the database, in percent of one core, beside that of the same database alone. Linux only.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { services } from '../scripts/services/kinds.ts';
import { startServices } from '../scripts/services.ts';
import { newDatabase } from './measuring/new-database.ts';
import { readArguments } from './measuring/read-arguments.ts';
import { temporaryFolder } from './measuring/temporary-folder.ts';

const cli = fileURLToPath(new URL('../packages/cli/src/main.ts', import.meta.url));
/** Found from wherever it lies. */
const config = `
import { defineConfig, defineFunction } from '${import.meta.resolve('@opspawn/ops-core')}';
export default defineConfig({ functions: [defineFunction({ name: 'noop', run: () => {} })] });
`;
const ticksPerSecond = 100;
/** What a process does when it starts is not idle. */
const settleMs = 10_000;

/** Fields 4, 14, 15, 16 and 17 of /proc/PID/stat: parent, then ticks of itself and of its children that have ended. */
function readStat(pid: string): { parent: string; ticks: number } | undefined {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/^.*\) /, '')
      .split(' ');
    const ticks = fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0);
    return { parent: fields[1] ?? '', ticks };
  } catch {
    return undefined;
  }
}

/** CPU time of the server and of all that it forked, in ticks. */
function ticksOf(postmaster: string): number {
  const stats = readdirSync('/proc').flatMap((pid) =>
    /^\d+$/.test(pid) ? [{ pid, stat: readStat(pid) }] : [],
  );
  return stats.reduce(
    (sum, { pid, stat }) =>
      pid === postmaster || stat?.parent === postmaster ? sum + (stat?.ticks ?? 0) : sum,
    0,
  );
}

async function postmasterOf(url: string): Promise<string> {
  await using stack = new AsyncDisposableStack();
  const client = stack.adopt(new pg.Client({ connectionString: url }), (open) => open.end());
  await client.connect();
  const { rows } = await client.query<{ pid: number }>('select pg_backend_pid() as pid');
  return readStat(String(rows[0]?.pid))?.parent ?? '';
}

async function percentOfCore(postmaster: string, seconds: number): Promise<number> {
  const before = ticksOf(postmaster);
  await sleep(seconds * 1000);
  return ((ticksOf(postmaster) - before) / ticksPerSecond / seconds) * 100;
}

function startProcess(folder: string, args: readonly string[], databaseUrl: string): AsyncDisposable {
  const child = spawn(process.execPath, [cli, ...args], {
    cwd: folder,
    stdio: ['ignore', 'ignore', 'inherit'],
    env: {
      ...process.env,
      OPSPAWN_DATABASE_URL: databaseUrl,
      OPSPAWN_DATA_DIR: folder,
      OPSPAWN_LOG_LEVEL: 'error',
    },
  });
  const exited = once(child, 'exit');
  return {
    async [Symbol.asyncDispose]() {
      child.kill('SIGTERM');
      await exited;
    },
  };
}

export async function run(args: readonly string[]): Promise<void> {
  const values = readArguments(args, { seconds: '60', workers: '3' });
  const seconds = Number(values.seconds);
  await using started = await startServices(['postgres'], (message) => {
    throw new Error(message);
  });
  await using database = await newDatabase(started.variables[services.postgres.variable] ?? '');
  using folder = temporaryFolder();
  writeFileSync(join(folder.path, 'opspawn.config.ts'), config);
  const postmaster = await postmasterOf(database.name);
  const alone = await percentOfCore(postmaster, seconds);
  await using stack = new AsyncDisposableStack();
  stack.use(startProcess(folder.path, ['server', '--port', '0'], database.name));
  for (let index = 0; index < Number(values.workers); index += 1) {
    stack.use(startProcess(folder.path, ['worker'], database.name));
  }
  await sleep(settleMs);
  const idle = await percentOfCore(postmaster, seconds);
  process.stdout.write(
    `PostgreSQL of 1 server and ${values.workers} workers that have nothing to do: ${idle.toFixed(2)} % of a core; ` +
      `alone: ${alone.toFixed(2)} %\n`,
  );
}
