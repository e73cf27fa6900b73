import { createHash } from 'node:crypto';
import { z } from 'zod';
import { checkOptions, count, having } from '../check-options.ts';
import { systemClock } from '../clock.ts';
import { describeThrown, OpspawnError, TimeoutError } from '../errors.ts';
import { assertJson, canonicalJson, isJson, type Json } from '../json.ts';
import type { ToolSpec } from '../model/model.ts';
import { runWithin } from '../run/run-within.ts';
import type { Secrets } from '../security/security.ts';
import type { Effect } from '../steps.ts';
import { type Check, type Checked, checkOf, inputSchemaOf } from './json-schema.ts';
import type { ProcessPool } from './process/process-pool.ts';
import type {
  AskingTool,
  OutsideRequest,
  PreparedCall,
  PreparedRequest,
  RefusedCall,
  RunningTool,
  Tool,
  ToolAnnotations,
  ToolInvocation,
  ToolManager,
  Tools,
} from './tool.ts';
import { executeTool, reconcileTool, type ToolRuntime } from './tool-execution.ts';

export interface ToolManagerOptions {
  tools: Tools;
  /** Where the secrets that tools declare come from. Default: there are none. */
  secrets?: Secrets;
  /** What tools that declare a `context` are given, by name. */
  toolContext?: Readonly<Record<string, unknown>>;
  /** Largest result of a call, as JSON in bytes. Default 1 MiB. */
  maxOutputBytes?: number;
  /** Where tools of the `process` tier run. Default: the pool that this process shares. */
  processes?: ProcessPool;
}

const defaultTimeoutMs = 60_000;
/** How long a call may wait for its turn, where a tool's calls are bounded. */
const maxQueueMs = 600_000;
/** What the vendors take as a name of a tool. */
const validName = /^[a-zA-Z0-9_-]{1,64}$/;

/** One tool with what is worked out about it when it is first needed. */
interface Entry {
  name: string;
  tool: Tool;
  check: Check;
  digest: string;
}

const record = z.custom<object>(
  (value) => typeof value === 'object' && value !== null && !Array.isArray(value),
  'must be an object',
);
/** What the tools are is checked where they are defined. */
const optionsSchema = z.strictObject({
  tools: record,
  secrets: having<Secrets>('get').optional(),
  toolContext: record.optional(),
  maxOutputBytes: count.optional(),
  processes: having<ProcessPool>('run').optional(),
} satisfies Record<keyof ToolManagerOptions, z.ZodType>);

/**
 * The tools of a run by name. Throws `invalid_argument` for a name or a schema that no model can be shown, `config_invalid`
 * for a tool that is not given the context which it declares.
 */
export function createToolManager(options: ToolManagerOptions): ToolManager {
  checkOptions('The tool manager', optionsSchema, options);
  const { tools, secrets = noSecrets, maxOutputBytes = 1024 * 1024, processes, toolContext = {} } = options;
  const runtime: ToolRuntime = { secrets, maxOutputBytes, processes, toolContext };
  refuseWithoutContext(tools, toolContext);
  const specs = Object.keys(tools)
    .sort()
    .map((name) => specOf(name, tools[name] as Tool));
  const entries = new Map<string, Entry>();
  const entryOf = (name: string): Entry | undefined => {
    const tool = Object.hasOwn(tools, name) ? tools[name] : undefined;
    const entry =
      entries.get(name) ?? (tool && { name, tool, check: checkOf(tool.input), digest: digestOf(name, tool) });
    if (entry !== undefined) entries.set(name, entry);
    return entry;
  };
  return {
    list: () => Promise.resolve(specs),
    async prepare(call, signal = new AbortController().signal) {
      const entry = entryOf(call.tool);
      if (entry === undefined) return refuseUnknown(call.tool, specs);
      return await inTime(entry, signal, () => prepare(entry, call, runtime));
    },
    bringsOutside: (name) => !Object.hasOwn(tools, name) || bringsOutside(tools[name] as Tool),
  };
}

