/**
 * What a run has come to. It is folded from recorded steps by the same functions that take in live results, so that a
 * resumed run and one that never stopped are in the same state.
 */
import type { AgentDefinition } from '../agent.ts';
import type { RecordedError } from '../errors.ts';
import type { Json } from '../json.ts';
import { type BlockEdit, type Blocks, blockEditOf, isBlocksMessage, isBlockTool } from '../memory/blocks.ts';
import type { Compaction } from '../memory/compaction/compaction.ts';
import { mostTokens } from '../memory/compaction/count-tokens.ts';
import { GrowingSum } from '../memory/compaction/growing-sum.ts';
import type { MemoryBlock } from '../memory/memory.ts';
import {
  type AssistantMessage,
  callsOf,
  type Message,
  type RecordedUsage,
  recordedUsageSchema,
  type ToolCall,
  type ToolResult,
  textOf,
  type Usage,
  userMessage,
} from '../message.ts';
import type { PlanStep, RunState } from '../planner/planner.ts';
import type { StepRecord } from '../steps.ts';
import { InputRequired } from '../tool/input-required.ts';
import { speakerAfter, speakerOf } from './run-handoff.ts';
import { RunRepetition } from './run-repetition.ts';

/** One answer of a model. */
export interface Turn {
  message: AssistantMessage;
  usage: Usage;
  model: string;
  /** What the model was told about its last answer, when that did not satisfy the output schema. */
  repair?: string;
}

/** What the recorded step of a model call holds: only what is new, and of that only what does not go without saying. */
export interface RecordedTurn extends Omit<Turn, 'usage'> {
  usage: RecordedUsage;
  /** Absent: `tool-calls` for a message with calls, `stop` for one without. */
  finishReason?: string;
}

/** What the recorded step of a summary holds. Without `usage` no model was asked. */
export interface RecordedCompaction extends Compaction {
  /** The same for the session, whose messages do not hold what the planner said in between. */
  session?: Pick<Compaction, 'covered' | 'boundary'>;
  usage?: RecordedUsage;
  model?: string;
}

/** How a tool call ended: its recorded value, or the recorded failure. */
export type CallOutcome = { ok: true; value: Json | undefined } | { ok: false; error: RecordedError };

/** What stands before the prompt of a run: the system message, the working memory, and what the session holds. */
export interface Before {
  messages: readonly Message[];
  blocks: Blocks;
  compaction: Compaction | undefined;
  sessionOffset: number;
  /** Of the session, before those that the agent wants: what came from outside lives on in what was said of it, and who spoke last. */
  leftOut?: readonly Message[];
}

/** Whether what a tool of this agent gives may hold content from outside. */
export type BringsOutside = (speaker: AgentDefinition, tool: string) => boolean;

interface HeldEdit {
  before: MemoryBlock;
  block: MemoryBlock;
}

export class RunProgress implements RunState {
  readonly goal: string;
  /** Grows in place: a copy at every turn would make long runs quadratic. */
  readonly messages: Message[];
  readonly usage: Usage = {
    inputTokens: 0,
    cachedInputTokens: 0,
    outputTokens: 0,
    reasoningTokens: 0,
    costMicroUsd: 0,
  };
  turns = 0;
  toolCalls = 0;
  /** How often the model was asked to mend its answer. */
  repairs = 0;
  /** Tools whose output stands in the conversation and may hold content from outside, which may steer the model. */
  readonly taintedBy = new Set<string>();
  readonly repetition = new RunRepetition();
  /** The agent whose turn it is. */
  speaker: AgentDefinition;
  /** All whose turn it was in this run, and is. */
  readonly speakers = new Set<AgentDefinition>();
  /** How often the conversation was handed on. */
  handoffs = 0;
  plan: readonly PlanStep[] | undefined;
  /** What takes the place of the oldest messages when they are sent. */
  compaction: RecordedCompaction | undefined;
  /** The turn before which that was last made: once before each, also where what is left is still too much. */
  compactedBefore: number | undefined;
  /** The turn before which a summary failed for good. */
  failedCompaction: number | undefined;
  /** The last answer, and the tokens that the provider counted up to and with it, while all of that is still sent. */
  lastAnswer: { message: Message; tokens: number } | undefined;
  /** Upper bound of the tokens that are sent. */
  readonly sentSize = new GrowingSum<Message>(mostTokens);
  #calls: readonly ToolCall[] = [];
  readonly #results = new Map<string, ToolResult>();
  readonly #added: number;
  readonly #pinned: ReadonlySet<Message>;
  readonly #bringsOutside: BringsOutside;
  /** What is added to an index within the session to have it within `messages`. */
  readonly sessionOffset: number;

  /** The working memory as of now. */
  blocks: Record<string, MemoryBlock>;
  hasEditedBlocks = false;
  /** By block: the last call of a tool that is not ours that edited it, and what it began from. */
  readonly #held = new Map<string, { call: string; before: MemoryBlock }>();

