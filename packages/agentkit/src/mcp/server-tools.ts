import type { Tool as McpTool } from '@modelcontextprotocol/client';
import { OpspawnError } from '../errors.ts';
import type { Json } from '../json.ts';
import { matchesPattern } from '../name-pattern.ts';
import type { InputRequired } from '../tool/input-required.ts';
import { jsonSchemaProblem } from '../tool/json-schema.ts';
import type { InlineTool, ToolAnnotations, ToolContext } from '../tool/tool.ts';
import { Asked, type Continuation, type HeldCalls } from './asked.ts';
import type { ListedTool } from './connection.ts';
import type { McpServerConfig } from './mcp-config.ts';
import { offeredNames } from './offered-names.ts';
import type { Supervisor } from './supervisor.ts';
import { toolErrorText, toolOutput } from './tool-output.ts';
import type { ToolPins } from './tool-pins.ts';
import { untilAborted } from './until-aborted.ts';

export type JsonObject = { [key: string]: Json };

/** A configured server and what keeps it running. */
export interface McpServer {
  readonly name: string;
  readonly config: McpServerConfig;
  readonly supervisor: Supervisor;
  readonly maxResultChars: number;
  /** Calls of it that wait for a person. */
  readonly held: HeldCalls;
  readonly pins: ToolPins;
  /** Takes the server's own secrets out of what it says: they are no business of models. */
  readonly redact: <T extends Json>(value: T) => T;
  /** Says once of each definition that it is kept back, or too large to be kept at all. */
  onHeldBack(tool: ListedTool, reason: string): void;
}

/** Which tools, and whose pins count. */
export interface ToolSelection {
  /** As `server__tool`, with `*` for any characters. */
  allow?: readonly string[] | undefined;
  namespace?: string | undefined;
}

/** A list that is older than this is asked for again when a run begins. */
const maxListAgeMs = 60_000;
const maxDefinitionChars = 64 * 1024;
const maxProblemChars = 500;

/**
 * The tools that the server's allow-list and `allow` leave and whose definitions are approved, by `server__tool`,
 * sorted.
 */
export async function listTools(
  server: McpServer,
  { allow, namespace, signal }: ToolSelection & { signal?: AbortSignal | undefined },
): Promise<Map<string, McpTool>> {
  const connection = await server.supervisor.connection(signal);
  const all = new Map(
    (await untilAborted(connection.tools(maxListAgeMs), signal)).map((each) => [each.tool.name, each]),
  );
  const wanted: [key: string, listed: ListedTool][] = [];
  for (const [key, name] of offeredNames(server.name, [...all.keys()])) {
    const listed = all.get(name);
    const isAllowed = matches(server.config.allow, name) && matches(allow, key);
    if (listed !== undefined && isAllowed) wanted.push([key, listed]);
  }
  const approved = await approvedTools(server, namespace, [...all.values()]);
  return new Map(
    wanted.flatMap(([key, { tool }]): [string, McpTool][] => (approved.has(tool.name) ? [[key, tool]] : [])),
  );
}

function matches(patterns: readonly string[] | undefined, name: string): boolean {
  return patterns?.some((pattern) => matchesPattern(pattern, name)) ?? true;
}

/** The names of those tools that may be used as they are defined now. */
async function approvedTools(
  { name: server, config: { pin }, pins, onHeldBack }: McpServer,
  namespace = 'default',
  listed: readonly ListedTool[],
): Promise<ReadonlySet<string>> {
  const problems = await Promise.all(listed.map(problemOf));
  const sound = listed.filter((each, index) => {
    const problem = problems[index];
    if (problem !== undefined) onHeldBack(each, problem);
    return problem === undefined;
  });
  if (pin === 'off') return new Set(sound.map(({ tool }) => tool.name));
  const tools = sound.map(({ tool, digest, definition }) => ({ tool: tool.name, digest, definition }));
  const approved = await pins.review({ namespace, server, isStrict: pin === 'strict', tools });
  for (const each of sound) if (!approved.has(each.tool.name)) onHeldBack(each, waits);
  return approved;
}

const known = new WeakMap<ListedTool, Promise<string | undefined>>();

/** Why a tool cannot be offered at all. A list is looked at once, and used for many calls. */
function problemOf(listed: ListedTool): Promise<string | undefined> {
  const problem = known.get(listed) ?? findProblem(listed);
  known.set(listed, problem);
  return problem;
}

async function findProblem({ definition, tool }: ListedTool): Promise<string | undefined> {
  if (JSON.stringify(definition).length > maxDefinitionChars)
    return `is defined in more than ${maxDefinitionChars} characters`;
  // vendors refuse a whole request for one such schema
  const problem = await jsonSchemaProblem(tool.inputSchema as JsonObject);
  if (problem !== undefined)
    return `describes its arguments by no JSON Schema: ${problem.slice(0, maxProblemChars)}`;
  // found only when there is a result, it would turn a call that was done into one that failed
  const of = tool.outputSchema && (await jsonSchemaProblem(tool.outputSchema as JsonObject));
  return of && `describes its results by no JSON Schema: ${of.slice(0, maxProblemChars)}`;
}