/** A schema of somebody else's may never come to an end: then the arguments count as not valid. */
async function inTime(
  { name, tool }: Entry,
  signal: AbortSignal,
  work: () => Promise<PreparedCall | PreparedRequest | RefusedCall>,
): Promise<PreparedCall | PreparedRequest | RefusedCall> {
  const { timeoutMs = defaultTimeoutMs } = 'timeoutMs' in tool ? tool : {};
  try {
    return await runWithin(
      { what: `Checking a call of ${name}`, signal, clock: systemClock, timeoutMs },
      work,
    );
  } catch (thrown) {
    if (signal.aborted || !(thrown instanceof TimeoutError)) throw thrown;
    return refuse(`The arguments of ${name} could not be checked within ${timeoutMs} ms`);
  }
}

function refuseWithoutContext(tools: Tools, given: Readonly<Record<string, unknown>>): void {
  for (const [name, tool] of Object.entries(tools)) {
    if (!('context' in tool) || tool.context === undefined || Object.hasOwn(given, name)) continue;
    throw new OpspawnError('config_invalid', `The tool ${name} needs a context, and toolContext has none`, {
      details: { tool: name },
    });
  }
}

/** By its hint; without one, what a person answers is no content from outside, and everything else is. */
function bringsOutside(tool: Tool): boolean {
  if ('handoff' in tool && tool.handoff !== undefined) return false;
  if ('ask' in tool) return tool.annotations?.openWorldHint ?? tool.agents !== undefined;
  return tool.annotationsFor !== undefined || tool.annotations?.openWorldHint !== false;
}

const noSecrets: Secrets = { get: () => Promise.resolve(undefined) };

function specOf(name: string, tool: Tool): ToolSpec {
  if (!validName.test(name)) {
    throw new OpspawnError(
      'invalid_argument',
      `${JSON.stringify(name)} is no name for a tool: ${validName.source}`,
    );
  }
  return { name, description: tool.description, inputSchema: inputSchemaOf(tool.input) };
}

/** What a person agrees to. */
function digestOf(name: string, tool: Tool): string {
  const { description, annotations = {} } = tool;
  const definition = {
    name,
    description,
    inputSchema: inputSchemaOf(tool.input),
    annotations: { ...annotations },
    ...reachOf(tool),
  };
  return createHash('sha256').update(canonicalJson(definition)).digest('hex');
}

/**
 * What its code gets at: its tier, what of the machine its sandbox holds, and secrets. Nothing is said of an inline tool
 * without secrets, so that what was agreed to under a version which knew no reach goes on.
 */
function reachOf(tool: Tool): { [part: string]: Json } {
  const { isolation = 'inline', secrets = [] } = 'ask' in tool ? {} : tool;
  const { read, write, programs } = 'sandbox' in tool ? (tool.sandbox ?? {}) : {};
  const sandbox = {
    ...(read && { read: [...read].sort() }),
    ...(write && { write: [...write].sort() }),
    ...(programs && { programs }),
  };
  return {
    ...(isolation !== 'inline' && { isolation }),
    ...(Object.keys(sandbox).length > 0 && { sandbox }),
    ...(secrets.length > 0 && { secrets: [...new Set(secrets)].sort() }),
  };
}

