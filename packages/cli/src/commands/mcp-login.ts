import { spawn } from 'node:child_process';
import { loginToMcpServer, OpspawnError } from '@opspawn/agentkit';
import { configuredMcpServers, loadConfig, mcpCredentials } from '@opspawn/ops-core';
import { configPathFrom, settingsFrom } from '../embedded.ts';
import { createOutput } from '../output.ts';

interface LoginOptions {
  json?: boolean;
  config?: string;
  data?: string;
  browser: boolean;
}

/** Opens the authorization server's page and keeps the tokens that it gives, for all workers on this data folder. */
export async function login(server: string, options: LoginOptions): Promise<void> {
  const output = createOutput({ json: options.json === true });
  const settings = settingsFrom(options);
  const loaded = await loadConfig(configPathFrom(options.config, settings));
  const servers = (await configuredMcpServers(settings, loaded)) ?? {};
  const config = servers[server];
  if (config === undefined) {
    const known = Object.keys(servers).join(', ') || 'none';
    throw new OpspawnError('not_found', `MCP server ${server} is not configured; configured: ${known}`);
  }
  await loginToMcpServer({
    server,
    config,
    credentials: mcpCredentials(settings),
    open(url) {
      output.talk(`Log in here:\n  ${url.href}`);
      if (options.browser) openBrowser(url);
    },
  });
  output.record({ server, loggedIn: true }, () => `${server} is logged in`);
}

/** Where there is no browser to open, the printed address does. */
function openBrowser(url: URL): void {
  const program = process.platform === 'darwin' ? 'open' : 'xdg-open';
  const child = spawn(program, [url.href], { stdio: 'ignore', detached: true });
  child.on('error', () => {});
  child.unref();
}
