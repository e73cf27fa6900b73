import { relative } from 'node:path';
import { describeDatabase, loadConfig, startDev, startServer, untilStopped } from '@opspawn/ops-core';
import { configPathFrom, settingsFrom } from '../embedded.ts';
import { createOutput } from '../output.ts';

export interface StartOptions {
  json?: boolean;
  config?: string;
  data?: string;
  database?: string;
  host?: string;
  port?: number;
  capacity?: number;
  queues?: string;
  worker: boolean;
}

/** Serves until SIGTERM or SIGINT, and works too unless told otherwise. stdout says where, once it can be reached. */
export async function start(options: StartOptions): Promise<void> {
  const output = createOutput({ json: options.json === true });
  const settings = settingsFrom({ ...options, ...quietInTerminal() });
  const configPath = options.worker ? configPathFrom(options.config, settings) : undefined;
  if (options.worker && configPath === undefined) {
    output.talk(
      'There is no opspawn.config.ts here: tasks are accepted, and wait for a worker that knows them.',
    );
  }
  const stopped = untilStopped();
  await using _end = endOfProcess;
  await using running =
    configPath === undefined
      ? await startServer({ settings })
      : await startDev({ settings, loaded: await loadConfig(configPath) });
  const { url, firstKey } = running;
  const place = describeDatabase(settings.database);
  const facts = { url, database: place, config: configPath ?? null, pid: process.pid };
  output.record(firstKey === undefined ? facts : { ...facts, firstKey }, () => `Opspawn serves ${url}`);
  if (firstKey !== undefined) output.talk(`${firstKeyIs}\n\n  ${firstKey}\n`);
  const works = configPath === undefined ? '' : `, runs what ${shown(configPath)} defines`;
  output.talk(
    `Data is in ${settings.database.kind === 'sqlite' ? shown(place) : place}${works}. Ctrl-C stops it; a second one at once.`,
  );
  output.talk(`${await stopped}: finishing what runs, for at most ${settings.shutdownGraceMs / 1000} s …`);
}

const firstKeyIs =
  'Others reach this server, so that every caller needs a key. This is the first, and it is shown only now:';

/** Lines of JSON are for machines: in a terminal only what went wrong is shown. */
export const quietInTerminal = (): { logLevel: 'warn' } | Record<never, never> =>
  process.stderr.isTTY ? { logLevel: 'warn' } : {};

const shown = (path: string): string => {
  const near = relative(process.cwd(), path);
  return near === '' ? '.' : near.startsWith('..') ? path : near;
};

/** Disposed of last: code of the user's that does not heed its signal (a timer, a socket) must not hold the process. */
export const endOfProcess: AsyncDisposable = {
  async [Symbol.asyncDispose]() {
    setTimeout(() => process.exit(), 500).unref();
  },
};
