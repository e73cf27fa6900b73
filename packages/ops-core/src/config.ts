/** The only reader of the environment. */
import { join, resolve } from 'node:path';
import { OpspawnError } from '@opspawn/agentkit';
import { z } from 'zod';

/** What a process is told from outside. Durations in ms. */
export interface Settings {
  /** Absolute. Where the database is, unless `OPSPAWN_DATABASE_URL` says another place. */
  readonly dataDir: string;
  readonly databaseUrl: string;
  /** Absolute path of the SQLite file that `databaseUrl` names, or `:memory:`. */
  readonly databasePath: string;
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  readonly logLevel: LogLevelName;
  /** Of `opspawn.config.ts`; absent: searched for upwards from the working directory. */
  readonly configPath: string | undefined;
  /** Tasks that a worker runs at once. */
  readonly capacity: number;
  /** Queues that a worker serves beside those of its definitions. */
  readonly queues: readonly string[];
  readonly leaseTtlMs: number;
  /** How long running attempts may go on after SIGTERM before they are handed back. */
  readonly shutdownGraceMs: number;
  /** All of the environment: for `${NAME}` in config files, and for keys of model providers. */
  readonly environment: Readonly<Record<string, string | undefined>>;
}

const logLevels = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;
export type LogLevelName = (typeof logLevels)[number];

const wholeNumber = (from: number, to: number, fallback: number) =>
  z
    .string()
    .regex(/^\d+$/, 'must be a whole number')
    .transform(Number)
    .refine((value) => value >= from && value <= to, `must be from ${from} to ${to}`)
    .default(fallback);

const environmentSchema = z.object({
  OPSPAWN_DATA_DIR: z.string().default('.opspawn'),
  OPSPAWN_DATABASE_URL: z
    .string()
    .refine(
      (url) => url.startsWith('sqlite:'),
      'must begin with sqlite: (other databases are not supported yet)',
    )
    .refine((url) => url.length > 'sqlite:'.length, 'must name a file, as in sqlite:./opspawn.db')
    .optional(),
  OPSPAWN_HOST: z.string().default('127.0.0.1'),
  OPSPAWN_PORT: wholeNumber(0, 65_535, 7070),
  OPSPAWN_LOG_LEVEL: z.enum(logLevels, `must be one of ${logLevels.join(', ')}`).default('info'),
  OPSPAWN_CONFIG: z.string().optional(),
  OPSPAWN_CAPACITY: wholeNumber(1, 10_000, 100),
  OPSPAWN_QUEUES: z.string().default('default'),
  OPSPAWN_LEASE_TTL_MS: wholeNumber(300, 3_600_000, 15_000),
  OPSPAWN_SHUTDOWN_GRACE_MS: wholeNumber(0, 3_600_000, 10_000),
});

/**
 * The settings of this process; an empty variable counts as absent. Throws `config_invalid`, naming the variable, its
 * value and what it must be.
 */
export function readSettings(environment: NodeJS.ProcessEnv = process.env): Settings {
  const present = Object.fromEntries(
    Object.entries(environment).filter(([name, value]) => name.startsWith('OPSPAWN_') && value !== ''),
  );
  const parsed = environmentSchema.safeParse(present);
  if (!parsed.success) throw invalidEnvironment(parsed.error, present);
  const variables = parsed.data;
  const dataDir = resolve(variables.OPSPAWN_DATA_DIR);
  const databaseUrl = variables.OPSPAWN_DATABASE_URL ?? `sqlite:${join(dataDir, 'opspawn.db')}`;
  return {
    dataDir,
    databaseUrl,
    databasePath:
      databaseUrl === 'sqlite::memory:' ? ':memory:' : resolve(databaseUrl.slice('sqlite:'.length)),
    host: variables.OPSPAWN_HOST,
    port: variables.OPSPAWN_PORT,
    logLevel: variables.OPSPAWN_LOG_LEVEL,
    configPath: variables.OPSPAWN_CONFIG,
    capacity: variables.OPSPAWN_CAPACITY,
    queues: variables.OPSPAWN_QUEUES.split(',')
      .map((queue) => queue.trim())
      .filter((queue) => queue !== ''),
    leaseTtlMs: variables.OPSPAWN_LEASE_TTL_MS,
    shutdownGraceMs: variables.OPSPAWN_SHUTDOWN_GRACE_MS,
    environment,
  };
}

function invalidEnvironment(error: z.ZodError, present: NodeJS.ProcessEnv): OpspawnError {
  const [issue] = error.issues;
  const variable = String(issue?.path[0]);
  return new OpspawnError('config_invalid', `${variable}=${present[variable]} ${issue?.message}`, {
    details: { variable },
  });
}
