/** What a run has of memory: the conversation before it, its working memory, and what its tools may remember. */
import type { AgentDefinition } from '../agent.ts';
import { OpspawnError } from '../errors.ts';
import type { Json } from '../json.ts';
import {
  type BlockDefinition,
  type Blocks,
  blocksMessage,
  checkBlockText,
  isBlockTool,
} from '../memory/blocks.ts';
import { type Compaction, cutsOf } from '../memory/compaction/compaction.ts';
import type { MemoryBlock, MemoryScope } from '../memory/memory.ts';
import type { RememberScope, RunMemory } from '../memory/run-memory.ts';
import { callsOf, type Message } from '../message.ts';
import { strictest } from '../security/strictest.ts';
import { blockTools } from '../tool/builtin/block-tools.ts';
import type { Tool, ToolContext, Tools } from '../tool/tool.ts';
import { waitsAs } from '../tool/tool-execution.ts';
import { withMemoryInTime } from './run-context.ts';
import type { RunEnvironment, RunInput } from './run-environment.ts';
import { type Before, type RunProgress, toolStep } from './run-state.ts';

/** The system message, the working memory and the session. What is read is recorded as far as it could change. */
export async function recallEarlier(
  agent: AgentDefinition,
  input: RunInput,
  environment: RunEnvironment,
): Promise<Before> {
  const messages: Message[] = [{ role: 'system', content: agent.instructions }];
  const { blocks: definitions } = agent.memory ?? {};
  const blocks = definitions === undefined ? {} : await readBlocks(agent, input, environment, definitions);
  if (definitions !== undefined) messages.push(blocksMessage(blocks, definitions));
  const head = messages.length;
  if (input.sessionId === undefined) return { messages, blocks, compaction: undefined, sessionOffset: head };
  const session = await recallSession(agent, environment, input.sessionId);
  messages.push(...session.messages);
  const sessionOffset = head - session.from;
  const { compaction } = session;
  const covered = (compaction?.covered ?? 0) + sessionOffset;
  return {
    messages,
    blocks,
    sessionOffset,
    leftOut: session.leftOut,
    compaction: compaction !== undefined && covered > head ? { ...compaction, covered } : undefined,
  };
}

interface RecordedSession {
  count: number;
  /** Messages before are left out: the agent wants the latest only. */
  from?: number;
  compaction?: Compaction;
}

/**
 * Only how many messages they were is recorded, and what stands for the oldest: a session's messages are never changed,
 * and those that come later are cut off.
 */
async function recallSession(
  agent: AgentDefinition,
  { steps, memory }: RunEnvironment,
  session: string,
): Promise<{
  leftOut: readonly Message[];
  messages: readonly Message[];
  from: number;
  compaction: Compaction | undefined;
}> {
  const scope = { namespace: steps.namespace, session };
  let messages: readonly Message[] | undefined;
  const read = async (): Promise<number | RecordedSession> => {
    messages = await memory.messages(scope);
    const compaction = messages.length === 0 ? undefined : await memory.compaction?.(scope);
    const from = firstOf(messages, agent.memory?.sessionMessages);
    const count = messages.length;
    if (compaction === undefined && from === 0) return count;
    return { count, ...(from > 0 && { from }), ...(compaction !== undefined && { compaction }) };
  };
  const recorded = await withMemoryInTime<number | RecordedSession>(agent, steps, (bounds) =>
    steps.run('session', read, { effect: 'read', ...bounds }),
  );
  messages ??= await memory.messages(scope);
  const {
    count,
    from = 0,
    compaction,
  }: RecordedSession = typeof recorded === 'number' ? { count: recorded } : recorded;
  if (messages.length < count) {
    const details = { expected: count, found: messages.length };
    steps.log('warn', `The session ${session} has lost messages`, details);
  }
  return { leftOut: messages.slice(0, from), messages: messages.slice(from, count), from, compaction };
}

/** Where the latest messages begin, at most so many of them, without parting a call from its result. */
function firstOf(messages: readonly Message[], most: number | undefined): number {
  if (most === undefined || messages.length <= most) return 0;
  return cutsOf(messages).find((cut) => messages.length - cut <= most) ?? messages.length;
}

const blockScope = (
  { scope = 'session' }: BlockDefinition,
  { agent, namespace, ...run }: MemoryScope,
): MemoryScope | undefined => {
  const base = { namespace, ...(agent !== undefined && { agent }) };
  if (scope === 'agent') return base;
  const value = run[scope];
  return value === undefined ? undefined : { ...base, [scope]: value };
};

async function readBlocks(
  agent: AgentDefinition,
  input: RunInput,
  { steps, memory }: RunEnvironment,
  definitions: Readonly<Record<string, BlockDefinition>>,
): Promise<Blocks> {
  const run = scopeOf(agent, input, steps.namespace);
  const read = async (): Promise<Blocks> => {
    const entries = Object.entries(definitions).map(async ([name, definition]) => {
      const scope = blockScope(definition, run);
      const kept = scope === undefined ? undefined : (await memory.blocks(scope))[name];
      return [name, kept ?? { text: definition.text ?? '', isFromOutside: false }] as const;
    });
    return Object.fromEntries(await Promise.all(entries));
  };
  return await withMemoryInTime(agent, steps, (bounds) =>
    steps.run('memory:blocks', read, { effect: 'read', ...bounds }),
  );
}

