import type { Tool as McpTool } from '@modelcontextprotocol/client';
import { OpspawnError, toOpspawnError } from '../errors.ts';
import type { Json } from '../json.ts';
import { InputRequired } from '../tool/input-required.ts';
import type { InlineTool } from '../tool/tool.ts';
import { getPrompt, type PromptRequest, type Reading, readResource, textsOf } from './server-reads.ts';
import {
  believedAnnotations,
  callTool,
  type JsonObject,
  listTools,
  type McpServer,
  type ToolSelection,
} from './server-tools.ts';
import { cappedJson, resourceOutput, toolOutput } from './tool-output.ts';

interface ProxyInput {
  server?: string;
  tool?: string;
  arguments?: JsonObject;
  resource?: string;
  prompt?: string;
  search?: string;
}

const description = `Reaches the tools and resources of MCP servers.
- {} lists the servers and the names of their tools.
- {search} finds tools by words of their names and descriptions, with the schema of their arguments.
- {server} describes the tools of one server, with the schema of their arguments, and lists its resources and prompts.
- {server, tool, arguments} calls a tool.
- {server, resource} reads the resource with this URI.
- {server, prompt, arguments} gets a prompt that the server has ready.`;

/**
 * One tool for all tools of these servers, for catalogues too large to be offered whole. Listing and reading of
 * resources count as `read`; a call counts as what its tool is where its server is trusted, else as `once`.
 */
export function proxyTool(servers: readonly McpServer[], selection: ToolSelection): InlineTool<ProxyInput> {
  const find = (name: string): McpServer => {
    const server = servers.find((candidate) => candidate.name === name);
    if (server !== undefined) return server;
    throw refused(`There is no server ${name}. Servers: ${servers.map((known) => known.name).join(', ')}`);
  };
  return {
    description,
    input: { jsonSchema: inputSchema(servers.map(({ name }) => name)) },
    timeoutMs: Math.max(1, ...servers.map(({ config }) => config.startTimeoutMs + 2 * config.callTimeoutMs)),
    isHeld: (state) => servers.some(({ held }) => held.isHeld(state)),
    letGo: (state) => {
      for (const { held } of servers) held.letGo(state);
    },
    async annotationsFor({ server, tool }) {
      if (server === undefined || tool === undefined) return { readOnlyHint: true };
      try {
        const target = find(server);
        return believedAnnotations(target, (await findTool(target, tool, selection)).annotations);
      } catch {
        // the call itself will say what is wrong
        return {};
      }
    },
    async execute({ search, server, ...wanted }, context) {
      if (search !== undefined) {
        const among = server === undefined ? servers : [find(server)];
        return searchTools(among, { ...selection, search, signal: context.signal });
      }
      const asked = Object.keys(wanted).filter((key) => key !== 'arguments');
      if (server === undefined) {
        if (asked.length > 0) throw refused('server is missing');
        return Promise.all(servers.map((each) => overview(each, selection, context.signal)));
      }
      if (asked.length > 1) throw refused(`Give one of ${asked.join(' and ')}`);
      const target = find(server);
      const { tool, resource, prompt, arguments: input = {} } = wanted;
      if (resource !== undefined) return readForModel(target, resource, context);
      if (prompt !== undefined) return getForModel(target, { prompt, values: textsOf(input) }, context);
      if (tool === undefined) return describe(target, selection, context.signal);
      const { name } = await findTool(target, tool, { ...selection, signal: context.signal });
      return callTool(target, { tool: name, input, namespace: selection.namespace }, context);
    },
  };
}

const inputSchema = (servers: readonly string[]): Json => ({
  type: 'object',
  properties: {
    server: { type: 'string', enum: [...servers] },
    tool: { type: 'string', description: 'Name of a tool of the server' },
    arguments: { type: 'object', description: 'Arguments of the tool, by its own schema' },
    resource: { type: 'string', description: 'URI of a resource of the server' },
    prompt: { type: 'string', description: 'Name of a prompt of the server' },
    search: { type: 'string', description: 'Words, most telling first' },
  },
  additionalProperties: false,
});

