import type { Tools } from '../tool/tool.ts';

export interface McpServerStatus {
  name: string;
  state: 'starting' | 'ready' | 'restarting' | 'failed' | 'stopped';
  pid?: number;
  restarts: number;
  /** Why it is not ready. */
  error?: string;
}

/** One supervised pool of MCP servers, shared by all runs of a process. Disposing it leaves no child process. */
export interface McpHost extends AsyncDisposable {
  /** The tools of these servers, keyed `server__tool`. Starts what is not running. Throws `mcp_failed`. */
  tools(servers: readonly string[]): Promise<Tools>;
  /** The one tool `mcp_proxy` (server, tool, arguments), over these servers or over all. */
  proxy(servers?: readonly string[]): Tools;
  status(): readonly McpServerStatus[];
}
