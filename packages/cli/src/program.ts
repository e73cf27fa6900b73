import { readFileSync } from 'node:fs';
import { Command, Option } from 'commander';
import {
  capacityOption,
  command,
  configOption,
  connecting,
  databaseOption,
  dataOption,
  hostOption,
  onDatabase,
  portOption,
  queuesOption,
} from './command-options.ts';
import { addFlow, addProvider, addQueues, timed } from './flow-commands.ts';
import { addSessions } from './session-commands.ts';
import { addTask } from './task-commands.ts';
import { addCrashTest, addDoctor, addEval, addVerify } from './trial-commands.ts';

const exitCodes = `
Exit codes: 0 done, 1 failed, 2 mistake in what was asked, 3 not allowed, 4 not found, 5 wrong state or conflict,
6 unavailable, 7 cancelled, 8 timed out, 9 over budget or quota, 10 effect in doubt.`;

/** Every command with its help. Their code is imported when they run. */
export function buildProgram({ json }: { json: boolean }): Command {
  const program = new Command('opspawn')
    .description('Runs AI agents as durable tasks: nothing accepted is lost, nothing recorded is done twice.')
    .version(readVersion(), '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print help')
    .helpCommand('help [command]', 'print the help of a command')
    .addHelpText('after', exitCodes)
    .exitOverride()
    .configureOutput(json ? { writeErr: () => {} } : {})
    .showHelpAfterError('Run it with --help to see how it is used.');
  addServing(program);
  addRun(program);
  addTask(program);
  addFlow(program);
  addProvider(program);
  addSessions(program);
  addQueues(program);
  addSettings(program);
  addMcp(program);
  addCrashTest(program);
  addDatabase(program);
  addEval(program);
  addVerify(program);
  addDoctor(program);
  return program;
}

