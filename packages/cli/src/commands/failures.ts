import type { ErrorCode, Failure, TaskKind } from '@opspawn/sdk';
import { type Column, createOutput, formatDuration } from '../output.ts';
import { withClient } from '../with-client.ts';
import { type CommandOptions, causesOf, withoutUndefined } from './task.ts';

interface FailuresOptions extends CommandOptions {
  kind?: TaskKind;
  name?: string;
  errorCode?: ErrorCode;
  limit: number;
}

const columns: readonly Column<Failure>[] = [
  { header: 'COUNT', value: ({ count }) => String(count) },
  { header: 'ERROR', value: ({ errorCode }) => errorCode },
  { header: 'KIND', value: ({ kind }) => kind },
  { header: 'NAME', value: ({ name }) => name },
  { header: 'LAST', value: ({ lastFailedAt }) => formatDuration(Date.now() - Date.parse(lastFailedAt)) },
  { header: 'NEWEST', value: ({ latest }) => latest.taskId },
  {
    header: 'MESSAGE',
    value: ({ latest: { error } }) => [error, ...causesOf(error)].map(({ message }) => message).join(' ← '),
    shrinks: true,
  },
];

/** The dead letters. */
export async function failures(options: FailuresOptions): Promise<void> {
  const { kind, name, errorCode, limit } = options;
  const query = withoutUndefined({ kind, name, errorCode, limit });
  const { items } = await withClient(options, (client) => client.failures.list(query));
  const output = createOutput({ json: options.json === true });
  output.records(items, columns, 'Nothing failed.');
  if (items.length > 0) output.talk('Retry a group with: opspawn task retry --error-code ERROR --name NAME');
}
