import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';
import { z } from 'zod';
import { callable, checkOptions } from '../check-options.ts';
import { nodeHttp } from '../http/node-modules.ts';
import type { Json } from '../json.ts';
import type { McpServerInput } from '../mcp/mcp-config.ts';
import { jsonSchema } from '../message.ts';
import type { ToolAnnotations } from '../tool/tool.ts';
import { annotationsSchema } from '../tool/tool-schema.ts';
import { type AskPerson, OpenQuestions, streamOf } from './test-mcp-questions.ts';

export interface TestMcpTool {
  description?: string;
  /** JSON Schema. Default: an object of anything. */
  inputSchema?: Json;
  annotations?: ToolAnnotations;
  /** A text is given as one, anything else as structured content. What it throws is a failed call. */
  execute?(input: { [key: string]: Json }, context: { ask: AskPerson }): unknown;
}

/**
 * How a call goes wrong. `failed`: the tool says so. `refused`: the server does. `unavailable`: 503. `garbage`: the answer is
 * no MCP. `lost`: the connection breaks off without an answer. `hang`: no answer ever comes.
 */
export type TestMcpFault = 'failed' | 'refused' | 'unavailable' | 'garbage' | 'lost' | 'hang';

export interface TestMcpServerOptions {
  tools?: Readonly<Record<string, TestMcpTool>>;
  /** Texts by URI. */
  resources?: Readonly<Record<string, string>>;
  /** What the user is taken to say, by name of the prompt. */
  prompts?: Readonly<Record<string, (values: Readonly<Record<string, string>>) => string>>;
}

export interface TestMcpCall {
  tool: string;
  input: { [key: string]: Json };
  /** The same on every try of a call. */
  idempotencyKey: string | undefined;
}

/** An MCP server in this process, on a free port of the loopback. */
export interface TestMcpServer extends AsyncDisposable {
  /** For `mcp_servers.yaml`, `mcp.servers` of a config, or `parseMcpServers`: add what else should hold for it. */
  readonly config: McpServerInput & { url: string };
  /** All calls that reached it, also those that went wrong then. */
  readonly calls: readonly TestMcpCall[];
  /** Puts other tools in the place of those that it had, and tells its clients that the list has changed. */
  setTools(tools: Readonly<Record<string, TestMcpTool>>): void;
  /** Lets the next calls of the tool go wrong, one after the other. */
  fail(tool: string, ...faults: readonly TestMcpFault[]): void;
}

interface Request {
  id?: number | string;
  method?: string;
  params?: { [key: string]: Json };
}

const protocolVersion = '2025-11-25';

const toolsSchema = z.record(
  z.string(),
  z.strictObject({
    description: z.string().optional(),
    inputSchema: jsonSchema.optional(),
    annotations: annotationsSchema.optional(),
    execute: callable.optional(),
  } satisfies Record<keyof TestMcpTool, z.ZodType>),
);
const optionsSchema = z.strictObject({
  tools: toolsSchema.optional(),
  resources: z.record(z.string(), z.string()).optional(),
  prompts: z.record(z.string(), callable).optional(),
} satisfies Record<keyof TestMcpServerOptions, z.ZodType>);
const faultSchema = z.enum([
  'failed',
  'refused',
  'unavailable',
  'garbage',
  'lost',
  'hang',
] satisfies TestMcpFault[]);

/**
 * Starts one. It speaks the protocol 2025-11-25 over streamable HTTP, and goes through all of the host's own code. Throws
 * `config_invalid`, naming the path.
 */
export async function testMcpServer(options: TestMcpServerOptions = {}): Promise<TestMcpServer> {
  checkOptions('The test server', optionsSchema, options);
  const state = new ServerState(options);
  const listener = nodeHttp().createServer((request, response) => {
    state.serve(request, response).catch(() => response.destroy());
  });
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const { port } = listener.address() as AddressInfo;
  return {
    config: { url: `http://127.0.0.1:${port}/mcp` },
    calls: state.calls,
    setTools(tools) {
      checkOptions('The list of tools', toolsSchema, tools);
      state.setTools(tools);
    },
    fail(tool, ...faults) {
      checkOptions('The list of faults', z.array(faultSchema), faults);
      state.faults.set(tool, [...(state.faults.get(tool) ?? []), ...faults]);
    },
    async [Symbol.asyncDispose]() {
      const closed = once(listener, 'close');
      listener.close();
      listener.closeAllConnections();
      await closed;
    },
  };
}

class ServerState {
  readonly calls: TestMcpCall[] = [];
  readonly faults = new Map<string, TestMcpFault[]>();
  readonly #options: TestMcpServerOptions;
  readonly #listeners = new Set<ServerResponse>();
  readonly #questions = new OpenQuestions();
  #hasChanged = false;
  #tools: Readonly<Record<string, TestMcpTool>>;

  constructor(options: TestMcpServerOptions) {
    this.#options = options;
    this.#tools = options.tools ?? {};
  }

