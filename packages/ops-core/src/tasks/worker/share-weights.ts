import { z } from 'zod';
import type { NamespaceWeights } from '../../storage/parts/queues.ts';
import type { Store } from '../../storage/store.ts';
import type { Weights } from './fair-share.ts';

/** Older than this they are read anew in the background. */
const freshMs = 5_000;

/** Of a namespace's settings; a later program may have more to say. */
const weightSchema = z.object({ weight: z.number().positive().optional() });

interface Said {
  readonly weight: number;
  readonly queues: Readonly<Record<string, number>>;
}

/** What is said of the shares of namespaces and queues: remembered, because every claim asks. */
export class ShareWeights implements Weights {
  readonly #store: Pick<Store, 'weights'>;
  #said: ReadonlyMap<string, Said> = new Map();
  #loadedAt = Number.NEGATIVE_INFINITY;
  #loading: Promise<void> | undefined;

  constructor(store: Pick<Store, 'weights'>) {
    this.#store = store;
  }

  namespace(namespace: string): number {
    return this.#said.get(namespace)?.weight ?? 1;
  }

  queue(namespace: string, queue: string): number {
    return this.#said.get(namespace)?.queues[queue] ?? 1;
  }

  *said(): Iterable<readonly [string, readonly string[]]> {
    for (const [namespace, { queues }] of this.#said) yield [namespace, Object.keys(queues)];
  }

  keepFresh(): void {
    if (performance.now() - this.#loadedAt > freshMs) this.refresh().catch(() => {});
  }

  async refresh(): Promise<void> {
    this.#loading ??= this.#load().finally(() => {
      this.#loading = undefined;
    });
    await this.#loading;
  }

  async #load(): Promise<void> {
    const all = await this.#store.weights();
    const said = all.map((one) => [one.namespace, saidBy(one)] as const);
    this.#said = new Map(
      said.filter(([, { weight, queues }]) => weight !== 1 || Object.keys(queues).length > 0),
    );
    this.#loadedAt = performance.now();
  }
}

function saidBy({ settings, queues }: NamespaceWeights): Said {
  const { weight = 1 } = settings === undefined ? {} : weightSchema.parse(JSON.parse(settings));
  return { weight, queues };
}
