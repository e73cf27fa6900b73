/** A server over HTTP that wants tokens, and the authorization server that gives them, in this process. */
import { createHash, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';

const machine = `Basic ${Buffer.from('machine:machine-secret-1').toString('base64')}`;

/** How it misbehaves. */
export interface Mischief {
  /** In place of what the authorization server says of itself, and the server of its resource. */
  metadata?: Record<string, unknown>;
  resource?: Record<string, unknown>;
  /** In place of what the browser comes back with. */
  callback?: Record<string, string>;
  /** In place of the tokens. */
  tokens?: unknown;
  /** In place of all that the token endpoint does. */
  tokenAnswer?: { status: number; body: string };
  /** Requests to these are never answered. */
  silent?: readonly string[];
  /** It takes no token, however new. */
  isDeaf?: boolean;
}

export class ProtectedServer implements AsyncDisposable {
  mischief: Mischief = {};
  /** Grants that were asked for, in order: `authorization_code`, `refresh_token`, `client_credentials`. */
  readonly grants: string[] = [];
  /** Grants that were not given. */
  readonly refused: string[] = [];
  /** Client ids that a person was asked about. */
  readonly clients: string[] = [];
  readonly #access = new Set<string>();
  readonly #refresh = new Set<string>();
  readonly #challenges = new Map<string, string>();
  readonly #http = createServer((request, response) => void this.#route(request, response));

  get #origin(): string {
    return `http://127.0.0.1:${(this.#http.address() as AddressInfo).port}`;
  }

  get url(): string {
    return `${this.#origin}/mcp`;
  }

  async listen(): Promise<this> {
    await once(this.#http.listen(0, '127.0.0.1'), 'listening');
    return this;
  }

  /** Every access token stops being good. */
  expire(): void {
    this.#access.clear();
  }

  /** And every refresh token. */
  forget(): void {
    this.expire();
    this.#refresh.clear();
  }

  async #route(request: IncomingMessage, response: ServerResponse): Promise<unknown> {
    const origin = this.#origin;
    const url = new URL(request.url ?? '', origin);
    if (this.mischief.silent?.includes(url.pathname)) return undefined;
    if (url.pathname === '/mcp') return this.#serveMcp(request, response);
    if (url.pathname === '/authorize') return this.#authorize(url, response);
    if (url.pathname === '/token') return this.#giveToken(request, response);
    if (url.pathname.startsWith('/.well-known/oauth-protected-resource'))
      return sendJson(response, 200, {
        resource: `${origin}/mcp`,
        authorization_servers: [origin],
        ...this.mischief.resource,
      });
    if (url.pathname !== '/.well-known/oauth-authorization-server') return response.writeHead(404).end();
    return sendJson(response, 200, {
      issuer: origin,
      authorization_endpoint: `${origin}/authorize`,
      token_endpoint: `${origin}/token`,
      response_types_supported: ['code'],
      grant_types_supported: ['authorization_code', 'refresh_token', 'client_credentials'],
      code_challenge_methods_supported: ['S256'],
      token_endpoint_auth_methods_supported: ['none', 'client_secret_basic'],
      client_id_metadata_document_supported: true,
      authorization_response_iss_parameter_supported: true,
      ...this.mischief.metadata,
    });
  }

  #authorize({ searchParams }: URL, response: ServerResponse): void {
    const asked = (name: string): string => searchParams.get(name) ?? '';
    const code = randomUUID();
    this.#challenges.set(code, asked('code_challenge'));
    this.clients.push(asked('client_id'));
    const answer = new URLSearchParams({
      code,
      state: asked('state'),
      iss: this.#origin,
      ...this.mischief.callback,
    });
    response.writeHead(302, { location: `${asked('redirect_uri')}?${answer}` }).end();
  }

  async #giveToken(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const form = new URLSearchParams(await text(request));
    const { tokenAnswer } = this.mischief;
    if (tokenAnswer !== undefined) {
      response.writeHead(tokenAnswer.status, { 'content-type': 'application/json' }).end(tokenAnswer.body);
      return;
    }
    const grant = form.get('grant_type') ?? '';
    this.grants.push(grant);
    if (!this.#isGood(grant, form, request.headers.authorization)) {
      this.refused.push(grant);
      return sendJson(response, 400, { error: 'invalid_grant' });
    }
    if (this.mischief.tokens !== undefined) return sendJson(response, 200, this.mischief.tokens as object);
    const [token, next] = [`access-${randomUUID()}`, `refresh-${randomUUID()}`];
    this.#access.add(token);
    this.#refresh.add(next);
    const refreshing = grant === 'client_credentials' ? {} : { refresh_token: next };
    return sendJson(response, 200, {
      access_token: token,
      token_type: 'Bearer',
      expires_in: 3600,
      ...refreshing,
    });
  }

  #isGood(grant: string, form: URLSearchParams, authorization: string | undefined): boolean {
    switch (grant) {
      case 'authorization_code': {
        const code = form.get('code') ?? '';
        const verifier = form.get('code_verifier') ?? '';
        const challenge = createHash('sha256').update(verifier).digest('base64url');
        return this.#challenges.get(code) === challenge && this.#challenges.delete(code);
      }
      case 'refresh_token':
        return this.#refresh.delete(form.get('refresh_token') ?? '');
      default:
        return authorization === machine;
    }
  }

  async #serveMcp(request: IncomingMessage, response: ServerResponse): Promise<unknown> {
    const token = /^Bearer (.+)$/.exec(request.headers.authorization ?? '')?.[1] ?? '';
    if (!this.#access.has(token) || this.mischief.isDeaf) {
      const where = `${this.#origin}/.well-known/oauth-protected-resource/mcp`;
      response.setHeader('www-authenticate', `Bearer resource_metadata="${where}"`);
      return response.writeHead(401).end();
    }
    if (request.method !== 'POST') return response.writeHead(405).end();
    const { id, method } = JSON.parse(await text(request));
    if (id === undefined) return response.writeHead(202).end();
    if (method === 'server/discover') return response.writeHead(400).end();
    return sendJson(response, 200, { jsonrpc: '2.0', id, result: resultOf(method, token) });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#http.closeAllConnections();
    this.#http.close();
    await once(this.#http, 'close');
  }
}

/** A careless server: it tells the token that it was given. */
function resultOf(method: string, token: string): object {
  const serverInfo = { name: 'protected', version: '1.0.0' };
  const results: Record<string, object> = {
    initialize: { protocolVersion: '2025-11-25', capabilities: { tools: {} }, serverInfo },
    'tools/list': { tools: [{ name: 'whoami', inputSchema: { type: 'object' } }] },
    'tools/call': { content: [{ type: 'text', text: `you came with ${token}` }] },
  };
  return results[method] ?? {};
}

function sendJson(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(body));
}

export const protectedServer = (): Promise<ProtectedServer> => new ProtectedServer().listen();
