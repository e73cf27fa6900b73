import { type Limit, OpspawnError } from '@opspawn/sdk';
import { type Column, createOutput, formatDuration, printable } from '../output.ts';
import { withClient } from '../with-client.ts';
import { type CommandOptions, withoutUndefined } from './task.ts';

type Setting = NonNullable<Limit['setting']>;

const columns: readonly Column<Limit>[] = [
  { header: 'KEY', value: ({ key }) => key, shrinks: true },
  { header: 'LIMIT', value: ({ setting }) => describeSetting(setting) },
  { header: 'RUNNING', value: ({ running }) => String(running) },
  { header: 'WAITING', value: ({ waiting }) => String(waiting) },
];

function describeSetting(setting: Setting | undefined): string {
  if (setting === undefined) return 'as tasks say';
  const { maxRunning, rate } = setting;
  const parts = [
    maxRunning === undefined ? undefined : `${maxRunning} at once`,
    rate === undefined ? undefined : `${rate.count} in ${formatDuration(rate.intervalMs)}`,
  ].filter((part) => part !== undefined);
  return parts.join(', ') || 'none';
}

export async function list(options: CommandOptions): Promise<void> {
  const { items } = await withClient(options, (client) => client.limits.list());
  createOutput({ json: options.json === true }).records(items, columns, 'No limits are set.');
}

export async function get(key: string, options: CommandOptions): Promise<void> {
  show(await withClient(options, (client) => client.limits.get(key)), options);
}

export async function set(
  key: string,
  options: CommandOptions & { maxRunning?: number; rate?: Setting['rate']; unlimited?: true },
): Promise<void> {
  const { maxRunning, rate, unlimited } = options;
  const setting = withoutUndefined({ maxRunning, rate });
  if (Object.keys(setting).length === 0 && !unlimited)
    throw new OpspawnError(
      'invalid_argument',
      `Say what the limit of ${key} is: --max-running N, --rate COUNT/TIME or both, or --unlimited`,
      { details: { hint: `"opspawn limit delete KEY" lets tasks say again what it is.` } },
    );
  show(await withClient(options, (client) => client.limits.set(key, setting)), options);
}

export async function remove(key: string, options: CommandOptions): Promise<void> {
  await withClient(options, (client) => client.limits.delete(key));
  createOutput({ json: options.json === true }).record(
    { key, deleted: true },
    () => `${printable(key)} has the limits that its tasks name`,
  );
}

function show(limit: Limit, options: CommandOptions): void {
  createOutput({ json: options.json === true }).record(limit, () =>
    [
      `key      ${printable(limit.key)}`,
      `limit    ${describeSetting(limit.setting)}`,
      `running  ${limit.running}`,
      `waiting  ${limit.waiting}`,
      ...limit.holders.map((id) => `holder   ${id}`),
      ...(limit.nextStartAt === undefined ? [] : [`next     ${limit.nextStartAt}`]),
    ].join('\n'),
  );
}
