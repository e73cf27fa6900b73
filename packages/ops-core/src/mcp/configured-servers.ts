import { dirname, join, resolve } from 'node:path';
import {
  fileCredentials,
  loadMcpConfig,
  type McpCredentialStore,
  type McpServers,
  parseMcpServers,
} from '@opspawn/agentkit';
import type { Settings } from '../config.ts';

/** What of the user's code is about MCP servers. */
export interface McpSource {
  /** Of the config file; a file of servers is found from there. */
  path: string;
  config: { mcp?: { file: string } | { servers: Parameters<typeof parseMcpServers>[0] } | undefined };
}

/** The servers that the config names; undefined when it names none. Throws `config_invalid`. */
export async function configuredMcpServers(
  { environment }: Pick<Settings, 'environment'>,
  { path, config: { mcp } }: McpSource,
): Promise<McpServers | undefined> {
  if (mcp === undefined) return undefined;
  if ('file' in mcp) return await loadMcpConfig(resolve(dirname(path), mcp.file), { environment });
  return parseMcpServers(mcp.servers);
}

/** Where the tokens of a host's logins are: files in the data folder that its user alone can read. */
export const mcpCredentials = ({ dataDir }: Pick<Settings, 'dataDir'>): McpCredentialStore =>
  fileCredentials(join(dataDir, 'mcp-credentials'));
