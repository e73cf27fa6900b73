/** Makes whole processes of the parts. The only place that constructs adapters. */

import { hostname } from 'node:os';
import { moduleUrl, type Steps } from '@opspawn/agentkit';
import { defaultNamespace } from '../auth/principal.ts';
import { readProcessStart } from '../host.ts';
import type { ClaimedTask } from '../storage/store.ts';
import { type LoadedConfig, loadConfig } from '../tasks/definitions/load-config.ts';
import type { Engine } from '../tasks/engine-interface.ts';
import { Upkeep } from '../tasks/upkeep.ts';
import type { Worker, WorkerOptions } from '../tasks/worker/worker.ts';
import { openAgentEnvironment } from './agent-environment.ts';
import { makeFirstKey } from './first-key.ts';
import { type NodeOptions, type OpspawnNode, openNode } from './node.ts';
import { ownUncaught } from './uncaught.ts';

export interface ServerStartOptions extends NodeOptions {
  /** Takes requests with this key alone, for a server that is meant for this process. Default: keys of the store. */
  ownKey?: string;
  /** The namespace in which who has `ownKey` works. Default: `default`. */
  ownNamespace?: string;
}

export interface WorkerStartOptions extends NodeOptions {
  /** The tenant whose definitions it registers. Default: `default`. */
  namespace?: string;
  /** User code. Default: the file that the settings name, or the nearest one from the working directory upwards. */
  loaded?: LoadedConfig;
  durable?: WorkerOptions['durable'];
  wrapSteps?: (steps: Steps, task: ClaimedTask) => Steps;
}

export interface RunningServer extends AsyncDisposable {
  /** Where it listens: `http://127.0.0.1:7070`. */
  readonly url: string;
  /** The first key of the API, which this server made because others reach it and there was none. Not to be had again. */
  readonly firstKey: string | undefined;
  readonly engine: Engine;
}

export interface RunningWorker extends AsyncDisposable {
  readonly engine: Engine;
  /** Changes when a lease was lost. */
  readonly workerId: string;
}

export type RunningOpspawn = RunningServer & RunningWorker;

const serverSweepEveryMs = 5_000;

/**
 * Serves the API over the database. Needs no user code. Disposing it ends open streams and waits for the answers
 * that are being made. Throws `config_invalid` when the port cannot be had, and what the store throws.
 */
export async function startServer(options: ServerStartOptions): Promise<RunningServer> {
  await using opening = new AsyncDisposableStack();
  const node = opening.use(await openNode(options));
  opening.use(keepUp(node));
  const served = await serve(node, options, opening);
  const stack = opening.move();
  return { ...served, engine: node.engine, [Symbol.asyncDispose]: () => stack.disposeAsync() };
}

/**
 * Runs tasks of the database. Disposing it claims no more, lets what runs end within the settings' grace, and gives
 * the rest back. Throws `config_invalid` for user code that is not valid, and what the store throws.
 */
export async function startWorker(options: WorkerStartOptions): Promise<RunningWorker> {
  await using opening = new AsyncDisposableStack();
  const loaded = options.loaded ?? (await loadConfig(options.settings.configPath));
  const node = opening.use(await openNode({ ...options, loaded }));
  const worker = await work(node, { ...options, loaded }, opening);
  const stack = opening.move();
  return runningWorker(node, worker, stack);
}

/** Both in one process. */
export async function startDev(options: ServerStartOptions & WorkerStartOptions): Promise<RunningOpspawn> {
  await using opening = new AsyncDisposableStack();
  const loaded = options.loaded ?? (await loadConfig(options.settings.configPath));
  const node = opening.use(await openNode({ ...options, loaded }));
  const worker = await work(node, { ...options, loaded }, opening);
  const served = await serve(node, options, opening);
  const stack = opening.move();
  return { ...served, ...runningWorker(node, worker, stack) };
}

/** For as long as there is no worker, which would do so sooner: deadlines pass, and dead workers' tasks are given back. */
function keepUp({ store, log }: OpspawnNode): Upkeep {
  return new Upkeep({
    store,
    everyMs: serverSweepEveryMs,
    now: Date.now,
    onError: (err) => log.warn({ err }, 'the sweep failed'),
  });
}

function runningWorker({ engine }: OpspawnNode, worker: Worker, stack: AsyncDisposableStack): RunningWorker {
  return {
    engine,
    get workerId() {
      return worker.id;
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

async function serve(
  { engine, log, settings, store }: OpspawnNode,
  { ownKey, ownNamespace }: ServerStartOptions,
  stack: AsyncDisposableStack,
): Promise<{ url: string; firstKey: string | undefined }> {
  const { createHttpServer, listen } = await import('../http/server.ts');
  const { createGate } = await import('../http/gate.ts');
  const gate = createGate({ store, host: settings.host, ownKey, ownNamespace });
  const hosts = [settings.host, hostname(), ...settings.allowedHosts].map((name) => name.toLowerCase());
  const server = createHttpServer({ engine, log, gate, hosts });
  stack.defer(() => server.close());
  const url = await listen(server, { ...settings, gate });
  // Once it surely serves: a key that nobody is told of would lock everybody out.
  const firstKey = gate.isKeyed && ownKey === undefined ? await makeFirstKey(store) : undefined;
  log.info({ url }, 'the server listens');
  return { url, firstKey };
}

async function work(
  node: OpspawnNode,
  options: WorkerStartOptions & { loaded: LoadedConfig },
  stack: AsyncDisposableStack,
): Promise<Worker> {
  const { Registry } = await import('../tasks/definitions/registry.ts');
  const { createWorker } = await import('../tasks/worker/worker.ts');
  const { settings, log, store, bus } = node;
  const environment = await openAgentEnvironment(node, options.loaded, stack);
  const registry = new Registry(options.loaded.config, environment);
  const { database } = settings;
  const isShared = database.kind !== 'sqlite' || database.path !== ':memory:';
  const worker = await createWorker({
    store,
    bus,
    registry,
    log,
    namespace: options.namespace ?? defaultNamespace,
    capacity: settings.capacity,
    queues: settings.queues,
    processStart: readProcessStart(process.pid) ?? '',
    leaseTtlMs: settings.leaseTtlMs,
    ...(isShared ? { leaseThread: { module: moduleUrl('./lease-thread', import.meta.url), database } } : {}),
    ...(options.durable === undefined ? {} : { durable: options.durable }),
    ...(options.wrapSteps === undefined ? {} : { wrapSteps: options.wrapSteps }),
  });
  stack.use(ownUncaught(log, (taskId, error) => worker.noteUncaught(taskId, error)));
  stack.defer(() => worker.drain({ graceMs: settings.shutdownGraceMs }));
  log.info({ workerId: worker.id, config: options.loaded.path }, 'the worker claims tasks');
  return worker;
}
