import { timingSafeEqual } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Client, type StreamableHTTPClientTransport, UnauthorizedError } from '@modelcontextprotocol/client';
import { OpspawnError } from '../errors.ts';
import { stopError } from '../run/run-within.ts';
import type { McpCredentialStore } from './credentials.ts';
import { httpTransport } from './http-transport.ts';
import type { McpServerConfig } from './mcp-config.ts';
import { untilAborted } from './until-aborted.ts';

export interface McpLoginOptions {
  server: string;
  config: McpServerConfig;
  credentials: McpCredentialStore;
  /** Shows the person this page of the authorization server: opens a browser, or prints it. */
  open(url: URL): void | Promise<void>;
  /** Gives up. */
  signal?: AbortSignal;
}

/** See `loginToMcpServer`. */
export async function logIn(options: McpLoginOptions): Promise<void> {
  const { server, config, credentials, open, signal } = options;
  const { transport } = config;
  if (transport.kind !== 'http' || transport.oauth === undefined) {
    throw new OpspawnError('config_invalid', `MCP server ${server} has no url with oauth to log in to`);
  }
  if (transport.oauth.grant === 'client_credentials') {
    throw new OpspawnError(
      'config_invalid',
      `MCP server ${server} needs no login: it has client credentials`,
    );
  }
  await using callback = await awaitCallback(transport.oauth.redirectPort ?? 0);
  const { scope } = await credentials.load(server).catch(() => ({ scope: undefined }));
  await credentials.save(server, scope === undefined ? {} : { scope });
  let state = '';
  const http = httpTransport({
    server,
    transport,
    credentials,
    onSecret: () => {},
    login: {
      redirectUrl: callback.url,
      open: (url) => {
        state = url.searchParams.get('state') ?? '';
        return open(url);
      },
    },
  });
  const answered = await connect(http, config.startTimeoutMs);
  if (answered === 'authorized') return;
  const found = await untilAborted(callback.parameters, signal).catch((thrown) => {
    throw signal?.aborted ? stopError(signal) : thrown;
  });
  if (!isSame(found.get('state') ?? '', state)) {
    throw new OpspawnError('permission_denied', 'The browser came back with the state of another login');
  }
  try {
    const patience = AbortSignal.timeout(config.startTimeoutMs);
    await untilAborted(
      http.finishAuth(found),
      signal === undefined ? patience : AbortSignal.any([signal, patience]),
    );
  } catch (cause) {
    throw new OpspawnError('permission_denied', `The login to ${server} failed: ${textOf(cause)}`, { cause });
  } finally {
    await http.close();
  }
}

/** Meets the server's 401, which tells who authorizes. */
async function connect(
  http: StreamableHTTPClientTransport,
  timeout: number,
): Promise<'authorized' | 'asked'> {
  const client = new Client({ name: 'opspawn', version: '0.1.0' }, { versionNegotiation: { mode: 'auto' } });
  try {
    await client.connect(http, { timeout });
    await client.close();
    return 'authorized';
  } catch (cause) {
    for (let error = cause; error instanceof Error; error = error.cause) {
      if (error instanceof UnauthorizedError) return 'asked';
    }
    throw new OpspawnError('mcp_failed', `The login could not begin: ${textOf(cause)}`, { cause });
  }
}

interface Callback extends AsyncDisposable {
  url: string;
  parameters: Promise<URLSearchParams>;
}

async function awaitCallback(port: number): Promise<Callback> {
  let found: (parameters: URLSearchParams) => void = () => {};
  const parameters = new Promise<URLSearchParams>((resolve) => {
    found = resolve;
  });
  const answer = ({ url = '', method }: IncomingMessage, response: ServerResponse): void => {
    const { pathname, searchParams } = URL.parse(url, 'http://127.0.0.1') ?? {};
    const isCallback = method === 'GET' && pathname === '/callback';
    response.writeHead(isCallback ? 200 : 404, { 'content-type': 'text/plain; charset=utf-8' });
    response.end(isCallback ? 'You can close this window and go back to the terminal.\n' : 'Not here.\n');
    if (isCallback && searchParams !== undefined) found(searchParams);
  };
  const listener = createServer(answer).listen(port, '127.0.0.1');
  await once(listener, 'listening');
  return {
    url: `http://127.0.0.1:${(listener.address() as AddressInfo).port}/callback`,
    parameters,
    async [Symbol.asyncDispose]() {
      listener.close();
      listener.closeAllConnections();
    },
  };
}

const isSame = (a: string, b: string): boolean =>
  a !== '' && a.length === b.length && timingSafeEqual(Buffer.from(a), Buffer.from(b));

const textOf = (thrown: unknown): string => (thrown instanceof Error ? thrown.message : String(thrown));
