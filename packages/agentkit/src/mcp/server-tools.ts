import type { Tool as McpTool } from '@modelcontextprotocol/client';
import { OpspawnError } from '../errors.ts';
import type { Json } from '../json.ts';
import type { InlineTool, ToolAnnotations, ToolContext } from '../tool/tool.ts';
import type { McpServerConfig } from './mcp-config.ts';
import { offeredNames } from './offered-names.ts';
import type { Supervisor } from './supervisor.ts';
import { toolErrorText, toolOutput } from './tool-output.ts';
import { untilAborted } from './until-aborted.ts';

export type JsonObject = { [key: string]: Json };

/** A configured server and what keeps it running. */
export interface McpServer {
  readonly name: string;
  readonly config: McpServerConfig;
  readonly supervisor: Supervisor;
  readonly maxResultChars: number;
}

/** The tools that the server's allow-list and `allow` (as `server__tool`) leave, by `server__tool`, sorted. */
export async function listTools(
  { name: server, config, supervisor }: McpServer,
  { allow, signal }: { allow?: readonly string[] | undefined; signal?: AbortSignal | undefined },
): Promise<Map<string, McpTool>> {
  const connection = await supervisor.connection(signal);
  const all = new Map((await untilAborted(connection.tools(), signal)).map((tool) => [tool.name, tool]));
  const listed = new Map<string, McpTool>();
  for (const [key, name] of offeredNames(server, [...all.keys()])) {
    const tool = all.get(name);
    const isAllowed = (config.allow?.includes(name) ?? true) && (allow?.includes(key) ?? true);
    if (tool !== undefined && isAllowed) listed.set(key, tool);
  }
  return listed;
}

/** A tool of a server as a tool of ours. It outlives restarts of the server. */
export function asTool(
  server: McpServer,
  { name, description, title, inputSchema, annotations }: McpTool,
): InlineTool<JsonObject> {
  const { callTimeoutMs, startTimeoutMs } = server.config;
  return {
    description: description ?? title ?? name,
    // the library types it as unknown properties; it was parsed from JSON
    input: { jsonSchema: inputSchema as Json },
    annotations: believedAnnotations(server, annotations),
    // the call's own time-out counts from when the server is ready, and comes first
    timeoutMs: callTimeoutMs + startTimeoutMs,
    execute: (input, context) => callTool(server, name, input, context),
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

/**
 * Calls a tool. Throws `tool_failed` (final) with what the tool said went wrong, for the model to act on; `timeout`
 * and `mcp_failed` with `details.outcome`: `not_done` (the server never got it) or `unknown`; or the signal's reason.
 */
export async function callTool(
  { name: server, supervisor, maxResultChars }: McpServer,
  tool: string,
  input: JsonObject,
  { signal, idempotencyKey, progress }: ToolContext,
): Promise<Json> {
  const connection = await supervisor.connection(signal);
  const onProgress = (message: string): void => progress(message);
  const result = await connection.callTool({ tool, input, idempotencyKey }, { signal, onProgress });
  if (result.isError !== true) return toolOutput(result, maxResultChars);
  throw new OpspawnError('tool_failed', toolErrorText(result, maxResultChars), {
    retryable: false,
    details: { server, tool },
  });
}
