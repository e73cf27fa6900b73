import { type Client, OpspawnError, type Session, type Spending } from '@opspawn/sdk';
import { type Column, createOutput, printable } from '../output.ts';
import { withClient } from '../with-client.ts';
import type { CommandOptions } from './task.ts';

type By = 'session' | 'agent' | 'day';
type Spent = Pick<Spending, 'inputTokens' | 'outputTokens' | 'costMicroUsd' | 'unpricedTokens'>;

const columnsBy = (by: By): readonly Column<Spending>[] => [
  { header: by.toUpperCase(), value: ({ name }) => name, shrinks: true },
  { header: 'INPUT', value: ({ inputTokens }) => String(inputTokens) },
  { header: 'OUTPUT', value: ({ outputTokens }) => String(outputTokens) },
  { header: 'COST', value: cost },
  { header: 'LAST', value: ({ lastAt }) => lastAt },
];

/** In US dollars. Where some price is not known there is more to it. */
function cost({ costMicroUsd, unpricedTokens }: Spent): string {
  const known = `$${(costMicroUsd / 1_000_000).toFixed(4)}`;
  return unpricedTokens > 0 ? `${known} + ${unpricedTokens} tokens` : known;
}

export async function spending(options: CommandOptions & { by?: By; limit?: number }): Promise<void> {
  const { by = 'day', limit } = options;
  const query = { by, ...(limit === undefined ? {} : { limit }) };
  const { items } = await withClient(options, (client) => client.spending.list(query));
  // Sums of agents and days stay when sessions are gone.
  const nothing =
    by === 'session' ? 'No session is kept that has cost anything.' : 'No agent has cost anything.';
  createOutput({ json: options.json === true }).records(items, columnsBy(by), nothing);
}

export const list = (options: CommandOptions & { limit?: number }): Promise<void> =>
  spending({ ...options, by: 'session' });

export async function get(sessionId: string, options: CommandOptions): Promise<void> {
  const session = await withClient(options, (client) => existing(client, sessionId));
  createOutput({ json: options.json === true }).record(session, () => describe(session));
}

/**
 * To the API any name is a session, as a key is; a person who names one that nothing is known of has misspelt it. Where
 * memories are kept there was a model call, and what it cost is kept beside them.
 */
async function existing(client: Client, sessionId: string): Promise<Session> {
  const session = await client.sessions.get(sessionId);
  if (session.runs > 0 || session.lastAt !== undefined) return session;
  const { items } = await client.tasks.list({ sessionId, limit: 1 });
  if (items.length > 0) return session;
  throw new OpspawnError('not_found', `Session ${sessionId} does not exist`, { details: { sessionId } });
}

const describe = (session: Session): string =>
  [
    `session  ${printable(session.id)}`,
    `runs     ${session.runs}`,
    `tokens   ${session.inputTokens} in, ${session.outputTokens} out`,
    `cost     ${cost(session)}`,
    ...(session.lastAt === undefined ? [] : [`last     ${session.lastAt}`]),
  ].join('\n');

export async function remove(sessionId: string, options: CommandOptions): Promise<void> {
  await withClient(options, async (client) => {
    await existing(client, sessionId);
    await client.sessions.delete(sessionId);
  });
  createOutput({ json: options.json === true }).record(
    { sessionId, deleted: true },
    () => `The conversation and the memories of the session ${printable(sessionId)} are deleted`,
  );
}
