/** The commands and options that say what may run when. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import { command, connecting, wholeNumber } from './command-options.ts';

/** Options of how and when a task runs. */
export const timed = (to: Command): Command =>
  to
    .option('--queue <name>', 'where it waits (default: the definition’s)')
    .addOption(new Option('--priority <n>', '0 is the most urgent (default: 5)').argParser(wholeNumber(0, 9)))
    .addOption(
      new Option('--at <time>', 'not before this time, like 2026-12-01T08:00:00Z').conflicts('delay'),
    )
    .addOption(new Option('--delay <time>', 'not before so long, like 90s or 2h').argParser(duration))
    .addOption(
      new Option('--max-tokens <n>', 'what it and all below it may use together').argParser(
        wholeNumber(1, 1e12),
      ),
    )
    .addOption(new Option('--max-cost <usd>', 'the same in US dollars, like 0.50').argParser(dollars))
    .addOption(
      new Option('--timeout <time>', 'fail when it has not ended so long after it was accepted, like 15m')
        .argParser(duration)
        .conflicts('deadline'),
    )
    .option('--deadline <time>', 'fail when it has not ended by then, like 2026-12-01T18:00:00Z')
    .option('--concurrency-key <key>', 'tasks with this key run one at a time, or as many as the limit')
    .addOption(
      new Option('--concurrency-limit <n>', 'how many (default: 1)').argParser(wholeNumber(1, 1_000_000)),
    )
    .option('--rate-key <key>', 'tasks with this key start at the pace of --rate')
    .addOption(new Option('--rate <rate>', 'how many in how long, like 100/1m').argParser(rate));

export function addLimit(limit: Command): void {
  const load = () => import('./commands/limit.ts');
  connecting(command(limit, 'list', 'The limits that are set, and how they stand')).action(async (options) =>
    (await load()).list(options),
  );
  connecting(command(limit, 'get <key>', 'How a key stands, whether it is set or only tasks name it')).action(
    async (key, options) => (await load()).get(key, options),
  );
  connecting(command(limit, 'set <key>', 'Set the limit of a key, before what tasks say of it'))
    .addOption(
      new Option('--max-running <n>', 'so many tasks at once; 0 stops it').argParser(
        wholeNumber(0, 1_000_000),
      ),
    )
    .addOption(new Option('--rate <rate>', 'how many may start in how long, like 100/1m').argParser(rate))
    .addOption(
      new Option('--unlimited', 'hold nothing back, whatever tasks say').conflicts(['maxRunning', 'rate']),
    )
    .addHelpText(
      'after',
      `
A key is what tasks name as concurrencyKey or rateKey. queue:NAME and function:NAME, agent:NAME, workflow:NAME are the keys
of all tasks of a queue or definition that are submitted from then on. What is set takes the place of all that was set before:
what is not named is not limited.

Examples:
  opspawn limit set customer-7 --max-running 2
  opspawn limit set agent:support --max-running 10 --rate 100/1m`,
    )
    .action(async (key, options) => (await load()).set(key, options));
  connecting(command(limit, 'delete <key>', 'Let tasks say again what the limit of a key is')).action(
    async (key, options) => (await load()).remove(key, options),
  );
}

export function addProvider(provider: Command): void {
  const load = () => import('./commands/provider.ts');
  connecting(command(provider, 'list', 'The keys that are bounded, and how much of it is used')).action(
    async (options) => (await load()).list(options),
  );
  connecting(command(provider, 'set <provider>', 'Set what each key of a provider may send in any minute'))
    .addOption(new Option('--requests-per-minute <n>', 'model calls').argParser(wholeNumber(1, 1e12)))
    .addOption(
      new Option('--tokens-per-minute <n>', 'input and output tokens').argParser(wholeNumber(1, 1e12)),
    )
    .addOption(
      new Option('--unlimited', 'take every bound away').conflicts(['requestsPerMinute', 'tokensPerMinute']),
    )
    .addHelpText(
      'after',
      `
It goes before \`models.bounds\` of the workers' config, and takes the place of all that was set before: what is not named is
not bounded.

Examples:
  opspawn provider set openai --requests-per-minute 500 --tokens-per-minute 200000`,
    )
    .action(async (name, options) => (await load()).set(name, options));
  connecting(
    command(
      provider,
      'delete <provider>',
      'Let the workers’ config say again what a provider’s keys may send',
    ),
  ).action(async (name, options) => (await load()).remove(name, options));
}

export function addQueue(queue: Command): void {
  const load = () => import('./commands/queue.ts');
  connecting(command(queue, 'list', 'Queues with what is in them')).action(async (options) =>
    (await load()).list(options),
  );
  connecting(command(queue, 'pause <name>', 'Start nothing of it any more; what runs goes on'))
    .option('--reason <text>', 'for those who ask why their task waits')
    .addHelpText('after', '\nExample:\n  opspawn queue pause mail --reason "The provider is down"')
    .action(async (name, { reason, ...options }) =>
      (await load()).update(name, options, { paused: true, ...(reason === undefined ? {} : { reason }) }),
    );
  connecting(command(queue, 'resume <name>', 'Let it go on')).action(async (name, options) =>
    (await load()).update(name, options, { paused: false }),
  );
  const weight = command(queue, 'weight <name>', 'Set its share beside the other queues').argument(
    '<weight>',
    '1 (as all queues have at first) to 1000',
    wholeNumber(1, 1_000),
  );
  connecting(weight).action(async (name, to, options) =>
    (await load()).update(name, options, { weight: to }),
  );
}

const quantity = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/** In ms. */
function duration(text: string): number {
  const [, number, unit] = /^(\d+)(ms|s|m|h|d)$/.exec(text) ?? [];
  if (number === undefined) throw new InvalidArgumentError('It must be like 500ms, 90s, 15m, 2h or 1d.');
  return Number(number) * quantity[unit as keyof typeof quantity];
}

/** In micro-dollars. */
function dollars(text: string): number {
  const amount = /^\d{1,6}(\.\d{1,6})?$/.test(text) ? Math.round(Number(text) * 1_000_000) : 0;
  if (amount < 1) throw new InvalidArgumentError('It must be an amount in US dollars, like 0.50.');
  return amount;
}

function rate(text: string): { count: number; intervalMs: number } {
  const [, count, interval = ''] = /^(\d+)\/(.+)$/.exec(text) ?? [];
  if (count === undefined) throw new InvalidArgumentError('It must be like 100/1m.');
  return { count: Number(count), intervalMs: duration(/^\d/.test(interval) ? interval : `1${interval}`) };
}
