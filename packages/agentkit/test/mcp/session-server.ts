/** A server over streamable HTTP in this process, with sessions of the older era, which a test can lose or break. */
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';

interface Request {
  id?: number;
  method: string;
  params?: { name?: string };
}

type Answer = (request: Request, response: ServerResponse) => unknown;

export interface SessionServer extends AsyncDisposable {
  readonly url: string;
  /** Names of the tools that were called. */
  readonly calls: string[];
  readonly sessions: Set<string>;
  /** Ways in which a call of a tool is answered, by its name (default: with its name as a text), and `server/discover`. */
  readonly ways: Record<string, Answer>;
}

const lists = ['read', 'write', 'work'].map((name) => ({ name, inputSchema: { type: 'object' } }));

export const reply = (response: ServerResponse, { id }: Request, result: object): void => {
  response.setHeader('content-type', 'application/json');
  response.end(JSON.stringify({ jsonrpc: '2.0', id, result }));
};

export async function sessionServer(): Promise<SessionServer> {
  const [calls, sessions]: [string[], Set<string>] = [[], new Set()];
  const ways: Record<string, Answer> = {};
  const answer = (request: Request, response: ServerResponse): unknown => {
    const { id, method, params: { name = '' } = {} } = request;
    if (id === undefined) return response.writeHead(202).end();
    if (method === 'initialize') {
      const session = randomUUID();
      sessions.add(session);
      response.setHeader('mcp-session-id', session);
      const serverInfo = { name: 'sessions', version: '1.0.0' };
      return reply(response, request, {
        protocolVersion: '2025-11-25',
        capabilities: { tools: {} },
        serverInfo,
      });
    }
    if (method === 'tools/list') return reply(response, request, { tools: lists });
    if (method !== 'tools/call') return reply(response, request, {});
    calls.push(name);
    const way = ways[name] ?? (() => reply(response, request, { content: [{ type: 'text', text: name }] }));
    return way(request, response);
  };
  const serve = async (incoming: IncomingMessage, response: ServerResponse): Promise<unknown> => {
    if (incoming.method !== 'POST') return response.writeHead(405).end();
    const request = (await json(incoming)) as Request;
    if (request.method === 'server/discover') {
      const way = ways[request.method] ?? (() => response.writeHead(400).end('unknown method'));
      return way(request, response);
    }
    const session = String(incoming.headers['mcp-session-id']);
    if (request.method !== 'initialize' && !sessions.has(session)) return response.writeHead(404).end();
    return answer(request, response);
  };
  const server = createServer((incoming, response) => void serve(incoming, response)).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`,
    calls,
    sessions,
    ways,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
