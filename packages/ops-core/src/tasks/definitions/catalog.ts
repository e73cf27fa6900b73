import { OpspawnError } from '@opspawn/agentkit';
import { type Definition, definitionSchema, type TaskKind, taskKindSchema } from '@opspawn/sdk';
import { z } from 'zod';
import { defaultNamespace } from '../../auth/principal.ts';
import type { DefinitionRow } from '../../storage/parts/definitions.ts';
import type { Store } from '../../storage/store.ts';

/** What a row's `data` holds. */
export const definitionDataSchema = z.object({
  description: z.string().optional(),
  inputSchema: definitionSchema.shape.inputSchema,
  attemptTimeoutMs: z.int().positive().optional(),
  timeoutMs: z.int().positive().optional(),
  concurrency: z.object({ key: z.string().optional(), limit: z.int().positive() }).optional(),
  rate: z
    .object({ key: z.string().optional(), count: z.int().positive(), intervalMs: z.int().positive() })
    .optional(),
});
export type DefinitionData = z.infer<typeof definitionDataSchema>;

export interface CatalogEntry extends Definition {
  attemptTimeoutMs?: number | undefined;
  timeoutMs?: number | undefined;
  concurrency?: DefinitionData['concurrency'];
  rate?: DefinitionData['rate'];
}

interface Shelf {
  readonly byName: ReadonlyMap<string, readonly CatalogEntry[]>;
  /** By the text of their row. What stays the same stays the same object: compiled schemas are found by it. */
  readonly byText: ReadonlyMap<string, CatalogEntry>;
  /** Keys that an operator has set. */
  readonly limitKeys: ReadonlySet<string>;
  readonly loadedAt: number;
}

type CatalogStore = Pick<Store, 'definitions' | 'limitKeys'>;
const noKeys: ReadonlySet<string> = new Set();

/** Older than this it is read anew in the background. */
const freshMs = 5_000;
/**
 * What can be run in a namespace: what workers have registered there, and what those of the whole deployment have, which
 * work in `default`. Remembered, because every submission asks.
 */
export class DefinitionCatalog {
  readonly #store: CatalogStore;
  readonly #shelves = new Map<string, Shelf>();
  readonly #loading = new Map<string, Promise<void>>();

  constructor(store: CatalogStore) {
    this.#store = store;
  }

  /** The definition of that name, and of that kind when one is given. Throws `invalid_argument` with its pointer. */
  async find(namespace: string, name: string, kind?: TaskKind): Promise<CatalogEntry> {
    const known = this.peek(namespace, name, kind);
    if (known.length === 1) return known[0] as CatalogEntry;
    await this.refresh(namespace);
    const found = this.peek(namespace, name, kind);
    if (found.length === 1) return found[0] as CatalogEntry;
    throw found.length === 0 ? unknownDefinition(name, kind) : ambiguousName(name, found);
  }

  /** What is remembered. */
  peek(namespace: string, name: string, kind?: TaskKind): readonly CatalogEntry[] {
    this.keepFresh(namespace);
    const entries = this.#shelves.get(namespace)?.byName.get(name) ?? [];
    return kind === undefined ? entries : entries.filter((entry) => entry.kind === kind);
  }

  /** The keys that an operator has set, as they are remembered. */
  limitKeys(namespace: string): ReadonlySet<string> {
    return this.#shelves.get(namespace)?.limitKeys ?? noKeys;
  }

  /** Reads what is old anew, in the background. */
  keepFresh(namespace: string): void {
    const { loadedAt = Number.NEGATIVE_INFINITY } = this.#shelves.get(namespace) ?? {};
    if (performance.now() - loadedAt > freshMs) this.refresh(namespace).catch(() => {});
  }

  async refresh(namespace: string): Promise<void> {
    const loading = this.#loading.get(namespace) ?? this.#load(namespace);
    this.#loading.set(namespace, loading);
    await loading;
  }

  async all(namespace: string): Promise<Definition[]> {
    await this.refresh(namespace);
    return [...(this.#shelves.get(namespace)?.byText.values() ?? [])]
      .map(
        ({ attemptTimeoutMs: _, timeoutMs: __, concurrency: ___, rate: ____, ...definition }) => definition,
      )
      .sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  async #load(namespace: string): Promise<void> {
    try {
      const [rows, keys] = await Promise.all([
        this.#definitions(namespace),
        this.#store.limitKeys(namespace),
      ]);
      const known = this.#shelves.get(namespace)?.byText;
      const byText = new Map(
        rows.map((row) => {
          const text = JSON.stringify(row);
          return [text, known?.get(text) ?? entryOf(row)];
        }),
      );
      const byName = Map.groupBy(byText.values(), ({ name }) => name);
      this.#shelves.set(namespace, {
        byName,
        byText,
        limitKeys: new Set(keys),
        loadedAt: performance.now(),
      });
    } finally {
      this.#loading.delete(namespace);
    }
  }

  /** A namespace's own word on a name and kind goes before that of all. */
  async #definitions(namespace: string): Promise<readonly DefinitionRow[]> {
    const places = new Set([defaultNamespace, namespace]);
    const rows = await Promise.all([...places].map((place) => this.#store.definitions(place)));
    return [...new Map(rows.flat().map((row) => [`${row.kind} ${row.name}`, row])).values()];
  }
}

function entryOf({ kind, name, version, queue, data }: DefinitionRow): CatalogEntry {
  const { description, inputSchema, attemptTimeoutMs, timeoutMs, concurrency, rate } =
    definitionDataSchema.parse(JSON.parse(data));
  return {
    kind: taskKindSchema.parse(kind),
    name,
    version,
    queue,
    ...(description === undefined ? {} : { description }),
    ...(inputSchema === undefined ? {} : { inputSchema }),
    attemptTimeoutMs,
    timeoutMs,
    concurrency,
    rate,
  };
}

const unknownDefinition = (name: string, kind: TaskKind | undefined): OpspawnError =>
  new OpspawnError(
    'invalid_argument',
    `No worker has registered ${kind === undefined ? 'an agent, function or workflow' : `the ${kind}`} "${name}"`,
    { details: { path: '/name' } },
  );

const ambiguousName = (name: string, found: readonly CatalogEntry[]): OpspawnError =>
  new OpspawnError(
    'invalid_argument',
    `"${name}" is ${found.map(({ kind }) => kind).join(' and ')}: say the kind`,
    {
      details: { path: '/kind' },
    },
  );