/** Goes to the model as the call's result. */
const refused = (message: string): OpspawnError =>
  new OpspawnError('tool_failed', message, { retryable: false });

async function findTool(
  server: McpServer,
  name: string,
  selection: ToolSelection & { signal?: AbortSignal },
): Promise<McpTool> {
  const tools = await listTools(server, selection);
  const tool = tools.get(name) ?? [...tools.values()].find((candidate) => candidate.name === name);
  if (tool !== undefined) return tool;
  const known = [...tools.values()].map((candidate) => candidate.name).join(', ');
  throw refused(`Server ${server.name} has no tool ${name}. Tools: ${known}`);
}

async function overview(server: McpServer, selection: ToolSelection, signal: AbortSignal): Promise<Json> {
  try {
    const tools = await listTools(server, { ...selection, signal });
    return { server: server.name, tools: [...tools.values()].map(({ name }) => name) };
  } catch (error) {
    signal.throwIfAborted();
    return { server: server.name, error: toOpspawnError(error).message };
  }
}

const mostFound = 8;

/** The tools in which most of the words stand, names counting for more. */
async function searchTools(
  servers: readonly McpServer[],
  { search, ...selection }: ToolSelection & { search: string; signal: AbortSignal },
): Promise<Json> {
  const words = search.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? [];
  const scoreOf = ({ name, description = '' }: McpTool): number => {
    const [inName, inText] = [name.toLowerCase(), description.toLowerCase()];
    return words.reduce((sum, word) => sum + (inName.includes(word) ? 3 : inText.includes(word) ? 1 : 0), 0);
  };
  const lists = await Promise.allSettled(servers.map((server) => listTools(server, selection)));
  selection.signal.throwIfAborted();
  const found = lists.flatMap((list, index) => {
    const server = servers[index]?.name ?? '';
    if (list.status === 'rejected') return [];
    return [...list.value.values()].map((tool) => ({ server, tool, score: scoreOf(tool) }));
  });
  const best = found.filter(({ score }) => score > 0).sort((a, b) => b.score - a.score);
  return best.slice(0, mostFound).map(({ server, tool }) => ({
    server,
    tool: tool.name,
    description: tool.description ?? '',
    inputSchema: tool.inputSchema as Json,
  }));
}

async function describe(server: McpServer, selection: ToolSelection, signal: AbortSignal): Promise<Json> {
  const connection = await server.supervisor.connection(signal);
  const [tools, { resources, resourceTemplates, prompts }] = await Promise.all([
    listTools(server, { ...selection, signal }),
    connection.offers(signal),
  ]);
  const described = {
    tools: [...tools.values()].map(({ name, description: says = '', inputSchema: schema }) => ({
      name,
      description: says,
      inputSchema: schema as Json,
    })),
    resources: resources.map(({ uri, name }) => ({ uri, name })),
    resourceTemplates: resourceTemplates.map(({ uriTemplate, name }) => ({ uriTemplate, name })),
    prompts: prompts.map(({ name, description: says = '', arguments: takes = [] }) => ({
      name,
      description: says,
      arguments: takes.map((each) => ({ name: each.name, required: each.required === true })),
    })),
  };
  return cappedJson(server.redact(described), server.maxResultChars);
}

async function readForModel(server: McpServer, uri: string, context: Reading): Promise<Json | InputRequired> {
  const result = await readResource(server, uri, context);
  if (result instanceof InputRequired) return result;
  return server.redact(resourceOutput(result, server.maxResultChars));
}

async function getForModel(
  server: McpServer,
  request: PromptRequest,
  context: Reading,
): Promise<Json | InputRequired> {
  const result = await getPrompt(server, request, context);
  if (result instanceof InputRequired) return result;
  const { maxResultChars, redact } = server;
  const said = result.messages.map(({ role, content }) => {
    return { role, content: toolOutput({ content: [content] }, maxResultChars) };
  });
  return redact(cappedJson({ messages: said }, maxResultChars));
}
