/** `opspawn task …` */
import { type Command, Option } from 'commander';
import { command, connecting, wholeNumber } from './command-options.ts';
import type { BulkVerb } from './commands/bulk.ts';

const statuses = ['pending', 'running', 'waiting', 'paused', 'completed', 'failed', 'cancelled'];

export function addTask(task: Command): void {
  const load = () => import('./commands/task.ts');
  connecting(command(task, 'list', 'The newest tasks first'))
    .addOption(new Option('--status <status...>').choices(statuses))
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
    (await import('./commands/why.ts')).why(id, options),
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
      .addOption(new Option('--status <status...>', 'of those to which it can be done').choices(statuses))
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
