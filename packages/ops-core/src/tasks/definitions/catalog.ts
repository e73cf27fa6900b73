import { OpspawnError } from '@opspawn/agentkit';
import { type Definition, definitionSchema, type TaskKind, taskKindSchema } from '@opspawn/sdk';
import { z } from 'zod';
import type { DefinitionRow, Store } from '../../storage/store.ts';

/** What a row's `data` holds. */
export const definitionDataSchema = z.object({
  description: z.string().optional(),
  inputSchema: definitionSchema.shape.inputSchema,
  attemptTimeoutMs: z.int().positive().optional(),
});
export type DefinitionData = z.infer<typeof definitionDataSchema>;

export interface CatalogEntry extends Definition {
  attemptTimeoutMs?: number | undefined;
}

interface Shelf {
  readonly byName: ReadonlyMap<string, readonly CatalogEntry[]>;
  readonly loadedAt: number;
}

/** Older than this it is read anew in the background. */
const freshMs = 5_000;
/** Younger than this it is believed even when it says no. */
const certainMs = 250;

/** What workers have registered, by namespace: remembered, because every submission asks. */
export class DefinitionCatalog {
  readonly #store: Pick<Store, 'definitions'>;
  readonly #shelves = new Map<string, Shelf>();
  readonly #loading = new Map<string, Promise<Shelf>>();

  constructor(store: Pick<Store, 'definitions'>) {
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

  /** What is remembered; what is old is read anew meanwhile. */
  peek(namespace: string, name: string, kind?: TaskKind): readonly CatalogEntry[] {
    const shelf = this.#shelves.get(namespace);
    if (shelf === undefined) return [];
    if (performance.now() - shelf.loadedAt > freshMs) this.#load(namespace).catch(() => {});
    const entries = shelf.byName.get(name) ?? [];
    return kind === undefined ? entries : entries.filter((entry) => entry.kind === kind);
  }

  /** Reads anew what is not certain. Whether anything was read. */
  async refresh(namespace: string): Promise<boolean> {
    const shelf = this.#shelves.get(namespace);
    if (shelf !== undefined && performance.now() - shelf.loadedAt < certainMs) return false;
    await this.#load(namespace);
    return true;
  }

  async all(namespace: string): Promise<Definition[]> {
    const { byName } = await this.#load(namespace);
    return [...byName.values()]
      .flat()
      .map(({ attemptTimeoutMs: _, ...definition }) => definition)
      .sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  #load(namespace: string): Promise<Shelf> {
    const loading = this.#loading.get(namespace);
    if (loading !== undefined) return loading;
    const started = this.#read(namespace).finally(() => this.#loading.delete(namespace));
    this.#loading.set(namespace, started);
    return started;
  }

  async #read(namespace: string): Promise<Shelf> {
    const rows = await this.#store.definitions(namespace);
    const byName = Map.groupBy(rows.map(entryOf), (entry) => entry.name);
    const shelf = { byName, loadedAt: performance.now() };
    this.#shelves.set(namespace, shelf);
    return shelf;
  }
}

function entryOf({ kind, name, version, queue, data }: DefinitionRow): CatalogEntry {
  const { description, inputSchema, attemptTimeoutMs } = definitionDataSchema.parse(JSON.parse(data));
  return {
    kind: taskKindSchema.parse(kind),
    name,
    version,
    queue,
    ...(description === undefined ? {} : { description }),
    ...(inputSchema === undefined ? {} : { inputSchema }),
    attemptTimeoutMs,
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
