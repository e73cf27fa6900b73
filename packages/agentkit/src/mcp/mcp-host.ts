import type { Json } from '../json.ts';
import type { Tools } from '../tool/tool.ts';

export interface McpServerStatus {
  name: string;
  /** `restarting`: waits for its next start. `failed`: gave up for now; the next use after a while tries again. */
  state: 'starting' | 'ready' | 'restarting' | 'failed' | 'stopped';
  pid?: number;
  restarts: number;
  /** Why it is not ready. */
  error?: string;
}

export interface McpSelection {
  /** Only these tools, as `server__tool`; `*` stands for any characters. Default: all that the servers' own lists leave. */
  allow?: readonly string[];
  /** Whose pins count. Default `default`. */
  namespace?: string;
  signal?: AbortSignal;
}

/** What a server offers beside tools, in the words of the protocol. */
export interface McpOffers {
  resources: readonly { uri: string; name: string; description?: string; mimeType?: string }[];
  resourceTemplates: readonly {
    uriTemplate: string;
    name: string;
    description?: string;
    mimeType?: string;
  }[];
  prompts: readonly {
    name: string;
    description?: string;
    arguments?: readonly { name: string; description?: string; required?: boolean }[];
  }[];
}

/** One part of what a resource holds: a text, or bytes as base64. */
export type McpResource = { uri: string; mimeType?: string } & ({ text: string } | { blob: string });

export interface McpPrompt {
  description?: string;
  /** `content` is a block of the protocol: `{ type: 'text', text }`, `image`, `audio`, `resource`. */
  messages: readonly { role: 'user' | 'assistant'; content: Json }[];
}

/** One supervised pool of MCP servers, shared by all runs of a process. Disposing it leaves no child process. */
export interface McpHost extends AsyncDisposable {
  /**
   * The tools of these servers, keyed `server__tool`. Starts what is not running. Throws `mcp_failed`, or
   * `invalid_argument` for a server that is not configured.
   */
  tools(servers: readonly string[], selection?: McpSelection): Promise<Tools>;
  /** The one tool `mcp_proxy` (server, tool, arguments), over these servers or over all. */
  proxy(servers?: readonly string[], selection?: Pick<McpSelection, 'allow' | 'namespace'>): Tools;
  /** Resources, templates of them, and prompts. Throws as `tools` does. */
  offers(server: string, signal?: AbortSignal): Promise<McpOffers>;
  /** Throws `tool_failed` for what the server refuses, `timeout`, `mcp_failed`, or `input_required`: it asks a person. */
  readResource(server: string, uri: string, signal?: AbortSignal): Promise<readonly McpResource[]>;
  /** Throws as `readResource`. */
  getPrompt(
    server: string,
    prompt: string,
    values?: Readonly<Record<string, string>>,
    signal?: AbortSignal,
  ): Promise<McpPrompt>;
  status(): readonly McpServerStatus[];
}
