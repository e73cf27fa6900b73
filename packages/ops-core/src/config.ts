/** The only reader of the environment. */
import { join, resolve } from 'node:path';
import { OpspawnError } from '@opspawn/agentkit';
import { nameSchema } from '@opspawn/sdk';
import { z } from 'zod';

/** What a process is told from outside. Durations in ms. */
export interface Settings {
  /** Absolute. Where the database is, unless `OPSPAWN_DATABASE_URL` says another place. */
  readonly dataDir: string;
  readonly database: DatabaseSetting;
  /** `amqp:` or `amqps:`. Absent: processes reach each other through the database, or the folder of its file. */
  readonly brokerUrl: string | undefined;
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  /** Under which names others call the server, beside those that it knows itself. `.NAME`: all below it; `*`: any. */
  readonly allowedHosts: readonly string[];
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
  /** How long tasks are kept after their end, where their namespace says nothing else. */
  readonly retention: Retention;
  /** All of the environment: for `${NAME}` in config files, and for keys of model providers. */
  readonly environment: Readonly<Record<string, string | undefined>>;
}

export type DatabaseSetting =
  /** Absolute path of the file, or `:memory:`, which no other thread or process can open. */
  | { readonly kind: 'sqlite'; readonly path: string }
  /** `connections`: that the process opens at most, 6 or more. Default: 14. */
  | { readonly kind: 'postgres'; readonly url: string; readonly connections?: number };

/** In ms; null: for ever. */
export interface Retention {
  readonly completedMs: number | null;
  readonly failedMs: number | null;
  readonly cancelledMs: number | null;
}

/** 0 days: for ever. */
const keptMs = (days: number): number | null => (days === 0 ? null : days * 24 * 3_600_000);

const logLevels = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;
export type LogLevelName = (typeof logLevels)[number];

const wholeNumber = (from: number, to: number) =>
  z
    .string()
    .regex(/^\d+$/, 'must be a whole number')
    .transform(Number)
    .refine((value) => value >= from && value <= to, `must be from ${from} to ${to}`);

const databaseExamples = 'sqlite:./opspawn.db or postgres://USER:PASSWORD@HOST:5432/DATABASE';

const isUrlOf = (text: string, protocols: readonly string[]): boolean =>
  URL.canParse(text) && protocols.includes(new URL(text).protocol);

/** A password with a % that nothing follows would end the client of the broker. */
const isDecodable = (url: string): boolean => {
  const { username, password, pathname } = new URL(url);
  try {
    return decodeURIComponent(username + password + pathname) !== undefined;
  } catch {
    return false;
  }
};

/** The client takes these for `verify-full`, and tells every process so in six lines. */
const withPlainSslMode = (url: string): string =>
  /[?&]uselibpqcompat=true/.test(url)
    ? url
    : url.replace(/([?&]sslmode=)(?:prefer|require|verify-ca)(?=&|$)/, '$1verify-full');

/** undefined for what is no URL of a database that we know. */
function databaseOf(url: string): DatabaseSetting | undefined {
  if (isUrlOf(url, ['postgres:', 'postgresql:'])) return { kind: 'postgres', url: withPlainSslMode(url) };
  const [, path] = /^sqlite:(.+)$/s.exec(url) ?? [];
  if (path === undefined) return undefined;
  return { kind: 'sqlite', path: path === ':memory:' ? path : resolve(path) };
}

const environmentSchema = z.object({
  OPSPAWN_DATA_DIR: z.string().default('.opspawn'),
  OPSPAWN_DATABASE_URL: z
    .string()
    .refine((url) => databaseOf(url) !== undefined, `must be like ${databaseExamples}`)
    .optional(),
  OPSPAWN_DATABASE_CONNECTIONS: wholeNumber(6, 100).optional(),
  OPSPAWN_BROKER_URL: z
    .string()
    .refine((url) => isUrlOf(url, ['amqp:', 'amqps:']), {
      message: 'must be like amqp://USER:PASSWORD@HOST:5672',
      abort: true,
    })
    .refine(isDecodable, 'has a % that must be written as %25')
    .optional(),
  OPSPAWN_HOST: z.string().default('127.0.0.1'),
  OPSPAWN_PORT: wholeNumber(0, 65_535).default(7070),
  OPSPAWN_ALLOWED_HOSTS: z
    .string()
    .toLowerCase()
    .transform((names) => names.split(',').flatMap((name) => name.trim() || []))
    .pipe(
      z.array(
        z.string().regex(/^(?:\*|\.?[a-z0-9_-]+(?:\.[a-z0-9_-]+)*)$/, 'must be names of hosts, with commas'),
      ),
    )
    .default([]),
  OPSPAWN_LOG_LEVEL: z.enum(logLevels, `must be one of ${logLevels.join(', ')}`).default('info'),
  OPSPAWN_CONFIG: z.string().optional(),
  OPSPAWN_CAPACITY: wholeNumber(1, 10_000).default(100),
  OPSPAWN_QUEUES: z
    .string()
    .transform((names) => names.split(',').flatMap((name) => name.trim() || []))
    .pipe(z.array(nameSchema))
    .default(['default']),
  OPSPAWN_LEASE_TTL_MS: wholeNumber(300, 3_600_000).default(15_000),
  OPSPAWN_SHUTDOWN_GRACE_MS: wholeNumber(0, 3_600_000).default(10_000),
  OPSPAWN_KEEP_COMPLETED_DAYS: wholeNumber(0, 36_500).default(30),
  OPSPAWN_KEEP_CANCELLED_DAYS: wholeNumber(0, 36_500).default(30),
  OPSPAWN_KEEP_FAILED_DAYS: wholeNumber(0, 36_500).default(90),
});