  constructor(
    first: AgentDefinition,
    before: Before,
    prompt: Extract<Message, { role: 'user' }>,
    bringsOutside: BringsOutside = () => true,
  ) {
    this.#bringsOutside = bringsOutside;
    this.goal = textOf(prompt);
    this.messages = [...before.messages, prompt];
    const session = [...(before.leftOut ?? []), ...before.messages];
    this.speaker = speakerOf(first, session);
    this.speakers.add(this.speaker);
    if (this.speaker !== first) this.messages[0] = instructionsOf(this.speaker);
    this.#added = before.messages.length;
    this.#pinned = new Set([prompt, ...before.messages.slice(0, 2).filter(isBlocksMessage)]);
    this.blocks = { ...before.blocks };
    this.compaction = before.compaction;
    this.sessionOffset = before.sessionOffset;
    for (const message of session) {
      if (message.role === 'tool') this.#taint(message.content);
      if (message.role === 'user') for (const tool of message.taintedBy ?? []) this.taintedBy.add(tool);
    }
    if (Object.values(before.blocks).some(({ isFromOutside }) => isFromOutside))
      this.taintedBy.add('working memory');
  }

  get pendingCalls(): readonly ToolCall[] {
    return this.#calls.filter((call) => !this.#results.has(call.callId));
  }

  /** Of the last answer, those that have a result among them. */
  get turnCalls(): readonly ToolCall[] {
    return this.#calls;
  }

