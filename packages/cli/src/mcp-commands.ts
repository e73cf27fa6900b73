/** `opspawn mcp …` */
import type { Command } from 'commander';
import { command, configOption, connecting, dataOption } from './command-options.ts';

export function addMcp(mcp: Command): void {
  const load = () => import('./commands/mcp.ts');
  connecting(command(mcp, 'list', 'Servers whose tools were seen')).action(async (options) =>
    (await load()).listServers(options),
  );
  connecting(command(mcp, 'tools [server]', 'Definitions of tools, and which of them wait'))
    .option('--tool <name>', 'of this tool only, in full')
    .option('--quarantined', 'only those that may not be used')
    .action(async (server, options) => (await load()).listTools(server, options));
  connecting(command(mcp, 'approve <server> [tool]', 'Let agents use definitions that were held back'))
    .option('--digest <digest>', 'this definition, where several of the tool wait')
    .addHelpText(
      'after',
      `
What a server changes or adds after its first list waits for a person. Read it first.

Examples:
  opspawn mcp tools tickets --quarantined
  opspawn mcp tools tickets --tool search
  opspawn mcp approve tickets search`,
    )
    .action(async (server, tool, options) => (await load()).decideTools(server, tool, 'approved', options));
  connecting(command(mcp, 'quarantine <server> [tool]', 'Hold definitions back, from the next call on'))
    .option('--digest <digest>', 'this definition only')
    .action(async (server, tool, options) =>
      (await load()).decideTools(server, tool, 'quarantined', options),
    );
  command(mcp, 'login <server>', 'Log in to a server over HTTP that wants a person, in a browser')
    .addOption(configOption())
    .addOption(dataOption('folder in which the tokens are kept (default: .opspawn)'))
    .option('--no-browser', 'print the page’s address and open nothing')
    .action(async (server, options) => (await import('./commands/mcp-login.ts')).login(server, options));
}