function readVersion(): string {
  const text = readFileSync(new URL('../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}

function addServing(program: Command): void {
  command(program, 'start', 'Serve and work in one process, until Ctrl-C')
    .alias('dev')
    .addOption(configOption())
    .addOption(dataOption('folder of the database (default: .opspawn)'))
    .addOption(databaseOption())
    .addOption(hostOption())
    .addOption(portOption())
    .addOption(capacityOption())
    .addOption(queuesOption())
    .option('--no-worker', 'only serve: the same as "opspawn server"')
    .addHelpText(
      'after',
      '\nExamples:\n  opspawn start\n  opspawn start --config examples/opspawn.config.ts --port 8080',
    )
    .action(async (options) => (await import('./commands/start.ts')).start(options));
  command(program, 'server', 'Serve the API; tasks are run by workers of their own')
    .addOption(dataOption('folder of the database (default: .opspawn)'))
    .addOption(databaseOption())
    .addOption(hostOption())
    .addOption(portOption())
    .action(async (options) => (await import('./commands/start.ts')).start({ ...options, worker: false }));
  command(program, 'worker', 'Run tasks in a process of its own, on the same data as a server')
    .addOption(configOption())
    .addOption(dataOption('folder of the database (default: .opspawn)'))
    .addOption(databaseOption())
    .addOption(capacityOption())
    .addOption(queuesOption())
    .action(async (options) => (await import('./commands/worker.ts')).work(options));
}

function addRun(program: Command): void {
  timed(
    connecting(
      command(program, 'run <name> [input]', 'Run an agent, function or workflow and print its result'),
    ),
  )
    .option('--input <json>', 'the input as JSON, as @FILE, or as - for stdin')
    .addOption(
      new Option('--kind <kind>', 'when two kinds share the name').choices(['agent', 'function', 'workflow']),
    )
    .option('--session <id>', 'continue this conversation; its tasks run one after the other')
    .option('--idempotency-key <key>', 'asking again with this key gives the same task')
    .option('--watch', 'show the steps as they happen (on stderr)')
    .option('--detach', 'print the task and return at once')
    .option('--embedded', 'run in this process, on the data folder, even when a server runs')
    .addOption(configOption())
    .addHelpText(
      'after',
      `
The input is JSON when it starts with { or [, otherwise a text. Without --url, --data and --embedded the server at
http://127.0.0.1:7070 is asked; when none runs and there is a config file, the task runs in this process on .opspawn/.

Examples:
  opspawn run folder-report "Report on this folder" --watch
  opspawn run refund '{"orderId":"A-17"}' --idempotency-key A-17
  opspawn run import --input @orders.json --detach --json`,
    )
    .action(async (name, input, options) => (await import('./commands/run.ts')).run(name, input, options));
}

function addSettings(program: Command): void {
  const settings = program
    .command('settings')
    .description('What the namespace keeps, its quotas and its share');
  const load = () => import('./commands/settings.ts');
  connecting(command(settings, 'get', 'Show them')).action(async (options) => (await load()).get(options));
  connecting(command(settings, 'set', 'Change some of them; the others stay as they are'))
    .option('--keep-completed <days>', 'how long completed tasks are kept: days, "forever" or "default"')
    .option('--keep-failed <days>', 'how long failed tasks are kept')
    .option('--keep-cancelled <days>', 'how long cancelled tasks are kept')
    .option('--max-pending <n>', 'tasks that may be pending at once; "none" for no limit')
    .option('--max-per-minute <n>', 'tasks that may be submitted a minute')
    .option('--max-payload-bytes <n>', 'bytes of one task’s input')
    .option('--weight <n>', 'its share of each worker beside other namespaces; "none" for 1')
    .addHelpText(
      'after',
      '\nExamples:\n  opspawn settings set --keep-completed 7 --keep-failed forever\n  opspawn settings set --max-pending 100000',
    )
    .action(async (options) => (await load()).set(options));
}

function addMcp(program: Command): void {
  const mcp = program.command('mcp').description('Look at tools of MCP servers and decide which may be used');
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

function addMoves(db: Command): void {
  const load = () => import('./commands/db-move.ts');
  command(db, 'copy', 'Move all tasks to another database, which must be empty')
    .requiredOption('--from <url>', 'sqlite:FILE or postgres://…')
    .requiredOption('--to <url>', 'sqlite:FILE or postgres://…')
    .option('--keep-source', 'let the source go on as it is: for a copy to try things on')
    .addHelpText(
      'after',
      `
Stop workers first, and best servers too. All rows are copied in one transaction, counted and compared; then the source refuses
every write, so that nothing is accepted where it would be lost. When anything goes wrong, the target stays empty and the source as it was.

Examples:
  opspawn db copy --from sqlite:.opspawn/opspawn.db --to postgres://opspawn:secret@db:5432/opspawn
  opspawn db copy --from postgres://… --to sqlite:copy.db --keep-source`,
    )
    .action(async (options) => (await load()).copy(options));
  command(db, 'backup <file>', 'Write a SQLite database to a new file, while it is in use')
    .addOption(dataOption('folder of the database (default: .opspawn)'))
    .action(async (file, options) => (await load()).backup(file, options));
}

function addDatabase(program: Command): void {
  const db = program.command('db').description('Look after the database');
  const load = () => import('./commands/db.ts');
  onDatabase(command(db, 'status', 'Schema, size and counts of tasks; changes nothing')).action(
    async (options) => (await load()).status(options),
  );
  onDatabase(command(db, 'migrate', 'Bring the schema up to date, as every start does')).action(
    async (options) => (await load()).migrate(options),
  );
  addMoves(db);
  const key = program.command('key').description('Keys of the API');
  onDatabase(command(key, 'create', 'Make a key, by working on the database itself'))
    .requiredOption('--name <name>', 'whose it is')
    .action(async (options) => (await import('./commands/key.ts')).create(options));
  onDatabase(command(key, 'list', 'Whose keys there are')).action(async (options) =>
    (await import('./commands/key.ts')).list(options),
  );
  onDatabase(command(key, 'delete <id>', 'Take a key away: servers refuse it within seconds')).action(
    async (id, options) => (await import('./commands/key.ts')).remove(id, options),
  );
}
