/** Commands and options that several of them share. */
import { type Command, InvalidArgumentError, Option } from 'commander';

export function command(parent: Command, nameAndArgs: string, description: string): Command {
  return parent
    .command(nameAndArgs)
    .description(description)
    .option('--json', 'machine-readable: JSON, one line for each record');
}

/** Options of the commands that work on a database themselves. */
export const onDatabase = (to: Command): Command =>
  to.addOption(dataOption('folder of the database (default: .opspawn)')).addOption(databaseOption());

/** Options of the commands that talk to a server, or work on a database themselves. */
export const connecting = (to: Command): Command =>
  reaching(to).option(
    '--namespace <name>',
    'where to work on a database (default: OPSPAWN_NAMESPACE, or default); with a server the key decides',
  );

/** How the server or the database is reached. */
export const reaching = (to: Command): Command =>
  to
    .addOption(new Option('--url <url>', 'the server (default: OPSPAWN_URL, or http://127.0.0.1:7070)'))
    .addOption(
      new Option('--api-key <key>', 'that the server needs (better in OPSPAWN_API_KEY: others see this one)'),
    )
    .addOption(dataOption('work on this data folder, without a server').conflicts('url'))
    .addOption(
      new Option('--database <url>', 'work on this database, without a server').conflicts(['url', 'data']),
    );

export const configOption = () =>
  new Option('--config <file>', 'what can be run (default: opspawn.config.ts if there is one)');
export const dataOption = (description: string) => new Option('--data <folder>', description);
export const databaseOption = () =>
  new Option('--database <url>', 'sqlite:FILE or postgres://… (default: OPSPAWN_DATABASE_URL)').conflicts(
    'data',
  );
export const hostOption = () => new Option('--host <address>', 'where to listen (default: 127.0.0.1)');
export const portOption = () =>
  new Option('--port <number>', 'where to listen; 0 takes any free one (default: 7070)').argParser(
    wholeNumber(0, 65_535),
  );
export const capacityOption = () =>
  new Option('--capacity <n>', 'how many tasks run at once (default: 100)').argParser(wholeNumber(1, 10_000));

export const queuesOption = () =>
  new Option('--queues <names>', 'to serve beside those of the definitions, with commas (default: default)');

export function wholeNumber(least: number, most = Number.MAX_SAFE_INTEGER): (text: string) => number {
  return (text) => {
    const number = /^\d+$/.test(text) ? Number(text) : Number.NaN;
    if (!(number >= least && number <= most)) {
      const upTo = most === Number.MAX_SAFE_INTEGER ? '' : ` to ${most}`;
      throw new InvalidArgumentError(`It must be a whole number, ${least}${upTo || ' or more'}.`);
    }
    return number;
  };
}
