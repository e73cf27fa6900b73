import { Command } from 'commander';
import { command } from './command-options.ts';

const exitCodes = `
Exit codes: 0 done, 1 failed, 2 mistake in what was asked, 3 not allowed, 4 not found, 5 wrong state or conflict,
6 unavailable, 7 cancelled, 8 timed out, 9 over budget or quota, 10 effect in doubt.`;

interface Listed {
  /** Its name, and its arguments as commander writes them. */
  usage: string;
  alias?: string;
  description: string;
  /** It has commands of its own, and does nothing by itself. */
  isGroup?: true;
  /** What gives it its options and commands. */
  load: () => Promise<(listed: Command) => void>;
}

const serving = () => import('./serving-commands.ts');
const flow = () => import('./flow-commands.ts');
const sessions = () => import('./session-commands.ts');
const trials = () => import('./trial-commands.ts');
const database = () => import('./database-commands.ts');

const commands: readonly Listed[] = [
  {
    usage: 'start',
    alias: 'dev',
    description: 'Serve and work in one process, until Ctrl-C',
    load: async () => (await serving()).addStart,
  },
  {
    usage: 'server',
    description: 'Serve the API; tasks are run by workers of their own',
    load: async () => (await serving()).addServer,
  },
  {
    usage: 'worker',
    description: 'Run tasks in a process of its own, on the same data as a server',
    load: async () => (await serving()).addWorker,
  },
  {
    usage: 'run <name> [input]',
    description: 'Run an agent, function or workflow and print its result',
    load: async () => (await serving()).addRun,
  },
  {
    usage: 'task',
    isGroup: true,
    description: 'Look at tasks and act on them',
    load: async () => (await import('./task-commands.ts')).addTask,
  },
  {
    usage: 'limit',
    isGroup: true,
    description: 'How many tasks may run, or start, under a key',
    load: async () => (await flow()).addLimit,
  },
  {
    usage: 'provider',
    isGroup: true,
    description: 'What the keys of model providers may send, for all workers together',
    load: async () => (await flow()).addProvider,
  },
  {
    usage: 'spending',
    description: 'What agents have cost, by day, agent or session',
    load: async () => (await sessions()).addSpending,
  },
  {
    usage: 'session',
    isGroup: true,
    description: 'Conversations, and what they have cost',
    load: async () => (await sessions()).addSession,
  },
  {
    usage: 'queue',
    isGroup: true,
    description: 'Pause queues, and share workers between them',
    load: async () => (await flow()).addQueue,
  },
  {
    usage: 'settings',
    isGroup: true,
    description: 'What the namespace keeps, its quotas and its share',
    load: async () => (await import('./settings-commands.ts')).addSettings,
  },
  {
    usage: 'mcp',
    isGroup: true,
    description: 'Look at tools of MCP servers and decide which may be used',
    load: async () => (await import('./mcp-commands.ts')).addMcp,
  },
  {
    usage: 'crash-test <name> [input]',
    description: 'Kill your agent at every journal boundary and see what holds',
    load: async () => (await trials()).addCrashTest,
  },
  {
    usage: 'db',
    isGroup: true,
    description: 'Look after the database',
    load: async () => (await database()).addDatabase,
  },
  {
    usage: 'key',
    isGroup: true,
    description: 'Keys of the API',
    load: async () => (await database()).addKey,
  },
  {
    usage: 'eval <agent>',
    description: 'Run an agent over a dataset and score what comes of it',
    load: async () => (await trials()).addEval,
  },
  {
    usage: 'verify',
    description: 'Kill, stop and cut off workers of its own on your deployment, and see what holds',
    load: async () => (await trials()).addVerify,
  },
  {
    usage: 'doctor',
    description: 'Check that everything is here that Opspawn needs',
    load: async () => (await trials()).addDoctor,
  },
];

/**
 * Every command with its help; their code is imported when they run. To start faster, a command that none of `words` (the
 * command line) names has no options and no commands of its own. Default: all have.
 */
export async function buildProgram(options: { json: boolean; words?: readonly string[] }): Promise<Command> {
  const { json, words } = options;
  const program = new Command('opspawn')
    .description('Runs AI agents as durable tasks: nothing accepted is lost, nothing recorded is done twice.')
    .version(readVersion(), '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print help')
    .helpCommand('help [command]', 'print the help of a command')
    .addHelpText('after', exitCodes)
    .exitOverride()
    .configureOutput(json ? { writeErr: () => {} } : {})
    .showHelpAfterError('Run it with --help to see how it is used.');
  for (const { usage, alias, description, isGroup = false, load } of commands) {
    const listed = isGroup
      ? program.command(usage).description(description)
      : command(program, usage, description);
    if (alias !== undefined) listed.alias(alias);
    const names = [listed.name(), ...listed.aliases()];
    if (words === undefined || names.some((name) => words.includes(name))) (await load())(listed);
  }
  return program;
}

function readVersion(): string {
  // Not imported: that would load all kinds of streams for what node:fs exports.
  const { readFileSync } = process.getBuiltinModule('node:fs');
  const text = readFileSync(new URL('../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}
