import type { Provider, ProviderLimitBody } from '@opspawn/sdk';
import { type Column, createOutput, printable } from '../output.ts';
import { withClient } from '../with-client.ts';
import type { CommandOptions } from './task.ts';

type Row = Provider['keys'][number] & { provider: string };

const columns: readonly Column<Row>[] = [
  { header: 'KEY', value: ({ key }) => key, shrinks: true },
  { header: 'REQUESTS', value: ({ requests, limit }) => used(requests, limit.requestsPerMinute) },
  { header: 'TOKENS', value: ({ tokens, limit }) => used(tokens, limit.tokensPerMinute) },
  { header: 'WAITING', value: ({ waiting }) => String(waiting) },
];

const used = (count: number, most: number | undefined): string =>
  most === undefined ? String(count) : `${count} of ${most}`;

export async function list(options: CommandOptions): Promise<void> {
  const { items } = await withClient(options, (client) => client.providers.list());
  const output = createOutput({ json: options.json === true });
  if (options.json === true) return output.records(items, [], '');
  const unused = items
    .filter(({ keys }) => keys.length === 0)
    .map(({ provider, setting }) => ({
      provider,
      key: `${provider}:*`,
      limit: setting ?? {},
      requests: 0,
      tokens: 0,
      waiting: 0,
    }));
  const rows = items.flatMap(({ provider, keys }) => keys.map((key) => ({ provider, ...key })));
  output.records([...rows, ...unused], columns, 'No provider has a budget.');
}

export async function set(provider: string, options: CommandOptions & ProviderLimitBody): Promise<void> {
  const { requestsPerMinute, tokensPerMinute } = options;
  const limit = {
    ...(requestsPerMinute === undefined ? {} : { requestsPerMinute }),
    ...(tokensPerMinute === undefined ? {} : { tokensPerMinute }),
  };
  const answer = await withClient(options, (client) => client.providers.set(provider, limit));
  createOutput({ json: options.json === true }).record(answer, () => {
    const { requestsPerMinute: requests = 'any number of', tokensPerMinute: tokens = 'any number of' } =
      limit;
    return `Each key of ${printable(provider)} may send ${requests} requests and ${tokens} tokens in a minute`;
  });
}

export async function remove(provider: string, options: CommandOptions): Promise<void> {
  await withClient(options, (client) => client.providers.delete(provider));
  createOutput({ json: options.json === true }).record(
    { provider, deleted: true },
    () => `The keys of ${printable(provider)} may send what the workers are configured with`,
  );
}
