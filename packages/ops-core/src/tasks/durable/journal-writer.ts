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
  /** Its result is handed out already. */
  isAhead: boolean;
}

/** How many results may be handed out that are not committed yet. */
const maxAhead = 64;
/** How long they may wait for each other, in ms: an agent that is faster than the disk shares commits with itself. */
const maxAheadMs = 25;

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
  #timer: NodeJS.Timeout | undefined;
  /** Of what is not committed yet: entries whose commit sets something off, and results handed out ahead. */
  #awaited = 0;
  #ahead = 0;
  /** Whether the buffer holds what must not wait. */
  #isUrgent = false;
  #isClosed = false;

  constructor(port: TaskPort, lastSeq: number, events: WriterEvents) {
    this.#port = port;
    this.#events = events;
    this.lastSeq = lastSeq;
    this.#nextSeq = lastSeq + 1;
    if (port.claimOnDisk !== undefined) void this.#awaitClaim(port.claimOnDisk);
  }

  /** Whether everything that was added is committed. */
  get isQuiet(): boolean {
    return this.#commit === undefined && this.#buffer.length === 0;
  }

  /** Whether all that was handed out is committed. */
  get isCaughtUp(): boolean {
    return this.#ahead === 0;
  }

  /** Whether a result may be handed out before it is committed: in journal order, and not too many. */
  get mayRunAhead(): boolean {
    return this.#awaited === 0 && this.#ahead < maxAhead;
  }

  /** Takes an entry in; `flush` sends it. `onCommitted` is called before anything of the next commit is. */
  add(
    type: EntryType,
    owner: EntryOwner | undefined,
    data: string | undefined,
    effects?: Effects,
    onCommitted?: OnCommitted,
  ): void {
    if (onCommitted !== undefined) this.#awaited += 1;
    this.#isUrgent = true;
    this.#push(type, owner, data, { effects, onCommitted, isAhead: false });
  }

  /**
   * Takes in the result of a step that is handed out at once. When it may wait, it is committed with the next entry
   * that may not, or a few milliseconds later.
   */
  addAhead(
    type: EntryType,
    owner: EntryOwner,
    data: string,
    { mayWait, onCommitted }: { mayWait: boolean; onCommitted: OnCommitted | undefined },
  ): NewEntry {
    this.#ahead += 1;
    if (!mayWait) this.#isUrgent = true;
    this.#timer ??= setTimeout(() => this.flush(), maxAheadMs);
    return this.#push(type, owner, data, { effects: undefined, onCommitted, isAhead: true });
  }

  #push(
    type: EntryType,
    owner: EntryOwner | undefined,
    data: string | undefined,
    pending: Omit<Pending, 'entry'>,
  ): NewEntry {
    const entry: NewEntry = { seq: this.#nextSeq++, type };
    if (owner !== undefined) {
      const { branch, name, count } = owner.identity;
      entry.branch = branch;
      entry.name = name;
      entry.count = count;
      entry.asked = owner.asked;
    }
    if (data !== undefined) entry.data = data;
    this.#buffer.push({ entry, ...pending });
    return entry;
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

  /** Sends what must not wait, and with it what may. */
  flushUrgent(): void {
    if (this.#isUrgent) this.flush();
  }

  flush(): void {
    if (this.#commit === undefined && this.#buffer.length > 0) this.#commit = this.#commitAll();
  }

  /** Whether nothing is being written, and nobody waits for what is not: it may be written with the end of the task. */
  get mayEnd(): boolean {
    return (
      this.#commit === undefined &&
      this.#buffer.every(({ effects, onCommitted }) => effects === undefined && onCommitted === undefined)
    );
  }

  /** Closes, and gives what is not sent yet. */
  takeRest(): NewEntry[] {
    this.#isClosed = true;
    return this.#take().map(({ entry }) => entry);
  }

  /** Drops what is not sent yet. Whatever a commit under way brings is ignored. */
  close(): void {
    this.#isClosed = true;
    this.#take();
  }

  /** Closes, and waits for the commit under way. */
  async stop(): Promise<void> {
    this.close();
    await this.#commit;
  }

  #take(): Pending[] {
    const batch = this.#buffer;
    this.#buffer = [];
    this.#isUrgent = false;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    return batch;
  }

  /** The claim counts as one result that was handed out ahead. */
  async #awaitClaim(onDisk: NonNullable<TaskPort['claimOnDisk']>): Promise<void> {
    this.#ahead += 1;
    const failure = await onDisk;
    if (this.#isClosed) return;
    if (failure === undefined) {
      this.#ahead -= 1;
      this.#events.committed();
    } else {
      this.close();
      this.#events.failed(failure);
    }
  }

  async #commitAll(): Promise<void> {
    while (this.#buffer.length > 0) {
      const batch = this.#take();
      const entries = batch.map((pending) => pending.entry);
      try {
        const at = await this.#port.append(entries, mergeEffects(batch));
        this.lastSeq += entries.length;
        if (this.#isClosed) break;
        for (const { entry, onCommitted, isAhead } of batch) {
          if (isAhead) this.#ahead -= 1;
          else if (onCommitted !== undefined) this.#awaited -= 1;
          onCommitted?.(entry, at);
        }
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
