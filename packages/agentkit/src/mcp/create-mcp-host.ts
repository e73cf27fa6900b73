import { z } from 'zod';
import { callable, checkOptions, having, textsByName } from '../check-options.ts';
import { OpspawnError } from '../errors.ts';
import { tell } from '../tell.ts';
import type { Tools } from '../tool/tool.ts';
import { HeldCalls } from './asked.ts';
import type { ListedTool } from './connection.ts';
import type { McpLogSource } from './connection-options.ts';
import { type McpCredentialStore, memoryCredentials } from './credentials.ts';
import type { McpServerConfig, McpServers } from './mcp-config.ts';
import type { McpHost } from './mcp-host.ts';
import { proxyTool } from './proxy-tool.ts';
import { directReads } from './server-reads.ts';
import { serverSecrets } from './server-secrets.ts';
import { asTool, listTools, type McpServer } from './server-tools.ts';
import { Supervisor } from './supervisor.ts';
import { memoryPins, type ToolPins } from './tool-pins.ts';

export interface McpLogLine {
  server: string;
  source: McpLogSource;
  line: string;
}

export interface McpHostOptions {
  servers: McpServers;
  /** At most 8 KB a line and 200 lines a second for each server. */
  onLog?: (line: McpLogLine) => void;
  /** What each server's process gets beside its own `env`. Default: PATH, HOME, SHELL, TERM, USER, LOGNAME. */
  environment?: Readonly<Record<string, string>>;
  /** What is remembered of the definitions of tools. Default: `memoryPins`, which end with this process. */
  pins?: ToolPins;
  /** Where tokens are kept. Default: in memory, for servers with client credentials. */
  credentials?: McpCredentialStore;
  /** Longest result of a call; see `toolOutput`. Default 1,000,000. */
  maxResultChars?: number;
}

const optionsSchema = z.strictObject({
  servers: z.record(
    z.string(),
    z.custom<McpServerConfig>(
      (value) => typeof (value as McpServerConfig | null)?.transport === 'object',
      'must come from parseMcpServers or loadMcpConfig',
    ),
    'must be the servers by name, as parseMcpServers and loadMcpConfig give them',
  ),
  onLog: callable.optional(),
  environment: textsByName(z.string().optional()).optional(),
  pins: having<ToolPins>('review', 'list', 'decide').optional(),
  credentials: having<McpCredentialStore>('load', 'save', 'remove').optional(),
  maxResultChars: z.int().positive().optional(),
} satisfies Record<keyof McpHostOptions, z.ZodType>);

/** The pool of these servers. Starts none: each starts at its first use. Throws `config_invalid`, naming the path. */
export function createMcpHost(options: McpHostOptions): McpHost {
  checkOptions('The MCP host', optionsSchema, options);
  const { onLog, environment, maxResultChars = 1_000_000 } = options;
  const { pins = memoryPins(), credentials = memoryCredentials() } = options;
  const servers = new Map<string, McpServer>();
  for (const [name, config] of Object.entries(options.servers)) {
    const { redact, onSecret } = serverSecrets(config);
    const onLine = throttled((source, line) =>
      tell(() => onLog?.({ server: name, source, line: redact(line) })),
    );
    const connecting = { server: name, config, onLine, environment, credentials, onSecret, redact };
    const supervisor = new Supervisor(connecting);
    const onHeldBack = once(({ tool }, reason) => onLine('host', `the tool ${tool.name} ${reason}`));
    const held = new HeldCalls();
    servers.set(name, { name, config, supervisor, maxResultChars, held, pins, redact, onHeldBack });
  }
  const select = (names: readonly string[]): McpServer[] =>
    [...new Set(names)].map((name) => serverNamed(servers, name));

  return {
    async tools(names, selection = {}) {
      const lists = await Promise.all(
        select(names).map(async (server) => {
          const tools = await listTools(server, selection);
          return [...tools].map(([key, tool]) => [key, asTool(server, tool, selection.namespace)] as const);
        }),
      );
      return Object.fromEntries(lists.flat());
    },
    proxy(names = [...servers.keys()], selection = {}): Tools {
      return { mcp_proxy: proxyTool(select(names), selection) };
    },
    ...directReads((name) => serverNamed(servers, name)),
    status: () => [...servers.values()].map(({ supervisor }) => supervisor.status),
    async [Symbol.asyncDispose]() {
      await Promise.all([...servers.values()].map(({ supervisor }) => supervisor[Symbol.asyncDispose]()));
    },
  };
}

function serverNamed(servers: ReadonlyMap<string, McpServer>, name: string): McpServer {
  const server = servers.get(name);
  if (server !== undefined) return server;
  const known = [...servers.keys()].join(', ') || 'none';
  throw new OpspawnError('invalid_argument', `MCP server ${name} is not configured; configured: ${known}`);
}

const maxLinesPerSecond = 200;

/** Lets so many lines a second through and then says how many it dropped. */
function throttled(log: (source: McpLogSource, line: string) => void): typeof log {
  let windowStart = 0;
  let lines = 0;
  return (source, line) => {
    const now = performance.now();
    if (now - windowStart >= 1_000) {
      if (lines > maxLinesPerSecond)
        log('host', `${lines - maxLinesPerSecond} lines of its log were dropped`);
      windowStart = now;
      lines = 0;
    }
    lines += 1;
    if (lines <= maxLinesPerSecond || source === 'host') log(source, line);
  };
}

/** Tells of each definition once. */
function once(tell: McpServer['onHeldBack']): McpServer['onHeldBack'] {
  const told = new Set<string>();
  return (listed: ListedTool, reason) => {
    if (told.has(listed.digest) || told.size > 10_000) return;
    told.add(listed.digest);
    tell(listed, reason);
  };
}
