import { OpspawnError } from '@opspawn/agentkit/schema';
import { type Client, createClient } from '@opspawn/sdk';

export const defaultUrl = 'http://127.0.0.1:7070';

export interface ConnectOptions {
  /** A server. */
  url?: string;
  /** The key that it needs. */
  apiKey?: string;
  /** A data folder, without a server. */
  data?: string;
  /** The URL of a database, without a server. */
  database?: string;
  /** Where a person works who works on the database itself. With a server its key decides. */
  namespace?: string;
}

/** Whether this process itself works on a database. */
export const isLocal = ({ data, database }: ConnectOptions): boolean =>
  data !== undefined || database !== undefined;

/** The server that was named, on the command line or by the environment. */
export const namedUrl = ({ url }: ConnectOptions): string | undefined =>
  url ?? (process.env.OPSPAWN_URL || undefined);

/** The namespace that was named, on the command line or by the environment. */
export const namedNamespace = ({ namespace }: ConnectOptions): string | undefined =>
  namespace ?? (process.env.OPSPAWN_NAMESPACE || undefined);

/** A client, and what has to be closed behind it. */
export interface Connection extends AsyncDisposable {
  readonly client: Client;
}

/** To the server at `url`, with the key that was given here or by the environment. Throws `invalid_argument` for what is no URL. */
export function connectTo(url: string, apiKey = process.env.OPSPAWN_API_KEY || undefined): Connection {
  if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol)) {
    throw new OpspawnError('invalid_argument', `${url.replace(/\/\/.*@/, '//…@')} is no http or https URL`);
  }
  const client = createClient({ baseUrl: url, maxRetries: 1, ...(apiKey === undefined ? {} : { apiKey }) });
  return { client, [Symbol.asyncDispose]: async () => {} };
}

/** To a server, where the key decides in which namespace it works. Throws `invalid_argument` when another one was named. */
export async function connectToServer(url: string, options: ConnectOptions): Promise<Connection> {
  const connection = connectTo(url, options.apiKey);
  const asked = namedNamespace(options);
  if (asked === undefined) return connection;
  const namespace = await namespaceOf(connection.client);
  if (namespace === asked) return connection;
  throw new OpspawnError(
    'invalid_argument',
    `On the server at ${url} this works in the namespace ${namespace}, and not in ${asked}`,
    { details: { hint: namespaceHint } },
  );
}

const namespaceHint =
  'With a server the key decides: give one of that namespace (opspawn key create --namespace NAME), or leave out --namespace and OPSPAWN_NAMESPACE.';

/** Who does not operate the deployment is refused a look at the operators' settings, with the namespace of the key. */
async function namespaceOf(client: Client): Promise<string> {
  try {
    await client.namespaces.getSettings('default');
    return 'default';
  } catch (thrown) {
    if (!(thrown instanceof OpspawnError) || thrown.code !== 'permission_denied') throw thrown;
    const said = thrown.details.details as { namespace?: unknown } | undefined;
    if (typeof said?.namespace === 'string') return said.namespace;
    throw thrown;
  }
}

/** Whether a server answers there. */
export async function isServing(url: string): Promise<boolean> {
  try {
    await createClient({ baseUrl: url, maxRetries: 0, timeoutMs: 2_000 }).service.health();
    return true;
  } catch {
    return false;
  }
}

/** An error as it is, or with what to do when nobody answered or a key is needed. */
export function addHint(thrown: unknown, options: ConnectOptions): unknown {
  if (!(thrown instanceof OpspawnError) || isLocal(options)) return thrown;
  if (thrown.code === 'unauthenticated') {
    const hint = 'Give the key in OPSPAWN_API_KEY, or with --api-key.';
    return new OpspawnError(thrown.code, thrown.message, { cause: thrown, details: { hint } });
  }
  if (thrown.code !== 'unavailable' || thrown.details.status !== undefined) return thrown;
  const hint =
    'Start one with "opspawn start", say where it is with --url or OPSPAWN_URL, or use --data FOLDER or --database URL to work without one.';
  return new OpspawnError('unavailable', `No Opspawn server answers at ${namedUrl(options) ?? defaultUrl}`, {
    cause: thrown,
    details: { hint },
  });
}
