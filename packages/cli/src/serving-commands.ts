/** The commands that serve, work and run something. */
import { type Command, Option } from 'commander';
import {
  capacityOption,
  configOption,
  connecting,
  databaseOption,
  dataOption,
  hostOption,
  portOption,
  queuesOption,
} from './command-options.ts';
import { timed } from './flow-commands.ts';

export function addStart(start: Command): void {
  start
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
}

export function addServer(server: Command): void {
  server
    .addOption(dataOption('folder of the database (default: .opspawn)'))
    .addOption(databaseOption())
    .addOption(hostOption())
    .addOption(portOption())
    .action(async (options) => (await import('./commands/start.ts')).start({ ...options, worker: false }));
}

export function addWorker(worker: Command): void {
  worker
    .addOption(configOption())
    .addOption(dataOption('folder of the database (default: .opspawn)'))
    .addOption(databaseOption())
    .addOption(capacityOption())
    .addOption(queuesOption())
    .action(async (options) => (await import('./commands/worker.ts')).work(options));
}

export function addRun(run: Command): void {
  timed(connecting(run))
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
