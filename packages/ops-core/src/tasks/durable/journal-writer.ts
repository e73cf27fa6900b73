import { encodeJson, type Json, type LogLevel } from '@opspawn/agentkit';
import type { EntryType } from '@opspawn/sdk';
import type { Effects, NewEntry } from '../../storage/store.ts';
import type { Identity } from './identity.ts';
import type { TaskPort } from './port.ts';

/** The call that an entry belongs to, and after how many results it was asked for. */
export interface EntryOwner {
  readonly identity: Identity;
  readonly asked: number;
}

type OnCommitted = (entry: NewEntry, at: number) => void;

interface Pending {
  entry: NewEntry;
  effects: Effects | undefined;
  onCommitted: OnCommitted | undefined;
}

/** What the writer tells: called synchronously, after a commit or its failure. */
export interface WriterEvents {
  committed(): void;
  /** What was being written is not, as far as is known. Nothing more is written after it. */
  failed(error: unknown): void;
}

/**
 * The one writer of a journal. Entries get their seq when they are added and are committed in that order; what is
 * added during a commit goes into the next one.
 */
export class JournalWriter {
  /** Seq of the last entry that is surely written. */
  lastSeq: number;
  #nextSeq: number;
  readonly #port: TaskPort;
  readonly #events: WriterEvents;
  #buffer: Pending[] = [];
  #commit: Promise<void> | undefined;
  #isClosed = false;

  constructor(port: TaskPort, lastSeq: number, events: WriterEvents) {
    this.#port = port;
    this.#events = events;
    this.lastSeq = lastSeq;
    this.#nextSeq = lastSeq + 1;
  }

  /** Whether everything that was added is committed. */
  get isQuiet(): boolean {
    return this.#commit === undefined && this.#buffer.length === 0;
  }

  /** Takes an entry in; `flush` sends it. `onCommitted` is called before anything of the next commit is. */
  add(
    type: EntryType,
    owner: EntryOwner | undefined,
    data: string | undefined,
    effects?: Effects,
    onCommitted?: OnCommitted,
  ): void {
    const entry: NewEntry = { seq: this.#nextSeq++, type };
    if (owner !== undefined) {
      const { branch, name, count } = owner.identity;
      entry.branch = branch;
      entry.name = name;
      entry.count = count;
      entry.asked = owner.asked;
    }
    if (data !== undefined) entry.data = data;
    this.#buffer.push({ entry, effects, onCommitted });
  }

  /** A log line of a step, or else of a branch. Rides along with the next entry. Fields that are no JSON are left out. */
  addLog(
    of: { step: EntryOwner } | { branch: string },
    level: LogLevel,
    message: string,
    fields?: Record<string, Json>,
    effects?: Effects,
  ): void {
    const step = 'step' in of ? of.step : undefined;
    this.add('log', step, logText(level, message, fields), effects);
    const entry = this.#buffer.at(-1)?.entry;
    if (entry !== undefined && 'branch' in of) entry.branch = of.branch;
  }

  flush(): void {
    if (this.#commit === undefined && this.#buffer.length > 0) this.#commit = this.#commitAll();
  }

  /** Drops what is not sent yet. Whatever a commit under way brings is ignored. */
  close(): void {
    this.#isClosed = true;
    this.#buffer = [];
  }

  /** Closes, and waits for the commit under way. */
  async stop(): Promise<void> {
    this.close();
    await this.#commit;
  }

  async #commitAll(): Promise<void> {
    while (this.#buffer.length > 0) {
      const batch = this.#buffer;
      this.#buffer = [];
      const entries = batch.map((pending) => pending.entry);
      try {
        const at = await this.#port.append(entries, mergeEffects(batch));
        this.lastSeq += entries.length;
        if (this.#isClosed) break;
        for (const { entry, onCommitted } of batch) onCommitted?.(entry, at);
      } catch (error) {
        this.close();
        this.#events.failed(error);
        break;
      }
      if (this.#buffer.length === 0) this.#commit = undefined;
      this.#events.committed();
    }
    this.#commit = undefined;
  }
}

function logText(level: LogLevel, message: string, fields: Record<string, Json> | undefined): string {
  try {
    return encodeJson({ level, message, fields }) as string;
  } catch {
    return JSON.stringify({ level, message });
  }
}

function mergeEffects(batch: readonly Pending[]): Effects | undefined {
  let merged: Effects | undefined;
  for (const { effects } of batch) {
    if (effects === undefined) continue;
    merged =
      merged === undefined
        ? effects
        : {
            takes: [...(merged.takes ?? []), ...(effects.takes ?? [])],
            children: [...(merged.children ?? []), ...(effects.children ?? [])],
            posts: [...(merged.posts ?? []), ...(effects.posts ?? [])],
          };
  }
  return merged;
}
