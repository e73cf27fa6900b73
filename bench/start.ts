/**
 * Start: `opspawn --help` and `opspawn start` as whole processes, from the compiled packages.
 *
 *     npm run bench -- start [--times 11] [--node PATH]
 *
 * `start` serves and works on a database that holds 1,000 finished tasks, with a config of an agent and a function; it
 * is ready when `/ready` answers. The floor is a process that does nothing, asked in between. Medians, in ms. `--node` is what the command
 * is started with; an older Node hands over to the pinned one, which costs its own start in addition.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { defineFunction, localPrincipal } from '@opspawn/ops-core';
import { installCompiled } from './installed/compiled-packages.ts';
import { openEmbedded } from './measuring/embedded.ts';
import { readArguments } from './measuring/read-arguments.ts';
import { median, medianRatio } from './measuring/statistics.ts';

const config = `
import { defineAgent } from '@opspawn/agentkit';
import { defineConfig, defineFunction } from '@opspawn/ops-core';

export default defineConfig({
  agents: [defineAgent({ name: 'hello', instructions: 'Say hello', model: 'scripted/first-tool' })],
  functions: [defineFunction({ name: 'noop', run: () => {} })],
});
`;
const finishedTasks = 1_000;

/** Milliseconds from the start of a process to its end. */
async function untilExit(node: string, args: readonly string[]): Promise<number> {
  const startedAt = performance.now();
  const child = spawn(node, args, { stdio: 'ignore' });
  const [exitCode] = await once(child, 'exit');
  if (exitCode !== 0) throw new Error(`${node} ${args.join(' ')} exited with ${exitCode}`);
  return performance.now() - startedAt;
}

/** Milliseconds until a server that is started by these arguments says that it is ready. Ends it then. */
async function untilReady(node: string, args: readonly string[]): Promise<number> {
  const startedAt = performance.now();
  const child = spawn(node, args, { stdio: ['ignore', 'pipe', 'ignore'] });
  const [line] = (await once(createInterface(child.stdout), 'line')) as [string];
  const { url } = JSON.parse(line) as { url: string };
  const answer = await fetch(`${url}/ready`);
  if (!answer.ok) throw new Error(`${url}/ready answered ${answer.status}`);
  const readyAfterMs = performance.now() - startedAt;
  child.kill('SIGTERM');
  await once(child, 'exit');
  return readyAfterMs;
}

async function fillDatabase(folder: string): Promise<void> {
  const all = Promise.withResolvers<void>();
  let ended = 0;
  await using worker = await openEmbedded({
    folder,
    config: { functions: [defineFunction({ name: 'noop', run: () => {} })] },
    onFinished: () => {
      ended += 1;
      if (ended === finishedTasks) all.resolve();
    },
  });
  await worker.engine.submitMany(
    localPrincipal,
    Array.from({ length: finishedTasks }, () => ({ name: 'noop' })),
  );
  await all.promise;
}

export async function run(args: readonly string[]): Promise<void> {
  const { times, node } = readArguments(args, { times: '11', node: process.execPath });
  using project = await installCompiled();
  const data = join(project.path, 'data');
  const configPath = join(project.path, 'opspawn.config.ts');
  writeFileSync(configPath, config);
  await fillDatabase(data);
  const startArguments = [
    project.command,
    'start',
    '--json',
    '--port',
    '0',
    '--data',
    data,
    '--config',
    configPath,
  ];
  const measures = {
    floor: () => untilExit(process.execPath, ['-e', '0']),
    '--help': () => untilExit(node, [project.command, '--help']),
    start: () => untilReady(node, startArguments),
  };
  const figures: Record<keyof typeof measures, number[]> = { floor: [], '--help': [], start: [] };
  for (let time = 0; time < Number(times); time += 1) {
    for (const name of Object.keys(measures) as (keyof typeof measures)[])
      figures[name].push(await measures[name]());
  }
  for (const [name, values] of Object.entries(figures)) {
    const ratio = medianRatio(values, figures.floor).toFixed(2);
    process.stdout.write(`${name.padEnd(8)} ${median(values).toFixed(0).padStart(5)} ms   ratio ${ratio}\n`);
  }
}