/** What Kubernetes tells each pod of a Service that is called opspawn, as that of the manifests is. */
const isServiceLink = (name: string, value = ''): boolean =>
  name === 'OPSPAWN_PORT' && value.startsWith('tcp://');

/**
 * The settings of this process; an empty variable counts as absent. Throws `config_invalid`, naming the variable, its
 * value and what it must be.
 */
export function readSettings(environment: NodeJS.ProcessEnv = process.env): Settings {
  const present = Object.fromEntries(
    Object.entries(environment).filter(
      ([name, value]) => name.startsWith('OPSPAWN_') && value !== '' && !isServiceLink(name, value),
    ),
  );
  for (const name of Object.keys(present)) refuseTypo(name);
  const parsed = environmentSchema.safeParse(present);
  if (!parsed.success) throw invalidEnvironment(parsed.error, present);
  const variables = parsed.data;
  const dataDir = resolve(variables.OPSPAWN_DATA_DIR);
  return {
    dataDir,
    database: databaseSettingOf(variables, dataDir),
    brokerUrl: variables.OPSPAWN_BROKER_URL,
    host: variables.OPSPAWN_HOST,
    port: variables.OPSPAWN_PORT,
    allowedHosts: variables.OPSPAWN_ALLOWED_HOSTS,
    logLevel: variables.OPSPAWN_LOG_LEVEL,
    configPath: variables.OPSPAWN_CONFIG,
    capacity: variables.OPSPAWN_CAPACITY,
    queues: variables.OPSPAWN_QUEUES,
    leaseTtlMs: variables.OPSPAWN_LEASE_TTL_MS,
    shutdownGraceMs: variables.OPSPAWN_SHUTDOWN_GRACE_MS,
    retention: {
      completedMs: keptMs(variables.OPSPAWN_KEEP_COMPLETED_DAYS),
      failedMs: keptMs(variables.OPSPAWN_KEEP_FAILED_DAYS),
      cancelledMs: keptMs(variables.OPSPAWN_KEEP_CANCELLED_DAYS),
    },
    environment,
  };
}

function databaseSettingOf(variables: z.infer<typeof environmentSchema>, dataDir: string): DatabaseSetting {
  const { OPSPAWN_DATABASE_URL: url = '', OPSPAWN_DATABASE_CONNECTIONS: connections } = variables;
  const named = databaseOf(url) ?? ({ kind: 'sqlite', path: join(dataDir, 'opspawn.db') } as const);
  return named.kind === 'sqlite' || connections === undefined ? named : { ...named, connections };
}

/** Those that clients read, beside the settings. */
const clientVariables = ['OPSPAWN_URL', 'OPSPAWN_API_KEY'];
const knownVariables = [...Object.keys(environmentSchema.shape), ...clientVariables];

/** `OPSPAWN_DATABSE_URL` would mean SQLite without a word. What is further from every name is not for us. */
function refuseTypo(name: string): void {
  const meant = knownVariables.includes(name)
    ? undefined
    : knownVariables.find((known) => isOneSlipFrom(name, known));
  if (meant === undefined) return;
  throw new OpspawnError('config_invalid', `${name} is no variable of Opspawn: is ${meant} meant?`, {
    details: { variable: name, meant },
  });
}

/** A character is wrong, missing or one too many, or two are swapped. */
function isOneSlipFrom(name: string, known: string): boolean {
  let same = 0;
  while (same < name.length && name[same] === known[same]) same += 1;
  const [rest, knownRest] = [name.slice(same), known.slice(same)];
  const swapped = `${rest[1] ?? ''}${rest[0] ?? ''}${rest.slice(2)}`;
  return (
    rest.slice(1) === knownRest.slice(1) ||
    rest === knownRest.slice(1) ||
    rest.slice(1) === knownRest ||
    swapped === knownRest
  );
}

/** Where the database is, for people: without the password. */
export function describeDatabase(database: DatabaseSetting): string {
  return database.kind === 'sqlite' ? database.path : withoutPassword(database.url);
}

/** What stands between the name of a user and the last @ is a password, also in what is no URL. */
export const withoutPassword = (url: string): string =>
  url.replace(/(\/\/[^/:@]*):.*@/s, '$1:***@').replaceAll(/([?&]password=)[^&]*/gi, '$1***');

function invalidEnvironment(error: z.ZodError, present: NodeJS.ProcessEnv): OpspawnError {
  const [issue] = error.issues;
  const variable = String(issue?.path[0]);
  const value = withoutPassword(present[variable] ?? '');
  return new OpspawnError('config_invalid', `${variable}=${value} ${issue?.message}`, {
    details: { variable },
  });
}