  /** What this run added to the conversation, the prompt first. No call stays without a result. */
  get added(): readonly Message[] {
    const messages = this.messages.slice(this.#added);
    if (this.#calls.length === 0) return messages;
    const content = this.#calls.map((call) => this.#results.get(call.callId) ?? resultOf(call, notRun));
    return [...messages, { role: 'tool', content }];
  }

  /** What no summary may swallow. */
  readonly isPinned = (message: Message): boolean => this.#pinned.has(message);

  /** `made` stands for the oldest messages from now on. */
  addCompaction(made: RecordedCompaction): void {
    this.compaction = made;
    this.compactedBefore = this.turns + 1;
    this.lastAnswer = undefined;
    if (made.usage !== undefined) addUsage(this.usage, recordedUsageSchema.parse(made.usage));
  }

  addTurn(turn: Turn): void {
    this.turns += 1;
    if (turn.repair !== undefined) {
      this.repairs += 1;
      this.messages.push(userMessage(turn.repair));
    }
    this.messages.push(turn.message);
    this.repetition.addTurn(turn.message);
    this.#calls = callsOf(turn.message);
    addUsage(this.usage, turn.usage);
    this.lastAnswer = { message: turn.message, tokens: turn.usage.inputTokens + turn.usage.outputTokens };
  }

  /** Once all calls of the turn have a result, the results become one message, in call order. */
  addResult(call: ToolCall, outcome: CallOutcome): void {
    if (this.#results.has(call.callId)) return;
    this.#results.set(call.callId, resultOf(call, outcome));
    this.toolCalls += 1;
    if (outcome.ok && isBlockTool(call.tool)) this.#noteEdit(blockEditOf(outcome.value));
    if (this.#results.size < this.#calls.length) return;
    const content = this.#calls.flatMap((each) => this.#results.get(each.callId) ?? []);
    this.messages.push({ role: 'tool', content });
    this.repetition.addResults(this.#calls, content);
    this.#taint(content);
    this.#hearHandoff(speakerAfter(this.speaker, this.#calls, content));
    this.#calls = [];
    this.#results.clear();
  }

  #taint(results: readonly ToolResult[]): void {
    for (const { tool } of results) if (this.#bringsOutside(this.speaker, tool)) this.taintedBy.add(tool);
  }

  #hearHandoff(speaker: AgentDefinition): void {
    if (speaker === this.speaker) return;
    this.speaker = speaker;
    this.speakers.add(speaker);
    this.handoffs += 1;
    this.messages[0] = instructionsOf(speaker);
  }

  /**
   * An edit by a tool that is not ours, whose result need not tell it: later edits of this process go on from it. Gives what
   * takes it back where it could not be written. `before` is what it was worked out from.
   */
  holdEdit(callId: string, name: string, { before, block }: HeldEdit): () => void {
    const call = `${this.turns} ${callId}`;
    if (this.#held.get(name)?.call !== call) this.#held.set(name, { call, before });
    this.blocks = { ...this.blocks, [name]: block };
    this.hasEditedBlocks = true;
    return () => {
      if (this.blocks[name] === block) this.blocks = { ...this.blocks, [name]: before };
    };
  }

  /** What the edits of a call go on from when it begins: trying again edits anew, and does not edit twice. */
  blockBefore(callId: string, name: string): MemoryBlock | undefined {
    const held = this.#held.get(name);
    return held?.call === `${this.turns} ${callId}` ? held.before : this.blocks[name];
  }

  /** Edits are worked out from here: the text of the record, not of the store, so that a resumed run works out the same. */
  #noteEdit(edit: BlockEdit | undefined): void {
    const before = edit && this.blocks[edit.block];
    if (edit === undefined || before === undefined) return;
    const isFromOutside = before.isFromOutside || this.taintedBy.size > 0;
    this.blocks = { ...this.blocks, [edit.block]: { text: edit.text, isFromOutside } };
    this.hasEditedBlocks = true;
  }
}

const instructionsOf = ({ instructions }: AgentDefinition): Message => ({
  role: 'system',
  content: instructions,
});

export const modelStep = (turn: number): string => `model:${turn}`;

/** The summary that is written before that turn. */
export const compactionStep = (turn: number): string => `compact:${turn}`;
export const isCompactionStep = (name: string): boolean => /^compact:\d+$/.test(name);
/** The decision to leave out messages without a summary. */
export const windowStep = (turn: number): string => `window:${turn}`;

const noProgressPrefix = 'no_progress:';
/** Holds the evidence that the run went in circles after so many turns, and pauses there. */
export const noProgressStep = (turns: number): string => `${noProgressPrefix}${turns}`;

/** `TOOL:TURN:CALL_ID`. The call id alone would not do: providers give the same one again in another turn. */
export const toolStep = (turn: number, call: ToolCall): string =>
  `${call.tool.replace(/[^\w.-]/g, '_').slice(0, 64)}:${turn}:${call.callId}`;

/** Takes in all that is recorded and gives the last turn. */
export function foldHistory(state: RunProgress, history: readonly StepRecord[]): Turn | undefined {
  const outcomes = new Map<string, CallOutcome>();
  const turns: Turn[] = [];
  const compactions = new Map<string, StepRecord['outcome']>();
  const lookedAt = new Set<string>();
  for (const record of history) {
    if (record.name.startsWith(noProgressPrefix)) lookedAt.add(record.name);
    if (isCompactionStep(record.name) || record.name.startsWith('window:'))
      compactions.set(record.name, record.outcome);
    if (record.kind === 'llm' && record.outcome.ok && record.name.startsWith('model:'))
      turns.push(turnOf(recordedTurn(record)));
    if (answersCall(record) && !asksForInput(record)) outcomes.set(record.name, record.outcome);
  }
  for (const turn of turns) {
    foldCompactions(state, compactions);
    state.addTurn(turn);
    for (const call of state.pendingCalls) {
      const outcome = outcomes.get(toolStep(state.turns, call));
      if (outcome !== undefined) state.addResult(call, outcome);
    }
    if (lookedAt.has(noProgressStep(state.turns))) state.repetition.startAnew();
  }
  foldCompactions(state, compactions);
  return turns.at(-1);
}

/** Those before the turn that comes next. */
function foldCompactions(state: RunProgress, compactions: ReadonlyMap<string, StepRecord['outcome']>): void {
  if (compactions.size === 0) return;
  const turn = state.turns + 1;
  const summary = compactions.get(compactionStep(turn));
  if (summary?.ok === false) state.failedCompaction = turn;
  for (const outcome of [summary, compactions.get(windowStep(turn))])
    if (outcome?.ok === true) state.addCompaction(outcome.value as unknown as RecordedCompaction);
}

/** The answer with what was left out. */
export const turnOf = ({ usage, ...turn }: RecordedTurn): Turn => ({
  ...turn,
  usage: recordedUsageSchema.parse(usage),
});

/** Written by this package alone, so that its shape is known. */
const recordedTurn = ({ outcome }: StepRecord): RecordedTurn =>
  (outcome as { value: unknown }).value as RecordedTurn;

/** What is no end of a call: its next round is. */
const asksForInput = ({ outcome }: StepRecord): boolean =>
  !outcome.ok && InputRequired.fromError(outcome.error) !== undefined;

/** What a call can be recorded as. A failure is the model's to act on, also that of a child which met a limit of its own. */
const answersCall = ({ kind }: StepRecord): boolean =>
  kind === 'child' || kind === 'question' || kind === 'tool';

const notRun: CallOutcome = {
  ok: false,
  error: { name: 'CancelledError', code: 'cancelled', message: 'The run ended before this call' },
};

function resultOf(call: ToolCall, outcome: CallOutcome): ToolResult {
  const { callId, tool } = call;
  if (outcome.ok) return { type: 'tool-result', callId, tool, output: outcome.value ?? null };
  return { type: 'tool-result', callId, tool, output: toldOf(call, outcome.error), isError: true };
}

/** A step that ran out of time calls itself by its name, which means nothing to a model. */
export const toldOf = ({ tool, callId }: ToolCall, { code, message }: RecordedError): string =>
  code === 'timeout' && message.includes(`:${callId}`) ? `The tool ${tool} timed out` : message;

function addUsage(total: Usage, added: Usage): void {
  total.inputTokens += added.inputTokens;
  total.cachedInputTokens += added.cachedInputTokens;
  total.outputTokens += added.outputTokens;
  total.reasoningTokens += added.reasoningTokens;
  if (total.costMicroUsd === undefined) return;
  if (added.costMicroUsd === undefined) delete total.costMicroUsd;
  else total.costMicroUsd += added.costMicroUsd;
}
