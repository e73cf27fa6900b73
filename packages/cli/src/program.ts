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
  wholeNumber,
} from './command-options.ts';
import type { BulkVerb } from './commands/bulk.ts';
import { addFlow, timed } from './flow-commands.ts';

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
  addSettings(program);
  addMcp(program);
  addCrashTest(program);
  addDatabase(program);
  addEval(program);
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

function addTask(program: Command): void {
  const task = program.command('task').description('Look at tasks and act on them');
  const load = () => import('./commands/task.ts');
  connecting(command(task, 'list', 'The newest tasks first'))
    .option('--status <status...>', 'pending, running, waiting, paused, completed, failed, cancelled')
    .addOption(new Option('--kind <kind>').choices(['agent', 'function', 'workflow']))
    .option('--name <name>', 'of the agent, function or workflow')
    .option('--queue <name>')
    .option('--session <id>')
    .option('--error-code <code>', 'failed with this error')
    .addOption(new Option('--limit <n>', 'how many').argParser(wholeNumber(1, 100_000)).default(20))
    .action(async (options) => (await load()).list(options));
  connecting(command(task, 'get <id>', 'Everything about one task')).action(async (id, options) =>
    (await load()).get(id, options),
  );
  connecting(command(task, 'why <id>', 'What holds a task back')).action(async (id, options) =>
    (await load()).why(id, options),
  );
  connecting(command(task, 'journal <id>', 'What is recorded of a task, entry by entry'))
    .addOption(
      new Option('--after <seq>', 'only entries behind this one').argParser(wholeNumber(0)).default(0),
    )
    .option('--full', 'whole values instead of one line each')
    .action(async (id, options) => (await load()).journal(id, options));
  connecting(command(task, 'watch <id>', 'Follow a task until it ends; Ctrl-C only stops watching'))
    .addOption(
      new Option('--after <seq>', 'only entries behind this one').argParser(wholeNumber(0)).default(0),
    )
    .action(async (id, options) => (await load()).watch(id, options));
  addActions(task);
  addDecisions(task);
  addMany(task);
}

/** On one task, or on all that match a filter. */
function addActions(task: Command): void {
  const load = () => import('./commands/bulk.ts');
  const acting = (verb: BulkVerb, description: string): Command =>
    connecting(command(task, `${verb} [id]`, description))
      .option('--status <status...>', 'of those: pending, running, waiting, paused, failed')
      .addOption(new Option('--kind <kind>').choices(['agent', 'function', 'workflow']))
      .option('--name <name>', 'of the agent, function or workflow')
      .option('--queue <name>')
      .option('--session <id>')
      .option('--parent <id>', 'children of this task')
      .option('--error-code <code>', 'failed with this error')
      .option('--created-before <time>', 'ISO 8601, as in 2026-11-21T09:00:00Z')
      .option('--created-after <time>')
      .option('--all', 'no filter: every task that it can be done to')
      .option('--dry-run', 'only count them')
      .option('-y, --yes', 'go on without asking')
      .addHelpText(
        'after',
        `
With an id it acts on that task; with filters on all tasks that match them all: it counts them, asks, and tells no more
than it counted.

Examples:
  opspawn task ${verb} 0199…
  opspawn task ${verb} --name thumbnail --created-before 2026-11-21T09:00:00Z --dry-run
  opspawn task ${verb} --name thumbnail --yes`,
      )
      .action(async (id, options) => (await load()).act(verb, id, options));
  acting('cancel', 'Ask for the end of a task, or of many').option('--reason <text>');
  acting('retry', 'Make failed tasks pending again');
  acting('pause', 'Stop tasks until they are resumed');
  acting('resume', 'Let paused tasks go on');
}

function addMany(task: Command): void {
  connecting(command(task, 'create', 'Create many tasks from a file'))
    .requiredOption('--batch <file>', 'a task as JSON on each line, or - for stdin')
    .option(
      '--key-prefix <text>',
      'a line without an idempotency key gets this and its number, so that the file can be sent again',
    )
    .addHelpText(
      'after',
      `
Each line is what POST /v1/tasks takes. Lines are sent in batches of up to 10,000; a batch is taken as a whole or not at all.

Examples:
  opspawn task create --batch orders.jsonl --key-prefix orders-2026-11-21
  echo '{"name":"thumbnail","input":{"file":"a.png"}}' | opspawn task create --batch -`,
    )
    .action(async (options) => (await import('./commands/create-tasks.ts')).createTasks(options));
  connecting(command(task, 'failures', 'What failed, by error and name, with the newest error of each'))
    .addOption(new Option('--kind <kind>').choices(['agent', 'function', 'workflow']))
    .option('--name <name>', 'of the agent, function or workflow')
    .option('--error-code <code>')
    .addOption(new Option('--limit <n>', 'how many groups').argParser(wholeNumber(1, 200)).default(50))
    .action(async (options) => (await import('./commands/failures.ts')).failures(options));
}

