/**
 * One process of a crash test: accepts the task (or finds it again by its key), runs it on the data folder, says in the
 * ledger what happens, and kills itself where it was told to. Exits with 0 when the task has ended or can only go on
 * with a person's help, with 2 when the task was refused as a mistake. Started as `node child.ts JOB`, with a job as JSON.
 */
import { errorCodes, type Json, OpspawnError } from '@opspawn/agentkit/schema';
import { loadConfig, localPrincipal, startWorker } from '@opspawn/ops-core';
import type { CreateTask, OpenWait, Task } from '@opspawn/sdk';
import { settingsFrom } from '../embedded.ts';
import { crashingStore, type StoreKill } from './crashing-store.ts';
import { ledgerSteps, writeLedger } from './ledger.ts';

export interface Job {
  configPath: string;
  dataDir: string;
  ledger: string;
  request: CreateTask;
  /** Sent as soon as the task is accepted. The ids make sending them again harmless. */
  signals: readonly { name: string; data?: Json; id: string }[];
  /** A wait that is due later than this counts as one that only a person ends. */
  horizonMs: number;
  kill?: StoreKill | { inStep: number };
}

async function runJob({
  configPath,
  dataDir,
  ledger,
  request,
  signals,
  horizonMs,
  kill,
}: Job): Promise<void> {
  const killInStep = kill !== undefined && 'inStep' in kill ? { killInStep: kill.inStep } : {};
  const storeKill = kill !== undefined && 'boundary' in kill ? kill : undefined;
  const boundaries: number[] = [];
  await using worker = await startWorker({
    settings: settingsFrom({ data: dataDir, logLevel: 'silent' }),
    loaded: await loadConfig(configPath),
    durable: { outOfTurn: 'fail' },
    wrapStore: (store) =>
      crashingStore(store, storeKill, (boundary) => {
        boundaries.push(boundary);
      }),
    wrapSteps: (steps) => ledgerSteps(steps, { path: ledger, ...killInStep }),
  });
  const { task } = await worker.engine.submit(localPrincipal, request);
  writeLedger(ledger, { said: 'accepted', taskId: task.id });
  for (const signal of signals)
    await worker.engine.signal(localPrincipal, task.id, signal).catch(ignoreEnded);
  const watching = new AbortController();
  const events = worker.engine.follow(localPrincipal, task.id, { after: 0, signal: watching.signal });
  for await (const event of events) {
    if (event.type === 'status' && needsPerson(event.task, horizonMs)) break;
  }
  watching.abort();
  writeLedger(ledger, { said: 'boundaries', boundaries });
}

/** Whether nothing but a person, or a signal from outside, makes the task go on in the time that a test has. */
function needsPerson({ status, waits }: Task, horizonMs: number): boolean {
  if (status === 'paused') return true;
  const horizon = Date.now() + horizonMs;
  const endsSoon = ({ kind, dueAt }: OpenWait) =>
    kind === 'child' || (dueAt !== undefined && Date.parse(dueAt) < horizon);
  return status === 'waiting' && !waits.some(endsSoon);
}

function ignoreEnded(thrown: unknown): void {
  if (!(thrown instanceof OpspawnError && thrown.code === 'wrong_state')) throw thrown;
}

try {
  await runJob(JSON.parse(process.argv[2] ?? '') as Job);
} catch (thrown) {
  if (!(thrown instanceof OpspawnError && thrown.code === 'invalid_argument')) throw thrown;
  process.stderr.write(thrown.message);
  process.exit(errorCodes.invalid_argument.exit);
}
// Tools of the user may have left timers and connections behind.
process.exit(0);
