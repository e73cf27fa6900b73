import type { Client } from '@opspawn/sdk';
import {
  addHint,
  type Connection,
  type ConnectOptions,
  connectTo,
  connectToServer,
  defaultUrl,
  isLocal,
  namedNamespace,
  namedUrl,
} from './connect.ts';

/** Runs a command over a connection, to the server at `url` or in this process to the database that was named. */
export async function withClient<T>(
  options: ConnectOptions,
  use: (client: Client) => Promise<T>,
): Promise<T> {
  const open = () =>
    isLocal(options)
      ? openLocally(options, namedNamespace(options))
      : connectToServer(namedUrl(options) ?? defaultUrl, options);
  return await withConnection(open, options, use);
}

/** The same for a command about any namespace: on a database as who operates the deployment, on a server as the key lets it. */
export async function withOperator<T>(
  options: ConnectOptions,
  use: (client: Client) => Promise<T>,
): Promise<T> {
  const open = async () =>
    isLocal(options)
      ? await openLocally(options, undefined)
      : connectTo(namedUrl(options) ?? defaultUrl, options.apiKey);
  return await withConnection(open, options, use);
}

async function openLocally(options: ConnectOptions, namespace: string | undefined): Promise<Connection> {
  const { openDatabase } = await import('./embedded.ts');
  return await openDatabase({ ...options, namespace });
}

/** When nobody answers, the error says how to start a server. */
async function withConnection<T>(
  open: () => Promise<Connection>,
  options: ConnectOptions,
  use: (client: Client) => Promise<T>,
): Promise<T> {
  try {
    await using connection = await open();
    return await use(connection.client);
  } catch (thrown) {
    throw addHint(thrown, options);
  }
}