  setTools(tools: Readonly<Record<string, TestMcpTool>>): void {
    this.#tools = tools;
    this.#hasChanged = true;
    for (const stream of this.#listeners) tellOfChange(stream);
  }

  async serve(incoming: IncomingMessage, response: ServerResponse): Promise<unknown> {
    if (incoming.method === 'GET') return this.#listen(response);
    if (incoming.method !== 'POST') return response.writeHead(405).end();
    const request = (await json(incoming)) as Request;
    if (request.method === undefined) {
      this.#questions.answer(request);
      return response.writeHead(202).end();
    }
    if (request.id === undefined) return response.writeHead(202).end();
    if (request.method === 'tools/call') return await this.#call(request, response);
    return send(response, request, this.#answer(request));
  }

  #listen(response: ServerResponse): void {
    streamOf(response);
    this.#listeners.add(response);
    // it changed before anybody could hear of it
    if (this.#hasChanged) tellOfChange(response);
    response.on('close', () => this.#listeners.delete(response));
  }

  #answer({ method, params = {} }: Request): object | undefined {
    const { resources = {}, prompts = {} } = this.#options;
    switch (method) {
      case 'initialize': {
        const capabilities = { tools: { listChanged: true }, resources: {}, prompts: {} };
        return { protocolVersion, capabilities, serverInfo: { name: 'test', version: '1.0.0' } };
      }
      case 'ping':
        return {};
      case 'tools/list':
        this.#hasChanged = false;
        return { tools: Object.entries(this.#tools).map(definitionOf) };
      case 'resources/list':
        return { resources: Object.keys(resources).map((uri) => ({ uri, name: uri })) };
      case 'resources/templates/list':
        return { resourceTemplates: [] };
      case 'resources/read': {
        const { uri } = params as { uri: string };
        return uri in resources ? { contents: [{ uri, text: resources[uri] }] } : undefined;
      }
      case 'prompts/list':
        return { prompts: Object.keys(prompts).map((name) => ({ name })) };
      case 'prompts/get': {
        const { name, arguments: values = {} } = params as {
          name: string;
          arguments?: Record<string, string>;
        };
        const text = prompts[name]?.(values);
        return text === undefined
          ? undefined
          : { messages: [{ role: 'user', content: { type: 'text', text } }] };
      }
      default:
        return undefined;
    }
  }

  async #call(request: Request, response: ServerResponse): Promise<void> {
    const {
      name,
      arguments: input = {},
      _meta,
    } = request.params as unknown as {
      name: string;
      arguments?: { [key: string]: Json };
      _meta?: { 'opspawn/idempotencyKey'?: string };
    };
    const tool = this.#tools[name];
    if (tool === undefined) return send(response, request, undefined);
    this.calls.push({ tool: name, input, idempotencyKey: _meta?.['opspawn/idempotencyKey'] });
    const fault = this.faults.get(name)?.shift();
    if (fault !== undefined) return goWrong(fault, request, response);
    const result = await resultOf(() =>
      tool.execute?.(input, { ask: (message, schema) => this.#questions.ask(response, message, schema) }),
    );
    send(response, request, result);
  }
}

const changed = JSON.stringify({ jsonrpc: '2.0', method: 'notifications/tools/list_changed' });
const tellOfChange = (stream: ServerResponse): boolean => stream.write(`data: ${changed}\n\n`);

const definitionOf = ([name, { description, inputSchema = { type: 'object' }, annotations }]: [
  string,
  TestMcpTool,
]) => ({ name, description, inputSchema, annotations });

async function resultOf(execute: () => unknown): Promise<object> {
  try {
    const value = (await execute()) ?? 'done';
    if (typeof value === 'string') return { content: [{ type: 'text', text: value }] };
    return { content: [], structuredContent: value };
  } catch (thrown) {
    const text = thrown instanceof Error ? thrown.message : String(thrown);
    return { content: [{ type: 'text', text }], isError: true };
  }
}

function goWrong(fault: TestMcpFault, request: Request, response: ServerResponse): void {
  switch (fault) {
    case 'failed':
      send(response, request, { content: [{ type: 'text', text: 'it failed' }], isError: true });
      return;
    case 'refused':
      send(response, request, undefined);
      return;
    case 'unavailable':
      response.writeHead(503).end('try later');
      return;
    case 'garbage':
      response.setHeader('content-type', 'application/json');
      response.end('no MCP at all');
      return;
    case 'lost':
      response.destroy();
      return;
    case 'hang':
      return;
    default:
      fault satisfies never;
  }
}

/** Without a result: as the server refuses what it does not know. */
function send(response: ServerResponse, { id, method }: Request, result: object | undefined): void {
  const error = { code: -32_602, message: `the test server refuses ${method}` };
  const answer = JSON.stringify({ jsonrpc: '2.0', id, ...(result === undefined ? { error } : { result }) });
  if (response.headersSent) {
    response.end(`data: ${answer}\n\n`);
    return;
  }
  response.setHeader('content-type', 'application/json');
  response.end(answer);
}