function addDecisions(task: Command): void {
  const load = () => import('./commands/decide.ts');
  connecting(command(task, 'signal <id> <name>', 'Send a signal to a task'))
    .option('--payload <json>', 'what the signal carries: JSON, @FILE, or - for stdin')
    .action(async (id, name, options) => (await load()).signal(id, name, options));
  connecting(command(task, 'resolve <id> <step>', 'Decide about an effect in doubt'))
    .option('--retry', 'it did not happen: run it')
    .option('--result <json>', 'it happened, and this was its result: JSON, @FILE, or - for stdin')
    .option('--fail [message]', 'the step failed')
    .addHelpText(
      'after',
      `
A step is in doubt when it was begun and the process died before its result was recorded. "opspawn task get ID"
names the step.

Examples:
  opspawn task resolve 0199… pay --retry
  opspawn task resolve 0199… pay --result '{"receipt":17}'
  opspawn task resolve 0199… pay --fail "the bank has no such payment"`,
    )
    .action(async (id, step, options) => (await load()).resolve(id, step, options));
  connecting(command(task, 'approve <id> <step>', 'Agree to what a task asks'))
    .option('--comment <text>')
    .action(async (id, step, options) => (await load()).decide(id, step, 'approve', options));
  connecting(command(task, 'deny <id> <step>', 'Refuse what a task asks'))
    .option('--comment <text>')
    .action(async (id, step, options) => (await load()).decide(id, step, 'deny', options));
  connecting(command(task, 'answer <id> <step> <json>', 'Answer a question: JSON, @FILE, or - for stdin'))
    .option('--comment <text>')
    .action(async (id, step, json, options) => (await load()).answerQuestion(id, step, json, options));
}

function addSettings(program: Command): void {
  const settings = program.command('settings').description('What the namespace keeps, and its quotas');
  const load = () => import('./commands/settings.ts');
  connecting(command(settings, 'get', 'Show them')).action(async (options) => (await load()).get(options));
  connecting(command(settings, 'set', 'Change some of them; the others stay as they are'))
    .option('--keep-completed <days>', 'how long completed tasks are kept: days, "forever" or "default"')
    .option('--keep-failed <days>', 'how long failed tasks are kept')
    .option('--keep-cancelled <days>', 'how long cancelled tasks are kept')
    .option('--max-pending <n>', 'tasks that may be pending at once; "none" for no limit')
    .option('--max-per-minute <n>', 'tasks that may be submitted a minute')
    .option('--max-payload-bytes <n>', 'bytes of one task’s input')
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

function addCrashTest(program: Command): void {
  command(
    program,
    'crash-test <name> [input]',
    'Kill your agent at every journal boundary and see what holds',
  )
    .option('--input <json>', 'the input as JSON, as @FILE, or as - for stdin')
    .addOption(configOption())
    .addOption(
      new Option('--kind <kind>', 'when two kinds share the name').choices(['agent', 'function', 'workflow']),
    )
    .addOption(
      new Option('--max-boundaries <n>', 'test only so many, evenly spread').argParser(wholeNumber(1)),
    )
    .addOption(new Option('--timeout <seconds>', 'for one run').argParser(wholeNumber(1)).default(60))
    .option('--signal <name=json...>', 'send these to the task as soon as it is accepted')
    .option('-y, --yes', 'go on although the model costs money')
    .addHelpText(
      'after',
      `
Runs the definition in a process of its own on a temporary data folder: once to count what it writes, then again for
every boundary, killed with SIGKILL before and after that write and in the middle of every tool call, and resumed in a
new process. Tools really run: use test accounts.

Exits with 0 only when nothing was lost, no recorded step ran again and no effect was silently repeated.

Examples:
  opspawn crash-test folder-report "Report on this folder"
  opspawn crash-test refund '{"orderId":"A-17"}' --json`,
    )
    .action(async (name, input, options) =>
      (await import('./commands/crash-test.ts')).crashTest(name, input, options),
    );
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
}

function addEval(program: Command): void {
  command(program, 'eval <agent>', 'Run an agent over a dataset and score what comes of it')
    .requiredOption('--data <file>', 'a case as JSON on each line: {"input": …, "expected": …}')
    .addOption(configOption())
    .option(
      '--scorer <name...>',
      'exact, contains, numeric=TOLERANCE, json-schema=@FILE, judge=MODEL (default: exact)',
    )
    .option('--threshold <name=least...>', 'the mean that a scorer has to reach, from 0 to 1')
    .option('--out <file>', 'keep the report as JSON')
    .option('--compare <file>', 'an earlier report; means must not fall')
    .addOption(new Option('--allow-drop <n>', 'by how much a mean may fall').argParser(Number).default(0))
    .addOption(
      new Option('--concurrency <n>', 'runs side by side').argParser(wholeNumber(1, 1_000)).default(4),
    )
    .addHelpText(
      'after',
      `
Runs in this process, without a task; tools really run. Exits with 1 when a threshold is missed or a mean fell.

Examples:
  opspawn eval clerk --data cases.jsonl --scorer exact --threshold exact=0.9
  opspawn eval clerk --data cases.jsonl --scorer judge=openai/gpt-5.4-mini --out now.json --compare before.json`,
    )
    .action(async (name, options) => (await import('./commands/eval.ts')).evaluate(name, options));
}

function addDoctor(program: Command): void {
  command(program, 'doctor', 'Check that everything is here that Opspawn needs')
    .addOption(configOption())
    .addOption(dataOption('folder of the database (default: .opspawn)'))
    .addOption(databaseOption())
    .action(async (options) => (await import('./commands/doctor.ts')).doctor(options));
}