const waits = 'is not approved as it is defined now; look at it, then approve it (opspawn mcp approve)';

/** A tool of a server as a tool of ours. It outlives restarts of the server. */
export function asTool(
  server: McpServer,
  { name, description, title, inputSchema, annotations }: McpTool,
  namespace: string | undefined,
): InlineTool<JsonObject> {
  const { callTimeoutMs, startTimeoutMs } = server.config;
  return {
    description: description ?? title ?? name,
    // the library types it as unknown properties; it was parsed from JSON
    input: { jsonSchema: inputSchema as Json },
    annotations: believedAnnotations(server, annotations),
    // the call's own time-out counts from when the server is ready, and comes first
    timeoutMs: callTimeoutMs + startTimeoutMs,
    isHeld: (state) => server.held.isHeld(state),
    letGo: (state) => server.held.letGo(state),
    execute: (input, context) => callTool(server, { tool: name, input, namespace }, context),
  };
}

/** What a server says about its tools counts only when it is trusted; otherwise each counts as `once`. */
export function believedAnnotations(
  { config }: McpServer,
  annotations: McpTool['annotations'],
): ToolAnnotations {
  if (!config.trusted || annotations === undefined) return {};
  const { readOnlyHint, idempotentHint, destructiveHint, openWorldHint } = annotations;
  return {
    ...(readOnlyHint !== undefined && { readOnlyHint }),
    ...(idempotentHint !== undefined && { idempotentHint }),
    ...(destructiveHint !== undefined && { destructiveHint }),
    ...(openWorldHint !== undefined && { openWorldHint }),
  };
}

export interface ToolCallRequest {
  tool: string;
  input: JsonObject;
  namespace: string | undefined;
}

/**
 * Calls a tool as it is defined now. Throws `tool_failed` (final) with what the tool said went wrong, for the model to
 * act on; `tool_denied` when its definition is not approved; `timeout` and `mcp_failed` with `details.outcome`:
 * `not_done` (the server never got it) or `unknown`; or the signal's reason. A call that a restarted server refused
 * because it knows no session of before is made once more, over a new one.
 */
export function callTool(
  server: McpServer,
  call: ToolCallRequest,
  context: ToolContext,
): Promise<Json | InputRequired> {
  // what was held is given out once
  const continuation = server.held.continue(context.resumed);
  return onceMore(() => callOnce(server, { ...call, continuation }, context));
}

/** Does it again when the server cannot have begun it. */
export async function onceMore<T>(request: () => Promise<T>): Promise<T> {
  try {
    return await request();
  } catch (thrown) {
    if (!(thrown instanceof OpspawnError && thrown.code === 'mcp_failed')) throw thrown;
    if (thrown.details.outcome !== 'not_done' || thrown.details.subject === undefined) throw thrown;
    return await request();
  }
}

/** What the tool gives in place of a result: the questions, with the name of the server before its words. */
export function askPerson(server: McpServer, asked: Asked, { answered }: Continuation): InputRequired {
  const { name, held, config } = server;
  if (!config.elicitation && asked.way.kind === 'rounds')
    throw new OpspawnError('tool_failed', `MCP server ${name} asks a person, which it may not`, {
      retryable: false,
    });
  return held.ask(name, asked, { answered, patienceMs: config.elicitationTimeoutMs });
}

async function callOnce(
  server: McpServer,
  { tool, input, namespace, continuation }: ToolCallRequest & { continuation: Continuation },
  { signal, idempotencyKey, progress }: ToolContext,
): Promise<Json | InputRequired> {
  const { name, supervisor, maxResultChars, redact } = server;
  const connection = await supervisor.connection(signal);
  const listed = (await untilAborted(connection.tools(), signal)).filter((each) => each.tool.name === tool);
  const refusal = { retryable: false, details: { server: name, tool } };
  if (listed.length === 0) {
    throw new OpspawnError('tool_failed', `MCP server ${name} has no tool ${tool} any more`, refusal);
  }
  if (!(await approvedTools(server, namespace, listed)).has(tool)) {
    throw new OpspawnError('tool_denied', `The tool ${tool} of the MCP server ${name} ${waits}`, refusal);
  }
  const onProgress = (message: string): void => progress(message);
  const call = { tool: (listed[0] as ListedTool).tool, input, idempotencyKey, continuation };
  const result = await connection.callTool(call, { signal, onProgress });
  if (result instanceof Asked) return askPerson(server, result, continuation);
  if (result.isError !== true) return redact(toolOutput(result, maxResultChars));
  throw new OpspawnError('tool_failed', redact(toolErrorText(result, maxResultChars)), refusal);
}
