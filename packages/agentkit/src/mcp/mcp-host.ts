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

/** One supervised pool of MCP servers, shared by all runs of a process. Disposing it leaves no child process. */
export interface McpHost extends AsyncDisposable {
  /**
   * The tools of these servers, keyed `server__tool`. Starts what is not running. Throws `mcp_failed`, or
   * `invalid_argument` for a server that is not configured.
   */
  tools(servers: readonly string[], selection?: McpSelection): Promise<Tools>;
  /** The one tool `mcp_proxy` (server, tool, arguments), over these servers or over all. */
  proxy(servers?: readonly string[], selection?: Pick<McpSelection, 'allow' | 'namespace'>): Tools;
  status(): readonly McpServerStatus[];
}
