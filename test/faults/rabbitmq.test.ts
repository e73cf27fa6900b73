import assert from 'node:assert/strict';
import { chmodSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { inspect } from 'node:util';
import { Connection } from 'rabbitmq-client';
import { localPrincipal } from '../../packages/ops-core/src/auth/principal.ts';
import { readSettings } from '../../packages/ops-core/src/config.ts';
import { brokerPrefixOf } from '../../packages/ops-core/src/start/broker-prefix.ts';
import { type OpspawnNode, openNode } from '../../packages/ops-core/src/start/node.ts';
import { temporaryFolder, untilFinished } from '../../packages/ops-core/test/opspawn.ts';
import {
  createTestDatabase,
  skipWithoutPostgres,
} from '../../packages/ops-core/test/postgres/test-database.ts';
import { TcpRelay } from '../../packages/ops-core/test/tcp-relay.ts';
import { RabbitServer } from '../../scripts/services/rabbitmq.ts';
import { type Child, startChild } from '../crash/child-process.ts';
import { judgeTask } from '../crash/judge.ts';
import { readLedger } from '../crash/ledger.ts';

const scale = Number(process.env.OPSPAWN_TEST_SCALE ?? 1);
// The broker of the run cannot be killed: others use it. Where it could not be had, nor can this one.
const skip =
  process.env.OPSPAWN_TEST_RABBITMQ_URL === undefined
    ? 'OPSPAWN_TEST_RABBITMQ_URL is not set'
    : skipWithoutPostgres;
/** What takes so long does not come any more, also on a busy machine. */
const hangMs = 180_000;

/** A broker for this test alone, with its data in a folder that the test removes. */
async function startBroker(t: TestContext): Promise<RabbitServer> {
  const folder = temporaryFolder(t);
  chmodSync(folder, 0o755);
  return await RabbitServer.create(folder);
}

interface Fleet extends AsyncDisposable {
  readonly folder: string;
  readonly node: OpspawnNode;
  /** Between the workers and the broker. */
  readonly relay: TcpRelay;
  startWorker(): Promise<Child>;
}

async function openFleet(t: TestContext, broker: RabbitServer): Promise<Fleet> {
  await using opening = new AsyncDisposableStack();
  const folder = temporaryFolder(t);
  const database = opening.use(await createTestDatabase());
  const relay = opening.use(await TcpRelay.open(Number(new URL(broker.url).port)));
  const relayed = Object.assign(new URL(broker.url), { port: String(relay.port) }).href;
  const settings = readSettings({
    OPSPAWN_DATA_DIR: folder,
    OPSPAWN_DATABASE_URL: database.url,
    OPSPAWN_BROKER_URL: relayed,
  });
  const node = opening.use(await openNode({ settings: { ...settings, logLevel: 'silent' } }));
  const stack = opening.move();
  const args = ['--folder', folder, '--database', database.url, '--broker', relayed];
  return {
    folder,
    node,
    relay,
    async startWorker() {
      const worker = startChild(t, new URL('fleet-worker.ts', import.meta.url), args);
      stack.defer(() => worker.kill());
      await worker.said('ready');
      return worker;
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

/** Submits until it is told to stop, ever slower; the tasks that were acknowledged. */
async function submitUntil({ node }: Fleet, signal: AbortSignal): Promise<string[]> {
  const taskIds: string[] = [];
  while (!signal.aborted) {
    const { task } = await node.engine.submit(localPrincipal, { name: 'five-steps' });
    taskIds.push(task.id);
    // A broker that takes a minute to start on a busy machine must not leave it thousands of tasks to do.
    await sleep(20 + taskIds.length / 4);
  }
  return taskIds;
}

/** Waits for the work, and says what did not end, and what is known then, when that takes too long. */
async function within<Result>(
  timeoutMs: number,
  { name, known }: { name: string; known?: () => unknown },
  work: Promise<Result>,
): Promise<Result> {
  const waiting = new AbortController();
  const late = sleep(timeoutMs, undefined, { signal: waiting.signal }).then(async () => {
    throw new Error(`${name}: not done after ${timeoutMs} ms: ${inspect(await known?.(), { depth: 4 })}`);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    late.catch(() => {});
    waiting.abort();
  }
}

/** What could tell why tasks do not end. */
async function stateOf({ node }: Fleet, workers: readonly Child[]): Promise<unknown> {
  const status = ['pending', 'running', 'waiting', 'paused'] as const;
  const { items } = await node.engine.list(localPrincipal, { status, limit: 5 });
  const why = await Promise.all(items.map(({ id }) => node.engine.why(localPrincipal, id)));
  const ended = workers.map(({ process: { exitCode, signalCode } }) => exitCode ?? signalCode ?? 'works');
  return { link: node.bus.link, unfinished: items, why, workers: ended };
}

describe('RabbitMQ that fails under load', { skip, timeout: 590_000 }, () => {
  it('purged, cut off, killed and restarted, and a worker killed: no task is lost, no recorded step runs again', async (t) => {
    await using broker = await startBroker(t);
    await using fleet = await openFleet(t, broker);
    const starting = Promise.all([1, 2, 3].map(() => fleet.startWorker()));
    const [victim, ...others] = await within(hangMs, { name: 'workers start' }, starting);
    assert.ok(victim !== undefined);
    const known = () => stateOf(fleet, others);
    const stopping = new AbortController();
    const submitting = submitUntil(fleet, stopping.signal);
    const doorbells = `${await brokerPrefixOf(fleet.node.settings.database)}.doorbell.default`;
    const admin = new Connection(broker.url);
    t.after(() => admin.unsafeDestroy());
    admin.on('error', () => {});
    for (let fault = 0; fault < Math.ceil(3 * scale); fault += 1) {
      await sleep(100);
      await within(hangMs, { name: 'the queue is purged', known }, admin.queuePurge(doorbells));
      await sleep(100);
      fleet.relay.cut();
    }
    await within(hangMs, { name: 'a worker and the broker are killed' }, kill(victim, broker));
    await sleep(300);
    await broker.start();
    stopping.abort();
    const taskIds = await within(hangMs, { name: 'the last task is submitted', known }, submitting);
    const finishing = Promise.all(taskIds.map((taskId) => untilFinished(t, fleet.node.engine, taskId)));
    const finished = await within(hangMs, { name: 'all tasks end', known }, finishing);
    const ledger = Map.groupBy(
      readLedger(join(fleet.folder, 'ledger')),
      (line) => 'taskId' in line && line.taskId,
    );
    for (const { task, entries } of finished) {
      assert.equal(task.output, 10);
      judgeTask(task.id, entries, ledger.get(task.id) ?? []);
    }
    t.diagnostic(`${taskIds.length} tasks`);
    const linked = fleet.node.bus.linked(t.signal);
    await within(hangMs, { name: 'the broker is linked again', known }, linked);
  });
});

async function kill(...victims: readonly { kill(): Promise<void> }[]): Promise<void> {
  await Promise.all(victims.map((victim) => victim.kill()));
}
