import { addApiKey } from '@opspawn/ops-core';
import { type DatabaseOptions, settingsFrom } from '../embedded.ts';
import { createOutput } from '../output.ts';

interface KeyOptions extends DatabaseOptions {
  json?: boolean;
  name: string;
}

/** Works on the database itself: whoever can open that needs no key to make one. */
export async function create({ json, name, ...options }: KeyOptions): Promise<void> {
  const output = createOutput({ json: json === true });
  const apiKey = await addApiKey(settingsFrom(options).database, name);
  output.talk('The key is shown only now:');
  output.record({ name, apiKey }, () => apiKey);
}