const scopeOf = (
  agent: AgentDefinition,
  { sessionId, userId }: RunInput,
  namespace: string,
): MemoryScope => ({
  namespace,
  agent: agent.name,
  ...(sessionId !== undefined && { session: sessionId }),
  ...(userId !== undefined && { user: userId }),
});

/** The tools with the run's memory handed to those that declare it, and with those that edit the agent's blocks. */
export function withMemory(
  tools: readonly Tools[],
  run: { agent: AgentDefinition; input: RunInput; environment: RunEnvironment; state: () => RunProgress },
): Tools[] {
  const { blocks } = run.agent.memory ?? {};
  const all = blocks === undefined ? tools : [...tools, blockTools(Object.keys(blocks))];
  return all.map((source) => {
    if (!Object.values(source).some(usesMemory)) return source;
    const entries = Object.entries(source).map(([name, tool]): [string, Tool] => {
      if (!usesMemory(tool)) return [name, tool];
      const execute = (input: never, context: ToolContext): unknown =>
        tool.execute(input, { ...context, memory: memoryOf(run, name, context.callId) });
      const bound = { ...tool, execute };
      waitsAs(bound, tool);
      return [name, bound];
    });
    return Object.fromEntries(entries);
  });
}

const usesMemory = (tool: Tool): tool is Extract<Tool, { execute: unknown }> =>
  'execute' in tool && tool.memory === true;

const emptyBlock: MemoryBlock = { text: '', isFromOutside: false };

function memoryOf(
  { agent, input, environment, state }: Parameters<typeof withMemory>[1],
  tool: string,
  callId: string,
): RunMemory {
  const { steps, memory } = environment;
  const security = strictest(environment.security, agent.security);
  const scope = scopeOf(agent, input, steps.namespace);
  const source = () => ({
    by: tool,
    taskId: steps.taskId,
    step: toolStep(state().turns, { type: 'tool-call', callId, tool, input: {} }),
    isFromOutside: state().taintedBy.size > 0,
  });
  const edited = new Set<string>();
  return {
    async remember(text, { scope: wanted = 'agent', expiresAfterMs, metadata } = {}) {
      return await memory.remember({
        text: security.redact(text),
        scope: narrowed(scope, wanted),
        source: source(),
        ...(expiresAfterMs !== undefined && { expiresAt: steps.now() + expiresAfterMs }),
        ...(metadata !== undefined && { metadata: security.redact(metadata) }),
      });
    },
    recall: (query, options) => memory.recall(scope, query, options),
    forget: (id) => memory.forget(scope, id),
    async editBlock(name, edit) {
      const definition = agent.memory?.blocks?.[name];
      if (definition === undefined) throw new OpspawnError('invalid_argument', `There is no block ${name}`);
      if (!isBlockTool(tool)) refuseBesideOurs(state(), name);
      const before =
        (edited.has(name) ? state().blocks[name] : state().blockBefore(callId, name)) ?? emptyBlock;
      const text = security.redact(edit(before.text));
      checkBlockText(name, text, definition);
      const kept = blockScope(definition, scope);
      const block = { text, isFromOutside: before.isFromOutside || state().taintedBy.size > 0 };
      edited.add(name);
      // what our own tools did is told by their results, which a resumed run reads
      const takeBack = isBlockTool(tool) ? () => {} : state().holdEdit(callId, name, { before, block });
      try {
        if (kept !== undefined) await memory.writeBlock(kept, name, block);
      } catch (thrown) {
        takeBack();
        throw thrown;
      }
      return text;
    },
  };
}

function narrowed(scope: MemoryScope, wanted: RememberScope): MemoryScope {
  if (wanted === 'namespace') return { namespace: scope.namespace };
  const value = scope[wanted];
  if (value !== undefined) return { namespace: scope.namespace, [wanted]: value };
  throw new OpspawnError('invalid_argument', `This run has no ${wanted} to remember it for`);
}

/**
 * What a tool of the user's edits is not in the record, and what ours edit beside it is worked out from the record: of the two,
 * ours counts.
 */
function refuseBesideOurs(state: RunProgress, name: string): void {
  const last = state.messages.at(-1);
  const calls = last?.role === 'assistant' ? callsOf(last) : [];
  if (!calls.some(({ tool, input }) => isEditOf(tool, input, name))) return;
  throw new OpspawnError(
    'invalid_argument',
    `The block ${name} is edited by another call already: one at a time`,
  );
}

const isEditOf = (tool: string, input: Json, name: string): boolean =>
  isBlockTool(tool) &&
  typeof input === 'object' &&
  input !== null &&
  !Array.isArray(input) &&
  input.block === name;
