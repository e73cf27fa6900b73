/** Commands that try something out: the user's code, a deployment, this machine. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import { configOption, onDatabase, wholeNumber } from './command-options.ts';

export function addCrashTest(crashTest: Command): void {
  crashTest
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

export function addEval(evaluate: Command): void {
  evaluate
    .requiredOption('--data <file>', 'a case as JSON on each line: {"input": …, "expected": …}')
    .addOption(configOption())
    .option(
      '--scorer <name...>',
      'exact, contains, numeric=TOLERANCE, json-schema=@FILE, judge=MODEL (default: exact)',
    )
    .option('--threshold <name=least...>', 'the mean that a scorer has to reach, from 0 to 1')
    .option('--out <file>', 'keep the report as JSON')
    .option('--compare <file>', 'an earlier report; means must not fall')
    .addOption(new Option('--allow-drop <n>', 'by how much a mean may fall').argParser(drop).default(0))
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

function drop(text: string): number {
  const number = /^\d*\.?\d+$/.test(text) ? Number(text) : Number.NaN;
  if (number <= 1) return number;
  throw new InvalidArgumentError('It must be a number from 0 to 1.');
}

export function addVerify(verify: Command): void {
  onDatabase(verify)
    .option('--only <fault...>', 'only these')
    .addOption(
      new Option('--scale <share>', 'of the whole suite, which takes hours: 0.01 is a minute or two')
        .argParser(share)
        .default(0.01),
    )
    .addOption(new Option('--seed <n>', 'of what is drawn by chance').argParser(wholeNumber(0, 2 ** 32 - 1)))
    .addHelpText(
      'after',
      `
Works in a namespace and a queue of its own, with three workers that it starts itself and does these things to; your
database and broker are not touched, their connections go through a proxy of its own where they are broken.

Exits with 0 only when no task was lost or stuck, no recorded step ran again and no effect was silently repeated.

Examples:
  opspawn verify
  opspawn verify --only kill network --scale 0.1 --json`,
    )
    .action(async (options) => (await import('./commands/verify.ts')).verify(options));
}

function share(text: string): number {
  const number = Number(text);
  if (number > 0 && number <= 1) return number;
  throw new InvalidArgumentError('It must be above 0 and at most 1.');
}

export function addDoctor(doctor: Command): void {
  onDatabase(doctor)
    .addOption(configOption())
    .action(async (options) => (await import('./commands/doctor.ts')).doctor(options));
}
