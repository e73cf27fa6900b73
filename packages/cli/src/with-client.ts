import type { Client } from '@opspawn/sdk';
import {
  addHint,
  type Connection,
  type ConnectOptions,
  connectTo,
  defaultUrl,
  isLocal,
  namedUrl,
} from './connect.ts';

/** Runs a command over a connection. When nobody answers, the error says how to start a server. */
export async function withClient<T>(
  options: ConnectOptions,
  use: (client: Client) => Promise<T>,
): Promise<T> {
  await using connection = await connect(options);
  try {
    return await use(connection.client);
  } catch (thrown) {
    throw addHint(thrown, options);
  }
}

/** To the server at `url`, or in this process to the database that was named. */
async function connect(options: ConnectOptions): Promise<Connection> {
  if (!isLocal(options)) return connectTo(namedUrl(options) ?? defaultUrl, options.apiKey);
  const { openDatabase } = await import('./embedded.ts');
  return await openDatabase(options);
}
