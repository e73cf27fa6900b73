import { OpspawnError } from '@opspawn/agentkit/schema';
import { type Client, createClient } from '@opspawn/sdk';

export const defaultUrl = 'http://127.0.0.1:7070';

export interface ConnectOptions {
  /** A server. */
  url?: string;
  /** A data folder, without a server. */
  data?: string;
}

/** The server that was named, on the command line or by the environment. */
export const namedUrl = ({ url }: ConnectOptions): string | undefined =>
  url ?? (process.env.OPSPAWN_URL || undefined);

/** A client, and what has to be closed behind it. */
export interface Connection extends AsyncDisposable {
  readonly client: Client;
}

/** To the server at `url`. Throws `invalid_argument` for what is no URL. */
export function connectTo(url: string): Connection {
  if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol)) {
    throw new OpspawnError('invalid_argument', `${url} is no http or https URL`);
  }
  return { client: createClient({ baseUrl: url, maxRetries: 1 }), [Symbol.asyncDispose]: async () => {} };
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

/** An error as it is, or with what to do when nobody answered. */
export function addHint(thrown: unknown, options: ConnectOptions): unknown {
  const gotNoAnswer =
    thrown instanceof OpspawnError && thrown.code === 'unavailable' && thrown.details.status === undefined;
  if (!gotNoAnswer || options.data !== undefined) return thrown;
  const hint =
    'Start one with "opspawn start", say where it is with --url or OPSPAWN_URL, or use --data FOLDER to work without one.';
  return new OpspawnError('unavailable', `No Opspawn server answers at ${namedUrl(options) ?? defaultUrl}`, {
    cause: thrown,
    details: { hint },
  });
}
