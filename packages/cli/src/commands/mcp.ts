import { OpspawnError } from '@opspawn/agentkit/schema';
import type { McpTool } from '@opspawn/sdk';
import { type Column, createOutput, formatDuration, printable } from '../output.ts';
import { withClient } from '../with-client.ts';
import { type CommandOptions, withoutUndefined } from './task.ts';

interface ServerRow {
  server: string;
  tools: number;
  quarantined: number;
}

const serverColumns: readonly Column<ServerRow>[] = [
  { header: 'SERVER', value: ({ server }) => server },
  { header: 'TOOLS', value: ({ tools }) => String(tools) },
  { header: 'QUARANTINED', value: ({ quarantined }) => String(quarantined) },
];

const toolColumns: readonly Column<McpTool>[] = [
  { header: 'SERVER', value: ({ server }) => server },
  { header: 'TOOL', value: ({ tool }) => tool },
  { header: 'STATUS', value: ({ status }) => status },
  { header: 'DIGEST', value: ({ digest }) => digest.slice(0, 12) },
  { header: 'SEEN', value: ({ seenAt }) => `${formatDuration(Date.now() - Date.parse(seenAt))} ago` },
  { header: 'BY', value: ({ decidedBy = '' }) => decidedBy },
  { header: 'DESCRIPTION', value: ({ definition }) => descriptionOf(definition), shrinks: true },
];

const descriptionOf = (definition: McpTool['definition']): string =>
  typeof definition === 'object' && definition !== null && 'description' in definition
    ? String(definition.description)
    : '';

/** Servers whose tools workers have seen. */
export async function listServers(options: CommandOptions): Promise<void> {
  const { items } = await withClient(options, (client) => client.mcp.listTools({}));
  const rows = [...Map.groupBy(items, ({ server }) => server)].map(([server, tools]): ServerRow => {
    const quarantined = tools.filter(({ status }) => status === 'quarantined').length;
    return { server, tools: new Set(tools.map(({ tool }) => tool)).size, quarantined };
  });
  const output = createOutput({ json: options.json === true });
  output.records(rows, serverColumns, 'No worker has seen a tool of an MCP server yet.');
}

interface ToolsOptions extends CommandOptions {
  tool?: string;
  quarantined?: boolean;
}

/** Definitions that were seen; with `--tool`, the whole text of each, which is what a person should read. */
export async function listTools(server: string | undefined, options: ToolsOptions): Promise<void> {
  const { tool, quarantined } = options;
  const query = withoutUndefined({ server, status: quarantined ? ('quarantined' as const) : undefined });
  const { items } = await withClient(options, (client) => client.mcp.listTools(query));
  const output = createOutput({ json: options.json === true });
  const meant = items.filter((item) => (tool ?? item.tool) === item.tool);
  if (tool === undefined) return output.records(meant, toolColumns, 'There are none.');
  for (const item of meant) output.record(item, () => fullText(item));
  if (meant.length === 0) throw new OpspawnError('not_found', `No definition of a tool ${tool} was seen`);
}

const fullText = ({ server, tool, status, digest, definition }: McpTool): string =>
  `${server} ${tool}: ${status}\n${digest}\n${printable(JSON.stringify(definition, undefined, 2))}\n`;

interface DecideOptions extends CommandOptions {
  digest?: string;
}

export async function decideTools(
  server: string,
  tool: string | undefined,
  status: McpTool['status'],
  options: DecideOptions,
): Promise<void> {
  const request = { server, status, ...withoutUndefined({ tool, digest: options.digest }) };
  const { items } = await withClient(options, (client) => client.mcp.decideTools(request));
  const what = tool === undefined ? `a tool of ${server}` : `the tool ${tool} of ${server}`;
  if (items.length === 0) {
    throw new OpspawnError(
      'not_found',
      `There is no definition of ${what} to be ${status}; see "opspawn mcp tools"`,
    );
  }
  createOutput({ json: options.json === true }).records(items, toolColumns, '');
}
