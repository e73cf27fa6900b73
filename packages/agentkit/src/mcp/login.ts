import { z } from 'zod';
import { callable, checkOptions, having } from '../check-options.ts';
import type { McpCredentialStore } from './credentials.ts';
import type { McpLoginOptions } from './mcp-login.ts';

export type { McpLoginOptions } from './mcp-login.ts';

const optionsSchema = z.strictObject({
  server: z.string(),
  config: z.custom(
    (value) => typeof (value as McpLoginOptions['config'] | null)?.transport === 'object',
    'must come from parseMcpServers or loadMcpConfig',
  ),
  credentials: having<McpCredentialStore>('load', 'save', 'remove'),
  open: callable,
  signal: z.custom((value) => value instanceof AbortSignal, 'must be an AbortSignal').optional(),
} satisfies Record<keyof McpLoginOptions, z.ZodType>);

/**
 * Lets a person log in to a server over HTTP: the browser comes back to a port of this machine's loopback, and the
 * tokens are kept. What was kept of an earlier login is dropped. Throws `config_invalid` for a server that is not
 * configured for it, `permission_denied` when the person or the server says no, `mcp_failed`, or why the signal
 * was aborted (`cancelled`).
 */
export async function loginToMcpServer(options: McpLoginOptions): Promise<void> {
  checkOptions('The login', optionsSchema, options);
  // the library takes over 100 ms to load, which nobody pays who logs in to no server
  const { logIn } = await import('./mcp-login.ts');
  return logIn(options);
}
