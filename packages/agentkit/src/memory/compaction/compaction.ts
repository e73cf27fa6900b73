/**
 * What a model is sent of a conversation that has grown long. The conversation itself is never changed: a compaction says
 * how many of its first messages a summary stands for.
 *
 *     head (system, prompt) │ covered by the summary │ kept
 *     head (system, prompt) │ summary                │ kept
 */
import { createHash } from 'node:crypto';
import { z } from 'zod';
import { canonicalJson, type Json } from '../../json.ts';
import { type Message, userMessage } from '../../message.ts';

/** Stands for the first messages of a conversation. */
export const compactionSchema = z.object({
  /** How many messages are not sent, those at the head aside: the index of the first one that is kept. */
  covered: z.int().positive(),
  /** Hash of the last covered message: a conversation of others at that place is not compacted by it. */
  boundary: z.string(),
  /** Absent when it could not be written: then the messages are left out, and the model is told. */
  summary: z.string().exactOptional(),
  /** The working memory at that time: the covered messages that changed it are not sent any more. */
  notes: z.string().exactOptional(),
});
export type Compaction = z.infer<typeof compactionSchema>;

/** What of a conversation is kept at its head, word for word. */
export type IsPinned = (message: Message) => boolean;

type UserMessage = Extract<Message, { role: 'user' }>;

/** How many messages stand before what may be summarised: the system's, and pinned ones right behind them. */
export function headLength(messages: readonly Message[], isPinned: IsPinned): number {
  const index = messages.findIndex((message) => message.role !== 'system' && !isPinned(message));
  return index === -1 ? messages.length : index;
}

const hashes = new WeakMap<Message, string>();

export function boundaryOf(message: Message): string {
  const known = hashes.get(message);
  if (known !== undefined) return known;
  const hash = createHash('sha256')
    .update(canonicalJson(message as unknown as Json))
    .digest('base64url')
    .slice(0, 22);
  hashes.set(message, hash);
  return hash;
}

/** Whether these are the messages that it was made of. */
export function applies({ covered, boundary }: Compaction, messages: readonly Message[]): boolean {
  const last = messages[covered - 1];
  return last !== undefined && boundaryOf(last) === boundary;
}

/**
 * The messages as they are sent. Whatever is sent stays the same, object by object, until the next compaction, and the
 * head beyond that. Pinned messages that are covered are told in the summary, word for word.
 */
export function compacted(
  messages: readonly Message[],
  compaction: Compaction,
  isPinned: IsPinned,
): readonly Message[] {
  const head = headLength(messages, isPinned);
  return [
    ...messages.slice(0, head),
    summaryMessage(compaction, messages.slice(head, compaction.covered).filter(isPinned)),
    ...messages.slice(Math.max(head, compaction.covered)),
  ];
}

const made = new WeakMap<Compaction, UserMessage>();

function summaryMessage(compaction: Compaction, pinned: readonly Message[]): UserMessage {
  const known = made.get(compaction);
  if (known !== undefined) return known;
  const { summary, notes } = compaction;
  const text =
    summary === undefined
      ? '[The part of the conversation that stood here is left out: it was too long, and could not be summarised.]'
      : `[The part of the conversation that stood here, summarised. It happened already: do not do it again.]\n\n${summary}`;
  const message = userMessage(notes === undefined ? text : `${text}\n\n${notes}`);
  for (const each of pinned) {
    if (each.role !== 'user') continue;
    message.content.push(
      { type: 'text', text: '[What was asked for last, word for word:]' },
      ...each.content,
    );
  }
  made.set(compaction, message);
  return message;
}

export interface CutOptions {
  /** No cut before this index. */
  from: number;
  tokensOf: (message: Message) => number;
  /** What is kept should not be longer. */
  keepTokens: number;
  /** What is kept must not be longer, even if then nothing is. */
  mostTokens: number;
}

/**
 * The index of the first message to keep, or undefined when there is nothing to cut off. A call is never parted from its
 * result, and a call without one is never cut off.
 */
export function findCut(messages: readonly Message[], options: CutOptions): number | undefined {
  const { from, tokensOf, keepTokens, mostTokens } = options;
  const cuts = cutsOf(messages).filter((index) => index > from);
  let kept = 0;
  let at = messages.length;
  let best: number | undefined;
  for (const cut of cuts.reverse()) {
    while (at > cut) kept += tokensOf(messages[--at] as Message);
    const isSmall = kept <= keepTokens || (best === messages.length && kept <= mostTokens);
    if (best !== undefined && !isSmall) break;
    best = cut;
  }
  return best;
}

/** Where a conversation may be cut: each call before has its result before, in order. */
export function cutsOf(messages: readonly Message[]): number[] {
  const open = new Set<string>();
  const cuts: number[] = [];
  for (const [index, message] of messages.entries()) {
    if (message.role === 'assistant')
      for (const part of message.content) if (part.type === 'tool-call') open.add(part.callId);
    if (message.role === 'tool') for (const { callId } of message.content) open.delete(callId);
    if (open.size === 0 && messages[index + 1]?.role !== 'tool') cuts.push(index + 1);
  }
  return cuts;
}
