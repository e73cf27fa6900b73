/** What the journal of earlier attempts says: the results in their order, and all that is known of each call. */
import type { Json } from '@opspawn/agentkit';
import type { EntryRow, NewEntry } from '../../storage/store.ts';
import {
  doubtEvidenceSchema,
  entryReferenceSchema,
  parseData,
  type RecordKind,
  stepCompletedSchema,
  stepFailedSchema,
  stepIntendedSchema,
  type WaitOpened,
  waitOpenedSchema,
} from './entry-data.ts';
import { type Identity, identityKey } from './identity.ts';

/** One call as the journal knows it. */
export interface RecordedCall {
  readonly identity: Identity;
  readonly key: string;
  /** After how many results it was asked for, and has to be again; undefined when it need not be. */
  asked: number | undefined;
  /** The first entry that says so. */
  first: EntryRow;
  isAskedAgain: boolean;
  /** Its intent, when it has the effect `once`. */
  intent?: EntryRow;
  /** The opening of its wait, or of its child's. */
  opening?: EntryRow;
  /** A person was asked about its effect, and has not answered. */
  isDoubtOpen: boolean;
  result?: Handout;
  /** What superseded attempts reported about it. */
  evidence: Json[];
}

/** A result, or the request to cancel, as it is handed out. `key` is the call's; undefined for the cancel. */
export interface Handout {
  readonly key: string | undefined;
  readonly entry: NewEntry;
  readonly at: number;
  /** What a step threw, in the process where it did. */
  readonly thrown?: unknown;
  parsed?: ParsedResult;
}

export type ParsedResult = ReturnType<typeof parseResult>;

export interface Recording {
  /** In journal order. */
  readonly handouts: Handout[];
  readonly calls: ReadonlyMap<string, RecordedCall>;
  /** By number of results handed out: how many calls the journal says were asked for then, and are not yet. */
  readonly unasked: number[];
  /** Log lines that belong to no step, by branch. */
  readonly logLines: ReadonlyMap<string, number>;
  /** Between a failure that was reopened and its reopening: such an entry may not be asked for again. */
  isLoose(entry: NewEntry): boolean;
}

export function parseResult(entry: NewEntry) {
  return entry.type === 'step.completed'
    ? ({ ok: true, ...parseData(stepCompletedSchema, entry.data) } as const)
    : ({ ok: false, ...parseData(stepFailedSchema, entry.data) } as const);
}

/** Parsed at first need, once. */
export function resultOf(handout: Handout): ParsedResult {
  handout.parsed ??= parseResult(handout.entry);
  return handout.parsed;
}

export const openingOf = (row: EntryRow): WaitOpened => parseData(waitOpenedSchema, row.data);

/** What kind of call it was; undefined when nothing of it counts any more. */
export function kindOf(call: RecordedCall): RecordKind | 'doubt' | undefined {
  if (call.opening !== undefined) return openingOf(call.opening).kind;
  if (call.result !== undefined) return resultOf(call.result).kind;
  return call.intent === undefined ? undefined : parseData(stepIntendedSchema, call.intent.data).kind;
}

/**
 * The call that the journal holds for now, after `handedOut` results, and the function has not asked for; undefined
 * when there is none. `next` is the result that comes next.
 */
export function missingCall(
  recording: Recording,
  handedOut: number,
  next: Handout | undefined,
): RecordedCall | undefined {
  if ((recording.unasked[handedOut] ?? 0) > 0) {
    for (const call of recording.calls.values())
      if (call.asked === handedOut && !call.isAskedAgain) return call;
  }
  const call = next?.key === undefined ? undefined : recording.calls.get(next.key);
  return call?.isAskedAgain === false ? call : undefined;
}

export function markAskedAgain(recording: Recording, call: RecordedCall): void {
  if (call.isAskedAgain) return;
  call.isAskedAgain = true;
  if (call.asked !== undefined) recording.unasked[call.asked] = (recording.unasked[call.asked] ?? 0) - 1;
}

/** Reads a whole journal. O(entries); values are parsed when they are asked for. */
export function readJournal(journal: readonly EntryRow[]): Recording {
  return new JournalReader(journal).read();
}

