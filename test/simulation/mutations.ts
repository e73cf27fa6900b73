/**
 * Guards of the scheduler, each taken out by a change of its source as it is loaded. A simulation that does not find that
 * one is gone would not find it missing either.
 */
import { readFileSync } from 'node:fs';
import { registerHooks } from 'node:module';
import { fileURLToPath } from 'node:url';

export interface Mutation {
  /** What is no longer held. */
  readonly breaks: string;
  /** Below packages/ops-core/src. */
  readonly file: string;
  readonly from: string;
  readonly to: string;
}

export const mutations = {
  fencing: {
    breaks: 'a write of an attempt that was superseded is refused',
    file: 'storage/sqlite/writing/append.ts',
    from: 'attempt = ?2 and worker_id = ?3',
    to: '?2 = ?2 and ?3 = ?3',
  },
  awakened: {
    breaks: 'a task does not suspend when what it waits for is there',
    file: 'storage/sqlite/writing/give-up.ts',
    from: 'if (findOwned(write.owner) !== undefined && isAwakened(write))',
    to: 'if (findOwned(write.owner) === undefined && isAwakened(write))',
  },
  doubt: {
    breaks: 'an effect whose intent is recorded is not had again without a word',
    file: 'tasks/durable/starting.ts',
    from: 'request.recorded?.intent === undefined',
    to: 'request !== undefined',
  },
  lease: {
    breaks: 'an effect is begun only under a lease that surely holds',
    file: 'tasks/durable/executing.ts',
    from: 'if (run.port.holdsLease()) return true;',
    to: 'if (run !== undefined) return true;',
  },
  session: {
    breaks: 'the tasks of a session run one after the other',
    file: 'storage/sqlite/scheduling/enqueue.ts',
    from: 'predecessor !== null ? queueState.held',
    to: 'predecessor === undefined ? queueState.held',
  },
  limit: {
    breaks: 'no more tasks run under a key than it allows',
    file: 'storage/sqlite/scheduling/limits.ts',
    from: 'const refusing = limits.find((limit) => !admits(turn, namespace, limit));',
    to: 'const refusing = limits.find((limit) => limit.key === undefined);',
  },
  answers: {
    breaks: 'what a claim took whose answer was lost is given back',
    file: 'tasks/worker/worker.ts',
    from: 'if (this.#unsure > 0)',
    to: 'if (this.#unsure > 0 && identity === undefined)',
  },
  offers: {
    breaks: 'what a worker was given as it was submitted, and was not told of, is given back',
    file: 'tasks/worker/offers.ts',
    from: 'if (close() && isUnclear) onUnclear();',
    to: 'if (close() && this.#pending < 0) onUnclear();',
  },
} as const satisfies Record<string, Mutation>;

export type MutationName = keyof typeof mutations;

/** Has the module come as mutated when it is imported, which it must not have been yet. */
export function mutate(name: MutationName): void {
  const { file, from, to } = mutations[name];
  const url = new URL(`../../packages/ops-core/src/${file}`, import.meta.url).href;
  const text = readFileSync(fileURLToPath(url), 'utf8');
  if (!text.includes(from)) throw new Error(`${file} has no "${from}": mend the mutation`);
  registerHooks({
    load: (asked, context, load) =>
      asked === url
        ? { format: 'module-typescript', source: text.replace(from, to), shortCircuit: true }
        : load(asked, context),
  });
}
