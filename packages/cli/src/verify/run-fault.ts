/** One fault from the suite: work is submitted, the fault strikes, everything is let come to rest, and is judged. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { moduleUrl, OpspawnError } from '@opspawn/agentkit';
import { type Deployment, databaseUrlOf } from './deployment.ts';
import type { Fault, Field } from './faults.ts';
import { Fleet } from './fleet.ts';
import { readLedger } from './ledger.ts';
import { namespacePrefix, Operator } from './operator.ts';
import { TcpProxy } from './tcp-proxy.ts';
import { isClean, Judge, type Verdict } from './verdict.ts';

export interface FaultOptions {
  deployment: Deployment;
  /** Of all counts: 1 is the whole suite. */
  scale: number;
  random: () => number;
  signal: AbortSignal;
}

export interface FaultReport extends Verdict {
  fault: string;
  tasks: number;
  strikes: number;
  durationMs: number;
}

const fleetSize = 3;
/** Long enough for a machine that is busy: a worker that loses its lease for nothing does everything again. */
const leaseTtlMs = 3_000;
/** Work that lies ready at most, so that it does not run out before the fault has struck often enough. */
const mostUnfinished = 150;
/** What has not moved for so long after the last strike is stuck. */
const stuckMs = 60_000;
const fewestTasks = 30;
/** For the end of what was cancelled because the run was. */
const giveUpMs = 10_000;
/** Within so long after work was submitted a strike comes: about as long as a task takes. */
const spreadMs = 250;

export async function runFault(fault: Fault, options: FaultOptions): Promise<FaultReport> {
  const startedAt = performance.now();
  const { scale, random, signal } = options;
  const tasks = Math.max(fewestTasks, Math.ceil(fault.tasks * scale));
  const strikes = Math.ceil(fault.strikes * scale);
  await using stack = new AsyncDisposableStack();
  const queue = `${namespacePrefix}${Math.floor(random() * 36 ** 8).toString(36)}`;
  const ledger = await startLedger(stack);
  const disk = fault.smallDisk && (await options.deployment.openSmallDisk?.(fault.smallDisk));
  if (disk !== undefined) stack.use(disk);
  const deployment = disk === undefined ? options.deployment : { settings: disk.settings };
  const proxies = fault.throughProxy ? await openProxies(deployment, stack) : undefined;
  const fleet = stack.use(
    await Fleet.start({
      size: fleetSize,
      environment: { ...environmentOf(deployment, queue), ...proxies?.environment },
      job: {
        namespace: queue,
        queue,
        ledger: ledger.socketPath,
        ...(fault.storeFaults && {
          storeFaults: { seed: Math.floor(random() * 2 ** 32), ...fault.storeFaults },
        }),
      },
    }),
  );
  const { settings } = deployment;
  const operator = stack.use(await Operator.open({ settings, namespace: queue, queue, ledger }));
  const field: Field = {
    deployment,
    fleet,
    proxies: proxies?.opened ?? [],
    ...(disk && { disk }),
    queue,
    leaseTtlMs,
    random,
  };
  try {
    await strikeAll(fault, field, operator, { tasks, strikes, signal });
    await comeToRest(operator, fleet, signal);
  } catch (thrown) {
    if (signal.aborted) await giveUp(operator);
    throw thrown;
  }
  await fault.end?.(deployment);
  const judge = new Judge(readLedger(ledger.filePath));
  for await (const judged of operator.everything()) judge.judge(judged);
  const durationMs = Math.round(performance.now() - startedAt);
  // What was found stays, as evidence.
  if (isClean(judge.verdict)) await operator.forget();
  return { fault: fault.name, tasks, strikes, durationMs, ...judge.verdict };
}

async function strikeAll(
  { atOnce = 1, strike }: Fault,
  field: Field,
  operator: Operator,
  { tasks, strikes, signal }: { tasks: number; strikes: number; signal: AbortSignal },
): Promise<void> {
  const { fleet, random } = field;
  for (let struck = 0, last = Math.max(1, strikes); struck < last; ) {
    signal.throwIfAborted();
    const together = Math.min(atOnce, last - struck);
    struck += together;
    await operator.submit(Math.ceil((tasks * struck) / last) - operator.accepted.length);
    const strikeSoon = async (): Promise<void> => {
      await sleep(spreadMs * random());
      await strike?.(field);
    };
    await Promise.all(Array.from({ length: together }, strikeSoon));
    while ((await operator.unfinished()).length >= mostUnfinished) await pause(fleet, signal);
  }
}