class JournalReader {
  readonly #journal: readonly EntryRow[];
  readonly #calls = new Map<string, RecordedCall>();
  readonly #handouts: Handout[] = [];
  readonly #logLines = new Map<string, number>();
  /** Seqs of entries that count no more. */
  readonly #voided = new Set<number>();
  /** From the first failure that was reopened to its reopening, by seq; the end is exclusive. */
  readonly #loose: { from: number; to: number }[] = [];

  constructor(journal: readonly EntryRow[]) {
    this.#journal = journal;
  }

  read(): Recording {
    for (const row of this.#journal) this.#readReference(row);
    for (const row of this.#journal) if (!this.#voided.has(row.seq)) this.#readEntry(row);
    const unasked: number[] = [];
    for (const { asked } of this.#calls.values()) {
      if (asked !== undefined) unasked[asked] = (unasked[asked] ?? 0) + 1;
    }
    const isLoose = (entry: NewEntry): boolean => this.#isLoose(entry.seq);
    return { handouts: this.#handouts, calls: this.#calls, unasked, logLines: this.#logLines, isLoose };
  }

  #readReference(row: EntryRow): void {
    if (row.type !== 'step.reopened' && row.type !== 'step.superseded') return;
    const { ref } = parseData(entryReferenceSchema, row.data);
    this.#voided.add(ref);
    const referred = this.#journal[ref - (this.#journal[0]?.seq ?? 1)];
    if (row.type === 'step.reopened' && referred?.type === 'step.failed') {
      this.#loose.push({ from: ref, to: row.seq });
    }
  }

  #isLoose(seq: number): boolean {
    return this.#loose.some(({ from, to }) => from <= seq && seq < to);
  }

  #readEntry(row: EntryRow): void {
    switch (row.type) {
      case 'step.completed':
      case 'step.failed': {
        const call = this.#callOf(row);
        const result: Handout = { key: call.key, entry: row, at: row.at };
        call.result = result;
        this.#handouts.push(result);
        break;
      }
      case 'step.intended':
        this.#callOf(row).intent = row;
        break;
      case 'wait.opened':
        if (openingOf(row).kind === 'doubt') this.#callOf(row).isDoubtOpen = true;
        else this.#callOf(row).opening = row;
        break;
      case 'doubt.resolved':
        this.#callOf(row).isDoubtOpen = false;
        break;
      case 'doubt.evidence':
        this.#callOf(row).evidence.push(parseData(doubtEvidenceSchema, row.data).evidence);
        break;
      case 'step.reopened':
        this.#forget(row);
        break;
      case 'cancel.requested':
        this.#handouts.push({ key: undefined, entry: row, at: row.at });
        break;
      case 'log':
        if (row.name === undefined) {
          const branch = row.branch ?? '';
          this.#logLines.set(branch, (this.#logLines.get(branch) ?? 0) + 1);
        }
        break;
      default:
        break;
    }
  }

  #callOf(row: EntryRow): RecordedCall {
    const { branch = '', name = '', count = 1 } = row;
    const key = identityKey(branch, name, count);
    const isNeeded = row.type !== 'doubt.evidence' && !this.#isLoose(row.seq);
    const asked = isNeeded ? row.asked : undefined;
    const known = this.#calls.get(key);
    if (known !== undefined) {
      if (known.asked === undefined && asked !== undefined) {
        known.asked = asked;
        known.first = row;
      }
      return known;
    }
    const identity = { branch, name, count };
    const call = { identity, key, asked, first: row, isAskedAgain: false, isDoubtOpen: false, evidence: [] };
    this.#calls.set(key, call);
    return call;
  }

  /** A reopened call starts afresh: its intent and its wait are done with as well. It has to be asked for all the same. */
  #forget({ branch = '', name = '', count = 1 }: EntryRow): void {
    const call = this.#calls.get(identityKey(branch, name, count));
    if (call === undefined) return;
    delete call.intent;
    delete call.opening;
    delete call.result;
    call.isDoubtOpen = false;
  }
}
