import { addApiKey, defaultNamespace, listApiKeys, removeApiKey } from '@opspawn/ops-core';
import { namedNamespace } from '../connect.ts';
import { type DatabaseOptions, settingsFrom, settingsOfExisting } from '../embedded.ts';
import { type Column, createOutput } from '../output.ts';

interface KeyOptions extends DatabaseOptions {
  json?: boolean;
  name: string;
  namespace?: string;
}

/** Works on the database itself: whoever can open that needs no key to make one. */
export async function create({ json, name, ...options }: KeyOptions): Promise<void> {
  const namespace = namedNamespace(options) ?? defaultNamespace;
  const output = createOutput({ json: json === true });
  const { database } = settingsFrom(options);
  const apiKey = await addApiKey(database, name, namespace);
  const isFirst = (await listApiKeys(database)).length === 1;
  if (isFirst) output.talk('It is the first: within a second every server wants a key with every request.');
  output.talk('The key is shown only now:');
  output.record({ name, namespace, apiKey }, () => apiKey);
}

interface KeyFacts {
  id: string;
  name: string;
  namespace: string;
  createdAt: string;
}

const columns: readonly Column<KeyFacts>[] = [
  { header: 'ID', value: ({ id }) => id },
  { header: 'NAME', value: ({ name }) => name, shrinks: true },
  { header: 'NAMESPACE', value: ({ namespace }) => namespace },
  { header: 'CREATED', value: ({ createdAt }) => createdAt },
];

/** The id is the middle part of the key itself. */
export async function list({ json, ...options }: Omit<KeyOptions, 'name'>): Promise<void> {
  const keys = await listApiKeys(settingsOfExisting(options).database);
  const shown = keys.map(({ id, name, namespace, createdAt }) => ({
    id,
    name,
    namespace,
    createdAt: new Date(createdAt).toISOString(),
  }));
  createOutput({ json: json === true }).records(shown, columns, 'There are no keys.');
}

export async function remove(id: string, { json, ...options }: Omit<KeyOptions, 'name'>): Promise<void> {
  await removeApiKey(settingsOfExisting(options).database, id);
  createOutput({ json: json === true }).record({ id }, () => `${id} is deleted`);
}
