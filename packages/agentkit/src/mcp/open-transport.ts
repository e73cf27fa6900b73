import type { StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { getDefaultEnvironment } from '@modelcontextprotocol/client/stdio';
import type { ConnectionOptions } from './connection-options.ts';
import { httpTransport } from './http-transport.ts';
import { StdioTransport } from './stdio-transport.ts';

/** As the server is configured. */
export function openTransport(options: ConnectionOptions): StdioTransport | StreamableHTTPClientTransport {
  const { server, config, environment, credentials, onLine, onSecret } = options;
  const { transport } = config;
  if (transport.kind === 'http') return httpTransport({ server, transport, credentials, onSecret });
  const { command, args, env, cwd } = transport;
  return new StdioTransport({
    command,
    args,
    env: { ...(environment ?? getDefaultEnvironment()), ...env },
    cwd,
    onLine,
  });
}
