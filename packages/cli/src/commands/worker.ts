import { describeDatabase, loadConfig, startWorker, untilStopped } from '@opspawn/ops-core';
import { configPathFrom, settingsFrom } from '../embedded.ts';
import { createOutput } from '../output.ts';
import { endOfProcess, quietInTerminal } from './start.ts';

interface WorkerOptions {
  json?: boolean;
  config?: string;
  data?: string;
  database?: string;
  capacity?: number;
  queues?: string;
}

/** Runs tasks until SIGTERM or SIGINT. stdout says when it has begun. */
export async function work(options: WorkerOptions): Promise<void> {
  const output = createOutput({ json: options.json === true });
  const settings = settingsFrom({ ...options, ...quietInTerminal() });
  const loaded = await loadConfig(configPathFrom(options.config, settings));
  const stopped = untilStopped();
  await using _end = endOfProcess;
  await using running = await startWorker({ settings, loaded });
  const facts = {
    workerId: running.workerId,
    database: describeDatabase(settings.database),
    config: loaded.path,
    pid: process.pid,
  };
  output.record(facts, () => `Worker ${running.workerId} runs what ${loaded.path} defines`);
  output.talk(`${await stopped}: finishing what runs, for at most ${settings.shutdownGraceMs / 1000} s …`);
}
