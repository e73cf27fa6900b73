import { OpspawnError, type Provider, type ProviderLimitBody } from '@opspawn/sdk';
import { type Column, createOutput, printable } from '../output.ts';
import { withClient } from '../with-client.ts';
import { type CommandOptions, withoutUndefined } from './task.ts';

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

export async function set(
  provider: string,
  options: CommandOptions & ProviderLimitBody & { unlimited?: true },
): Promise<void> {
  const { requestsPerMinute, tokensPerMinute, unlimited } = options;
  const limit = withoutUndefined({ requestsPerMinute, tokensPerMinute });
  if (Object.keys(limit).length === 0 && !unlimited)
    throw new OpspawnError(
      'invalid_argument',
      `Say what a key of ${provider} may send: --requests-per-minute N, --tokens-per-minute N or both, or --unlimited`,
      { details: { hint: `"opspawn provider delete PROVIDER" lets the workers' config say it again.` } },
    );
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
