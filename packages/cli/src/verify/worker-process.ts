/**
 * A worker that is there to be killed, stopped and lied to. Started as `node worker-process.ts JOB` with a job as JSON;
 * settings come from the environment. Says `ready` on stdout; works until SIGTERM.
 */
import { type NodeOptions, readSettings, startWorker, untilStopped, withFaults } from '@opspawn/ops-core';
import { openLedger } from './ledger.ts';
import { ledgerSteps, tenSteps } from './ten-steps.ts';

export interface WorkerJob {
  namespace: string;
  queue: string;
  /** Socket of the ledger. */
  ledger: string;
  /** Shares of the store's calls that fail, before or after they were done, 0 to 1. */
  storeFaults?: { seed: number; before: number; after: number };
}

/** What the parent may say to it. */
export interface ClockMessage {
  /** Moves this process's wall clock by so much from where it stands by itself, in ms. */
  clockOffsetMs: number;
}

function followClock(): void {
  const realNow = Date.now;
  let offsetMs = 0;
  Date.now = () => realNow() + offsetMs;
  process.on('message', (message: ClockMessage) => {
    offsetMs = message.clockOffsetMs;
  });
  // A parent that is gone needs no worker.
  process.on('disconnect', () => process.exit());
}

/** Stores that fail only once the worker has begun: at its start a worker whose store is away says so and ends. */
function faultyLater(faults: NonNullable<WorkerJob['storeFaults']>) {
  let isFaulty = false;
  const wrapStore: NonNullable<NodeOptions['wrapStore']> = (store) => {
    const faulty = withFaults(store, faults);
    return new Proxy(store, {
      get(target, key) {
        const value: unknown = Reflect.get(isFaulty ? faulty : target, key);
        return typeof value === 'function' && !isFaulty ? value.bind(target) : value;
      },
    });
  };
  return { wrapStore, begin: () => (isFaulty = true) };
}

async function main({ namespace, queue, ledger: socketPath, storeFaults }: WorkerJob): Promise<void> {
  followClock();
  const stopped = untilStopped();
  using ledger = await openLedger(socketPath);
  const faulty = storeFaults === undefined ? undefined : faultyLater(storeFaults);
  await using _worker = await startWorker({
    settings: readSettings(),
    namespace,
    loaded: { path: import.meta.filename, config: tenSteps(queue) },
    wrapSteps: ledgerSteps(ledger),
    ...(faulty === undefined ? {} : { wrapStore: faulty.wrapStore }),
  });
  faulty?.begin();
  process.stdout.write('ready\n');
  await stopped;
}

await main(JSON.parse(process.argv[2] ?? '') as WorkerJob);
process.exit(0);
