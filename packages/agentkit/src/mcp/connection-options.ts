import type { McpCredentialStore } from './credentials.ts';
import type { McpServerConfig } from './mcp-config.ts';

/** `stderr`: the server's own log. `protocol`: what it sent that is no message. `host`: what happens to the server. */
export type McpLogSource = 'stderr' | 'protocol' | 'host';

export interface ConnectionOptions {
  server: string;
  config: McpServerConfig;
  /** What every server's process gets, before the variables of its own. Default: PATH, HOME and the like. */
  environment?: Readonly<Record<string, string>> | undefined;
  credentials: McpCredentialStore;
  onLine(source: McpLogSource, line: string): void;
  /** Hears of what must not be shown. */
  onSecret(secret: string): void;
  redact(text: string): string;
  /** The server is known to speak only the protocols before 2026-07-28. */
  isLegacy: boolean;
}
