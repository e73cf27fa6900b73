import type { Limit } from '@opspawn/sdk';
import { type Column, createOutput, formatDuration, printable } from '../output.ts';
import { withClient } from '../with-client.ts';
import type { CommandOptions } from './task.ts';

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
  options: CommandOptions & { maxRunning?: number; rate?: Setting['rate'] },
): Promise<void> {
  const { maxRunning, rate } = options;
  const setting = {
    ...(maxRunning === undefined ? {} : { maxRunning }),
    ...(rate === undefined ? {} : { rate }),
  };
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
