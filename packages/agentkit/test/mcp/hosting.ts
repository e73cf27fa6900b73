import assert from 'node:assert/strict';
import { fileURLToPath } from 'node:url';
import { createMcpHost, type McpHostOptions, type McpLogLine } from '../../src/mcp/create-mcp-host.ts';
import { type McpServerInput, parseMcpServers } from '../../src/mcp/mcp-config.ts';
import type { McpHost } from '../../src/mcp/mcp-host.ts';
import type { Tool, ToolContext, Tools } from '../../src/tool/tool.ts';

/** Of `npm test`. */
const { NODE_COMPILE_CACHE: compileCache } = process.env;
const node = (module: string, ...args: string[]): McpServerInput => ({
  command: process.execPath,
  args: [fileURLToPath(import.meta.resolve(module)), ...args],
  env: compileCache === undefined ? {} : { NODE_COMPILE_CACHE: compileCache },
});

/** The same, after a while in which it reads nothing. */
export const startedLate = ({ command = '', args = [], ...rest }: McpServerInput): McpServerInput => ({
  ...rest,
  command: 'sh',
  args: ['-c', 'sleep 1.3; exec "$0" "$@"', command, ...args],
});

export const everything = node('@modelcontextprotocol/server-everything/dist/index.js');
export const files = (directory: string): McpServerInput =>
  node('@modelcontextprotocol/server-filesystem/dist/index.js', directory);
export const ownServer = node('./server.ts');
/** Lists what the file says. */
export const changingServer = (file: string): McpServerInput => node('./changing-server.ts', file);
/** Asks people; adds a line to the ledger for each booking. */
export const askingServer = (era: 'modern' | 'legacy', ledger = ''): McpServerInput =>
  node('./asking-server.ts', era, ledger);
export const nastyServer = (way: string): McpServerInput => node('./nasty-server.ts', way);

/** Starts in milliseconds; its tool `work` is answered, `hang` never is. */
export const smallServer: McpServerInput = {
  command: 'sh',
  args: [fileURLToPath(new URL('./small-server.sh', import.meta.url))],
};

export interface TestHost extends McpHost {
  readonly log: McpLogLine[];
}

/** A host that keeps its log. Servers restart without delay. */
export function hostOf(
  servers: Readonly<Record<string, McpServerInput>>,
  options: Partial<McpHostOptions> = {},
): TestHost {
  const log: McpLogLine[] = [];
  const patient = Object.entries(servers).map(([name, server]) => {
    return [name, { restart: { initialDelayMs: 1 }, ...server }] as const;
  });
  const host = createMcpHost({
    servers: parseMcpServers(Object.fromEntries(patient)),
    onLog: (line) => log.push(line),
    ...options,
  });
  return { ...host, log };
}

export function toolNamed(tools: Tools, name: string): Tool {
  const tool = tools[name];
  assert.ok(tool, `${name} is not among ${Object.keys(tools).join(', ')}`);
  return tool;
}

/** Calls a tool as a run does. */
export async function call(
  tools: Tools,
  name: string,
  input: object = {},
  context: Partial<ToolContext> = {},
): Promise<unknown> {
  const tool = toolNamed(tools, name);
  assert.ok('execute' in tool);
  return tool.execute(input as never, {
    callId: 'call',
    idempotencyKey: 'key',
    signal: new AbortController().signal,
    secrets: {},
    progress: () => {},
    ...context,
  });
}
