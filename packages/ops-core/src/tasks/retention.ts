import { setTimeout as sleep } from 'node:timers/promises';
import type { NamespaceSettings } from '@opspawn/sdk';
import type { Retention } from '../config.ts';
import type { PurgeRequest } from '../storage/parts/housekeeping.ts';
import type { Store } from '../storage/store.ts';
import { NamespaceSettingsCache } from './namespace-settings.ts';

interface RetentionOptions {
  store: Pick<
    Store,
    'namespaces' | 'namespaceSettings' | 'setNamespaceSettings' | 'purge' | 'memories' | 'now'
  >;
  /** Where a namespace says nothing else. */
  defaults: Retention;
  onDeleted: (namespace: string, tasks: number) => void;
  onError: (error: unknown) => void;
}

const roundEveryMs = 60_000;
/** What one look may do: a few ms of the database, so that nobody waits for it. */
const rowsPerLook = 500;
const entriesPerLook = 5_000;
/** Of its own time: the database is busy with it for a tenth at most. */
const pauseShare = 9;
const shortestPauseMs = 20;

/**
 * Deletes what is kept long enough, look by look, once a minute. Any number of processes may do so at once, without a
 * leader: what one of them deletes or works on, the others pass over.
 */
export class RetentionLoop implements AsyncDisposable {
  readonly #options: RetentionOptions;
  readonly #settings: NamespaceSettingsCache;
  readonly #stopping = new AbortController();
  readonly #ended: Promise<void>;

  constructor(options: RetentionOptions) {
    this.#options = options;
    this.#settings = new NamespaceSettingsCache(options.store);
    this.#ended = this.#goRound();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping.abort();
    await this.#ended;
  }

  async #goRound(): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      // Not all processes at once, nor one that is gone in a moment.
      await sleep(roundEveryMs * (0.5 + Math.random()), undefined, { signal, ref: false }).catch(() => {});
      if (!signal.aborted) await this.#purgeAll(signal).catch(this.#options.onError);
    }
  }

  async #purgeAll(signal: AbortSignal): Promise<void> {
    const { store, defaults, onDeleted } = this.#options;
    for (const namespace of await store.namespaces()) {
      const retention = withDefaults(await this.#settings.load(namespace), defaults);
      const deleted = await purgeNamespace(store, { namespace, retention, signal });
      if (deleted > 0) onDeleted(namespace, deleted);
    }
    await purgeMemories(store, signal);
  }
}

/** null says "for ever", and is not the same as nothing. */
function withDefaults({ retention = {} }: NamespaceSettings, defaults: Retention): Retention {
  const { completedMs, failedMs, cancelledMs } = retention;
  return {
    completedMs: completedMs === undefined ? defaults.completedMs : completedMs,
    failedMs: failedMs === undefined ? defaults.failedMs : failedMs,
    cancelledMs: cancelledMs === undefined ? defaults.cancelledMs : cancelledMs,
  };
}

interface NamespacePurge {
  namespace: string;
  retention: Retention;
  signal: AbortSignal;
}

/** All that is due, from the oldest on. How many tasks were deleted. */
export async function purgeNamespace(
  store: Pick<Store, 'purge' | 'now'>,
  { namespace, retention, signal }: NamespacePurge,
): Promise<number> {
  const now = await store.now();
  const before = (status: 'completed' | 'failed' | 'cancelled', keptMs: number | null) =>
    keptMs === null ? {} : { [status]: now - keptMs };
  const looks = [
    { ended: 'completed', endedBefore: before('completed', retention.completedMs) },
    {
      ended: 'unsuccessful',
      endedBefore: { ...before('failed', retention.failedMs), ...before('cancelled', retention.cancelledMs) },
    },
  ] as const;
  let deleted = 0;
  for (const look of looks) {
    if (Object.keys(look.endedBefore).length > 0)
      deleted += await lookThrough(store, { namespace, signal, ...look });
  }
  return deleted;
}

/** Memories whose time has come, of all namespaces: nobody finds them any more. */
export async function purgeMemories(
  store: Pick<Store, 'memories' | 'now'>,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    const startedAt = performance.now();
    const deleted = await store.memories.removeExpired(await store.now(), rowsPerLook);
    if (deleted < rowsPerLook) return;
    await pause(startedAt, signal);
  }
}

async function lookThrough(
  store: Pick<Store, 'purge'>,
  { signal, ...request }: Pick<PurgeRequest, 'namespace' | 'ended' | 'endedBefore'> & { signal: AbortSignal },
): Promise<number> {
  let total = 0;
  for (let behind: string | undefined; !signal.aborted; ) {
    const startedAt = performance.now();
    const from = behind === undefined ? {} : { behind };
    const look = await store.purge({ ...request, ...from, rows: rowsPerLook, entries: entriesPerLook });
    total += look.deleted;
    behind = look.behind;
    if (behind === undefined) break;
    await pause(startedAt, signal);
  }
  return total;
}

async function pause(startedAt: number, signal: AbortSignal): Promise<void> {
  const pauseMs = Math.max(shortestPauseMs, pauseShare * (performance.now() - startedAt));
  await sleep(pauseMs, undefined, { signal, ref: false }).catch(() => {});
}