async function prepare(
  { name, tool, check, digest }: Entry,
  call: ToolInvocation,
  runtime: ToolRuntime,
): Promise<PreparedCall | PreparedRequest | RefusedCall> {
  const checked = await checkSafely(check, call.input);
  if (!checked.ok) return refuse(`The arguments of ${name} are not valid:\n${checked.problems}`);
  // Only `defineTool` and the schema know the type of what the schema decoded.
  const input = checked.value as never;
  const isPlain = isJson(input);
  const shownInput = isPlain ? structuredClone<Json>(input) : call.input;
  /** For each who may change it: what was agreed to is what runs, at every try. */
  const ownInput = (): never => (isPlain ? structuredClone(input) : input);
  if ('ask' in tool) return prepareRequest({ name, digest, tool, ownInput, shownInput });
  const annotations = await annotationsOf(tool, ownInput);
  if ('refused' in annotations) return annotations;
  const effect = effectOf(annotations);
  const { timeoutMs = defaultTimeoutMs, retry, reconcile, onUnknown = 'ask' } = tool;
  const subject = () => ({ name, tool, input: ownInput(), timeoutMs });
  const waitsMs = tool.concurrency === undefined ? 0 : maxQueueMs;
  return {
    tool: name,
    input: shownInput,
    annotations,
    effect,
    timeoutMs: timeoutMs + waitsMs,
    retry: { maxAttempts: effect === 'once' ? 1 : 3, ...retry },
    needsApproval: needsApproval(tool, ownInput),
    onUnknown,
    digest,
    execute: (execution) => executeTool(subject(), execution, runtime),
    ...('isHeld' in tool && { isHeld: tool.isHeld, letGo: tool.letGo }),
    reconcile: reconcile && ((execution) => reconcileTool(subject(), execution, runtime)),
  };
}

const askable: ReadonlySet<unknown> = new Set([
  'agent',
  'function',
  'workflow',
  'question',
] satisfies OutsideRequest['kind'][]);

interface Asked {
  name: string;
  digest: string;
  tool: AskingTool<never>;
  ownInput: () => never;
  shownInput: Json;
}

function prepareRequest({ name, digest, tool, ownInput, shownInput }: Asked): PreparedRequest | RefusedCall {
  try {
    const request = tool.ask(ownInput());
    if (!askable.has(request?.kind)) throw new TypeError(`The tool ${name} asks for nothing that is known`);
    const { annotations = {} } = tool;
    return {
      tool: name,
      input: shownInput,
      annotations,
      needsApproval: needsApproval(tool, ownInput),
      digest,
      request,
    };
  } catch (thrown) {
    return refuse(describeThrown(thrown));
  }
}

/** A check that throws was provoked by the arguments: the model can try others. */
async function checkSafely(check: Check, input: Json): Promise<Checked> {
  if (typeof input === 'string') return { ok: false, problems: `- ${describeText(input)}` };
  try {
    // schemas pass on parts of what they check, and the conversation stays as it was said
    return await check(structuredClone(input));
  } catch (thrown) {
    return { ok: false, problems: `- they could not be checked: ${describeThrown(thrown)}` };
  }
}

/** Arguments come as a text when the model wrote no JSON. */
function describeText(text: string): string {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'string') return 'must be an object, not a text';
    assertJson(value, 'arguments');
    return 'must be an object, not the text of one';
  } catch (thrown) {
    return `must be a JSON object: ${describeThrown(thrown)}`;
  }
}

async function annotationsOf(
  tool: RunningTool,
  ownInput: () => never,
): Promise<ToolAnnotations | RefusedCall> {
  const { annotations = {}, annotationsFor } = tool;
  try {
    return annotationsFor === undefined ? annotations : await annotationsFor(ownInput());
  } catch (thrown) {
    return refuse(describeThrown(thrown));
  }
}

const effectOf = ({ readOnlyHint, idempotentHint }: ToolAnnotations): Effect =>
  readOnlyHint === true ? 'read' : idempotentHint === true ? 'idempotent' : 'once';

/** A rule that throws asks: nothing runs unasked because of a mistake in a rule. */
function needsApproval({ approval = 'never' }: Tool, ownInput: () => never): boolean {
  if (typeof approval !== 'function') return approval === 'always';
  try {
    return approval(ownInput()) !== false;
  } catch {
    return true;
  }
}

function refuseUnknown(name: string, specs: readonly ToolSpec[]): RefusedCall {
  const names = specs.map((spec) => spec.name).join(', ');
  return refuse(
    `There is no tool ${JSON.stringify(name)}. ${names === '' ? 'There are none' : `There are: ${names}`}.`,
  );
}

const refuse = (message: string): RefusedCall => ({ refused: true, message });
