/** What servers offer beside tools: resources and prompts. */
import type { GetPromptResult, ReadResourceResult } from '@modelcontextprotocol/client';
import type { Json } from '../json.ts';
import type { InputRequired } from '../tool/input-required.ts';
import type { ToolContext } from '../tool/tool.ts';
import { Asked } from './asked.ts';
import type { McpHost, McpOffers, McpPrompt, McpResource } from './mcp-host.ts';
import { askPerson, type JsonObject, type McpServer, onceMore } from './server-tools.ts';

export type Reading = Pick<ToolContext, 'signal' | 'resumed'>;

export interface PromptRequest {
  prompt: string;
  values: Readonly<Record<string, string>>;
}

/** Throws `tool_failed` for what the server refuses, `timeout`, `mcp_failed`, or the signal's reason. */
export async function readResource(
  server: McpServer,
  uri: string,
  { signal, resumed }: Reading,
): Promise<ReadResourceResult | InputRequired> {
  const continuation = server.held.continue(resumed);
  const result = await onceMore(async () =>
    (await server.supervisor.connection(signal)).readResource(uri, { signal, continuation }),
  );
  return result instanceof Asked ? askPerson(server, result, continuation) : result;
}

/** Throws as `readResource`. */
export async function getPrompt(
  server: McpServer,
  { prompt: name, values }: PromptRequest,
  { signal, resumed }: Reading,
): Promise<GetPromptResult | InputRequired> {
  const continuation = server.held.continue(resumed);
  const result = await onceMore(async () =>
    (await server.supervisor.connection(signal)).getPrompt({ name, values }, { signal, continuation }),
  );
  return result instanceof Asked ? askPerson(server, result, continuation) : result;
}

/** The values of a prompt are texts. */
export const textsOf = (input: JsonObject): Record<string, string> =>
  Object.fromEntries(
    Object.entries(input).map(([name, value]) => [
      name,
      typeof value === 'string' ? value : JSON.stringify(value),
    ]),
  );

/** For programs, in the protocol's words; throws `input_required` where a person would have to be asked. */
export function directReads(
  serverNamed: (name: string) => McpServer,
): Pick<McpHost, 'offers' | 'readResource' | 'getPrompt'> {
  const never = new AbortController().signal;
  return {
    async offers(name: string, signal = never): Promise<McpOffers> {
      const server = serverNamed(name);
      const { resources, resourceTemplates, prompts } = await onceMore(async () =>
        (await server.supervisor.connection(signal)).offers(signal),
      );
      return asOurs(server, { resources, resourceTemplates, prompts });
    },
    async readResource(name: string, uri: string, signal = never): Promise<readonly McpResource[]> {
      const server = serverNamed(name);
      const result = await readResource(server, uri, { signal });
      if ('requests' in result) throw (result as InputRequired).toError();
      return asOurs(server, result.contents);
    },
    async getPrompt(
      name: string,
      prompt: string,
      values: Readonly<Record<string, string>> = {},
      signal = never,
    ): Promise<McpPrompt> {
      const server = serverNamed(name);
      const result = await getPrompt(server, { prompt, values }, { signal });
      if ('requests' in result) throw (result as InputRequired).toError();
      const { description, messages } = result;
      return asOurs(server, { ...(description !== undefined && { description }), messages });
    },
  };
}

/** What the library parsed, without secrets of the server's configuration. Our types name what callers may count on. */
const asOurs = <Ours>(server: McpServer, parsed: object): Ours =>
  server.redact(parsed as unknown as Json) as unknown as Ours;