/** Leaves nothing behind as far as the workers are able to, and does not keep who stopped it waiting. */
async function giveUp(operator: Operator): Promise<void> {
  const until = performance.now() + giveUpMs;
  for (let open = -1; open !== 0 && performance.now() < until; await sleep(100))
    open = await operator.cancelAll();
  await operator.forget();
}

async function pause(fleet: Fleet, signal: AbortSignal): Promise<void> {
  fleet.check();
  await sleep(50, undefined, { signal });
}

/** Waits until everything has ended, deciding what is in doubt, or until nothing has moved for a minute. */
async function comeToRest(operator: Operator, fleet: Fleet, signal: AbortSignal): Promise<void> {
  let seen = '';
  for (let movedAt = performance.now(); performance.now() - movedAt < stuckMs; await pause(fleet, signal)) {
    const unfinished = await operator.unfinished();
    const waiting = await operator.inDoubt();
    if (unfinished.length + waiting.length === 0) return;
    const shown = [...unfinished, ...waiting]
      .map(({ id, status, entries }) => `${id} ${status} ${entries}`)
      .join();
    if (shown !== seen) movedAt = performance.now();
    seen = shown;
    // Now nobody is in the middle of an effect any more.
    if (unfinished.length === 0) await operator.decide(waiting);
  }
}

async function startLedger(stack: AsyncDisposableStack): Promise<{ socketPath: string; filePath: string }> {
  const folder = await mkdtemp(join(tmpdir(), 'opspawn-verify-'));
  stack.defer(() => rm(folder, { recursive: true, force: true }));
  const paths = { socketPath: join(folder, 'socket'), filePath: join(folder, 'ledger') };
  const child = spawn(
    process.execPath,
    [moduleUrl('./ledger-process', import.meta.url).pathname, paths.socketPath, paths.filePath],
    { stdio: ['pipe', 'pipe', 'inherit'] },
  );
  const exited = once(child, 'exit');
  stack.defer(async () => {
    child.stdin.end();
    await exited;
  });
  const failed = exited.then(() => {
    throw new OpspawnError('internal', 'The ledger did not start');
  });
  failed.catch(() => {});
  await Promise.race([once(child.stdout, 'data'), failed]);
  return paths;
}

const environmentOf = ({ settings }: Deployment, queue: string): Record<string, string> => ({
  OPSPAWN_DATA_DIR: settings.dataDir,
  OPSPAWN_DATABASE_URL: databaseUrlOf(settings),
  OPSPAWN_BROKER_URL: settings.brokerUrl ?? '',
  OPSPAWN_QUEUES: queue,
  OPSPAWN_CAPACITY: '50',
  OPSPAWN_LEASE_TTL_MS: String(leaseTtlMs),
  OPSPAWN_SHUTDOWN_GRACE_MS: '2000',
  OPSPAWN_LOG_LEVEL: 'error',
});

const defaultPorts: Readonly<Record<string, number>> = { amqp: 5672, amqps: 5671 };

/** Between the workers, and the workers alone, and what they reach over a network. */
async function openProxies({ settings: { database, brokerUrl } }: Deployment, stack: AsyncDisposableStack) {
  const opened: TcpProxy[] = [];
  const environment: Record<string, string> = {};
  const put = async (variable: string, url: string): Promise<void> => {
    const { hostname, port, protocol } = new URL(url);
    const target = { host: hostname, port: Number(port) || (defaultPorts[protocol.slice(0, -1)] ?? 5432) };
    const proxy = stack.use(await TcpProxy.open(target));
    opened.push(proxy);
    environment[variable] = proxy.urlOf(url);
  };
  if (database.kind === 'postgres') await put('OPSPAWN_DATABASE_URL', database.url);
  if (brokerUrl !== undefined) await put('OPSPAWN_BROKER_URL', brokerUrl);
  return { opened, environment };
}
