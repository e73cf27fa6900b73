import type { Queue, UpdateQueue } from '@opspawn/sdk';
import { type Column, createOutput, formatDuration, printable } from '../output.ts';
import { withClient } from '../with-client.ts';
import type { CommandOptions } from './task.ts';

const columns: readonly Column<Queue>[] = [
  { header: 'QUEUE', value: ({ name }) => name },
  { header: 'STATE', value: ({ pause }) => (pause === undefined ? 'open' : 'paused') },
  { header: 'WEIGHT', value: ({ weight }) => String(weight) },
  { header: 'READY', value: ({ ready }) => String(ready) },
  { header: 'OLDEST', value: oldestOf },
  { header: 'RUNNING', value: ({ running }) => String(running) },
  { header: 'WAITING', value: ({ waiting }) => String(waiting) },
  { header: 'HELD BACK', value: ({ heldBack }) => String(heldBack) },
  {
    header: 'PAUSED BY',
    value: ({ pause }) => (pause === undefined ? '' : describePause(pause)),
    shrinks: true,
  },
];

function oldestOf({ oldestReadyAt }: Queue): string {
  return oldestReadyAt === undefined
    ? ''
    : formatDuration(Math.max(0, Date.now() - Date.parse(oldestReadyAt)));
}

const describePause = ({ by, reason }: NonNullable<Queue['pause']>): string =>
  printable(reason === undefined ? by : `${by}: ${reason}`);

export async function list(options: CommandOptions): Promise<void> {
  const { items } = await withClient(options, (client) => client.queues.list());
  createOutput({ json: options.json === true }).records(items, columns, 'There are no queues yet.');
}

export async function update(name: string, options: CommandOptions, change: UpdateQueue): Promise<void> {
  const output = createOutput({ json: options.json === true });
  const queue = await withClient(options, async (client) => {
    const { items } = await client.queues.list();
    if (!items.some((known) => known.name === name))
      output.talk(`Nothing is in the queue ${printable(name)}, and no worker serves it.`);
    return await client.queues.update(name, change);
  });
  output.record(queue, () => describe(queue));
}

function describe(queue: Queue): string {
  const { name, pause, weight, ready, running, waiting, heldBack } = queue;
  const state = pause === undefined ? 'open' : `paused since ${pause.at} by ${describePause(pause)}`;
  const oldest = ready > 0 ? ` (the oldest for ${oldestOf(queue)})` : '';
  return [
    `queue      ${name}`,
    `state      ${state}`,
    `weight     ${weight}`,
    `ready      ${ready}${oldest}`,
    `running    ${running}`,
    `waiting    ${waiting}`,
    `held back  ${heldBack}`,
  ].join('\n');
}
