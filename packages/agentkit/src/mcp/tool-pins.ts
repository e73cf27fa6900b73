import { createHash } from 'node:crypto';
import { namesSomebody } from '../decider-name.ts';
import { OpspawnError } from '../errors.ts';
import { canonicalJson, type Json } from '../json.ts';

/** A definition of a tool as a server gave it: all of it, also what nobody here knows. */
export interface SeenTool {
  tool: string;
  digest: string;
  definition: Json;
}

/** What a server listed. */
export interface SeenTools {
  namespace: string;
  server: string;
  /** Nothing is approved at first sight. */
  isStrict: boolean;
  tools: readonly SeenTool[];
}

export type PinStatus = 'approved' | 'quarantined';

/** A definition that was seen, and whether tools that are defined so may be used. */
export interface ToolPin extends SeenTool {
  server: string;
  status: PinStatus;
  /** Unix ms. */
  seenAt: number;
  /** Who decided, where somebody did. */
  decidedBy?: string;
  decidedAt?: number;
}

export interface PinDecision {
  namespace: string;
  server: string;
  /** Absent: all tools of the server. */
  tool?: string;
  /** Absent: all definitions that were seen. */
  digest?: string;
  status: PinStatus;
  by: string;
}

/**
 * Remembers which definitions of tools were seen and which of them may be used. The first list of a server is trusted
 * and pinned (unless `isStrict`); every definition that comes later, changed or new, is quarantined until a person
 * approves it. A definition that was approved stays so: a server that goes back to it needs no second approval.
 */
export interface ToolPins {
  /** Records what was not seen before. Gives the names of those tools that are approved as they stand in this list. */
  review(seen: SeenTools): Promise<ReadonlySet<string>>;
  /** By server, tool and the time of first sight. */
  list(of: { namespace: string; server?: string }): Promise<readonly ToolPin[]>;
  /** The pins that it was about; none when there are no such ones. Throws `invalid_argument` for who has no name. */
  decide(decision: PinDecision): Promise<readonly ToolPin[]>;
}

/** SHA-256 over the canonical JSON of the raw definition. */
export const digestOfTool = (definition: Json): string =>
  createHash('sha256').update(canonicalJson(definition)).digest('hex');

/** What one server may make us remember; of what goes beyond it, nothing is kept and nothing is approved. */
export const maxPinsPerServer = 4_000;

/** Pins by namespace, as plain data: what `memoryPins` keeps and `filePins` writes. */
export type PinTable = Record<string, ToolPin[]>;

export function reviewIn(table: PinTable, { namespace, server, isStrict, tools }: SeenTools, now: number) {
  const known = (table[namespace] ?? []).filter((pin) => pin.server === server);
  const status: PinStatus = isStrict || known.length > 0 ? 'quarantined' : 'approved';
  const added: ToolPin[] = [];
  const approved = new Set<string>();
  for (const seen of tools) {
    let pin = known.find(({ tool, digest }) => tool === seen.tool && digest === seen.digest);
    if (pin === undefined && known.length + added.length < maxPinsPerServer) {
      pin = { server, ...seen, status, seenAt: now };
      added.push(pin);
    }
    if (pin?.status === 'approved') approved.add(seen.tool);
  }
  if (added.length > 0) table[namespace] = [...(table[namespace] ?? []), ...added].sort(byPlace);
  return { approved, isChanged: added.length > 0 };
}

export const listIn = (table: PinTable, { namespace, server }: { namespace: string; server?: string }) =>
  (table[namespace] ?? []).filter((pin) => server === undefined || pin.server === server);

export function decideIn(table: PinTable, decision: PinDecision, now: number): readonly ToolPin[] {
  const { tool, digest, status, by } = decision;
  if (typeof by !== 'string' || !namesSomebody(by))
    throw new OpspawnError('invalid_argument', 'A decision about tools needs the name of who decided (by)');
  const meant = listIn(table, decision).filter(
    (pin) => (tool ?? pin.tool) === pin.tool && (digest ?? pin.digest) === pin.digest,
  );
  for (const pin of meant) Object.assign(pin, { status, decidedBy: by, decidedAt: now });
  return meant;
}

const byPlace = (a: ToolPin, b: ToolPin): number =>
  compare(a.server, b.server) || compare(a.tool, b.tool) || a.seenAt - b.seenAt;
const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

/** Pins that live as long as this process: they notice changes while it runs, not what changed before. */
export function memoryPins(): ToolPins {
  const table: PinTable = {};
  return {
    review: async (seen) => reviewIn(table, seen, Date.now()).approved,
    list: async (of) => structuredClone(listIn(table, of)),
    decide: async (decision) => structuredClone(decideIn(table, decision, Date.now())),
  };
}
