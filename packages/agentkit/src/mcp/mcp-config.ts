import { readFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { z } from 'zod';
import { OpspawnError } from '../errors.ts';
import type { ConfigProblem } from './config-source.ts';

/** A strict object whose error for an unknown key names the known ones. */
const strict = <Shape extends z.core.$ZodLooseShape>(shape: Shape) =>
  z.strictObject(shape, {
    error: (issue) =>
      issue.code === 'unrecognized_keys'
        ? `unknown key; known are ${Object.keys(shape).join(', ')}`
        : undefined,
  });

const durationMs = z.int().positive().max(2_147_483_647);
/** YAML and JSON write `PORT: 3000`; a process gets strings. */
const word = z.union([z.string(), z.number(), z.boolean()], 'expected a string').transform(String);

const restartPolicy = strict({
  /** Starts and crashes in a row after which the server counts as failed for `maxDelayMs`. 1 = never restarted by itself. */
  maxAttempts: z.int().positive().default(5),
  initialDelayMs: durationMs.default(200),
  /** Each further delay is this many times the one before. */
  factor: z.number().min(1).default(2),
  maxDelayMs: durationMs.default(30_000),
});

const oauthFields = {
  /** `authorization_code`: a person logs in once (`opspawn mcp login`). `client_credentials`: nobody needs to. */
  grant: z.enum(['authorization_code', 'client_credentials']).default('authorization_code'),
  /** Where this client's metadata document stands, which then is its id: an https URL of yours. */
  clientMetadataUrl: z
    .url({ protocol: /^https$/, error: 'expected an https URL' })
    .refine((url) => new URL(url).pathname !== '/', 'needs a path')
    .optional(),
  /** Of a client that was registered by hand. Without it and without a document, the client registers itself. */
  clientId: z.string().min(1).optional(),
  clientSecret: z.string().min(1).optional(),
  /** The only authorization server that is believed. Default: the one that the server names. */
  issuer: z.url().optional(),
  scope: z.string().optional(),
  /** Of the loopback address to which the browser comes back. Default: any that is free. */
  redirectPort: z.int().min(1).max(65_535).optional(),
};

const oauthSchema = strict(oauthFields).refine(
  ({ grant, clientId, clientSecret }) =>
    grant !== 'client_credentials' || (clientId !== undefined && clientSecret !== undefined),
  'client_credentials needs clientId and clientSecret',
);

const serverFields = {
  /** Said by some clients' files; must agree with `command` or `url`. */
  type: z.enum(['stdio', 'http', 'streamable-http']).optional(),
  command: z.string().min(1).optional(),
  args: z.array(word).optional(),
  /** Added to the few variables that every server gets (PATH, HOME, SHELL, TERM, USER, LOGNAME). */
  env: z.record(z.string().min(1), word).optional(),
  /** Relative to the file, when it comes from one. Default: that of this process. */
  cwd: z.string().min(1).optional(),
  /** Streamable HTTP. */
  url: z.url({ protocol: /^https?$/, error: 'expected an http or https URL' }).optional(),
  headers: z.record(z.string().min(1), z.string()).optional(),
  /** How to get tokens for the server; `{}` is enough for one that says the rest itself. */
  oauth: oauthSchema.optional(),
  /** Whether the server's annotations are believed. Otherwise every tool counts as one that must not be repeated. */
  trusted: z.boolean().default(false),
  /**
   * What becomes of definitions of tools. `first-use`: the first list is trusted, what comes later waits for a person.
   * `strict`: all wait. `off`: nothing is remembered; for servers that you change yourself all the time.
   */
  pin: z.enum(['first-use', 'strict', 'off']).default('first-use'),
  /** Time for a call; it does not run while a person is asked. */
  callTimeoutMs: durationMs.default(60_000),
  /** Whether the server may ask a person something in the middle of a call. */
  elicitation: z.boolean().default(true),
  /** How long the person may take. */
  elicitationTimeoutMs: durationMs.default(24 * 3_600_000),
  startTimeoutMs: durationMs.default(30_000),
  /** Only these tools, as the server names them; `*` stands for any characters. */
  allow: z.array(z.string()).optional(),
  restart: restartPolicy.prefault({}),
};

/** One server, as a config file or code describes it. */
export const mcpServerSchema = strict(serverFields).transform((fields, context) => {
  const { type, command, args, env, cwd, url, headers, oauth, ...rest } = fields;
  const refuse = (message: string, key?: string): typeof z.NEVER => {
    context.issues.push({ code: 'custom', message, input: fields, path: key === undefined ? [] : [key] });
    return z.NEVER;
  };
  if (command !== undefined && url === undefined) {
    if (type !== undefined && type !== 'stdio') return refuse(`${type} needs url, not command`, 'type');
    for (const [key, value] of Object.entries({ headers, oauth })) {
      if (value !== undefined) return refuse('goes with url, not with command', key);
    }
    return { ...rest, transport: { kind: 'stdio' as const, command, args: args ?? [], env: env ?? {}, cwd } };
  }
  if (url !== undefined && command === undefined) {
    if (type === 'stdio') return refuse('stdio needs command, not url', 'type');
    for (const [key, value] of Object.entries({ args, env, cwd })) {
      if (value !== undefined) return refuse('goes with command, not with url', key);
    }
    return {
      ...rest,
      transport: {
        kind: 'http' as const,
        url,
        headers: headers ?? {},
        ...(oauth !== undefined && { oauth }),
      },
    };
  }
  return refuse('needs either command or url');
});
export type McpServerConfig = z.output<typeof mcpServerSchema>;
export type McpServerInput = z.input<typeof mcpServerSchema>;

/** Names have no underscore, so that the first `__` of `server__tool` always parts the two. */
const serverName = z.string().regex(/^[a-zA-Z0-9-]{1,40}$/, 'a server name is 1 to 40 of a-z A-Z 0-9 and -');
export const mcpServersSchema = z.record(serverName, mcpServerSchema);
export type McpServers = Readonly<Record<string, McpServerConfig>>;

/** `mcp_servers.yaml` has `servers`; the form that other clients use has `mcpServers`. */
const fileSchema = strict({
  servers: mcpServersSchema.optional(),
  mcpServers: mcpServersSchema.optional(),
}).transform(({ servers, mcpServers }, context): McpServers => {
  if (servers !== undefined && mcpServers === undefined) return servers;
  if (mcpServers !== undefined && servers === undefined) return mcpServers;
  context.issues.push({ code: 'custom', message: 'needs either servers or mcpServers', input: servers });
  return z.NEVER;
});

export interface LoadMcpConfigOptions {
  /** Where `${NAME}` is looked up. Default: the process's environment. */
  environment?: Readonly<Record<string, string | undefined>>;
}

/**
 * Reads `mcp_servers.yaml`, or the `mcpServers` JSON of other clients. Throws `config_invalid`, naming the file and
 * for each problem its line and key; all missing variables are named at once.
 */
export async function loadMcpConfig(
  path: string,
  { environment = process.env }: LoadMcpConfigOptions = {},
): Promise<McpServers> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (cause) {
    throw new OpspawnError('config_invalid', `${path}: cannot be read: ${(cause as Error).message}`, {
      cause,
    });
  }
  // YAML is loaded by those who read a file
  const { configInvalid, parseConfigSource } = await import('./config-source.ts');
  const source = parseConfigSource(path, text, environment);
  const parsed = fileSchema.safeParse(source.value);
  if (!parsed.success) throw configInvalid(path, problemsOf(parsed.error, source.lineOf));
  for (const { transport } of Object.values(parsed.data)) {
    if (transport.kind === 'stdio' && transport.cwd !== undefined) {
      transport.cwd = resolve(dirname(path), transport.cwd);
    }
  }
  return parsed.data;
}

/** The same for servers given in code, by name. Throws `config_invalid`, naming each key. */
export function parseMcpServers(servers: Readonly<Record<string, McpServerInput>>): McpServers {
  const parsed = mcpServersSchema.safeParse(servers);
  if (parsed.success) return parsed.data;
  const messages = problemsOf(parsed.error, () => 0).map(({ key, message }) => `${key}: ${message}`);
  throw new OpspawnError('config_invalid', `MCP servers: ${messages.join('; ')}`);
}

function problemsOf(error: z.ZodError, lineOf: (path: readonly PropertyKey[]) => number): ConfigProblem[] {
  const at = (path: readonly PropertyKey[], message: string): ConfigProblem => ({
    line: lineOf(path),
    key: path.map(String).join('.'),
    message,
  });
  return error.issues.flatMap((issue) => {
    if (issue.code === 'unrecognized_keys')
      return issue.keys.map((key) => at([...issue.path, key], issue.message));
    const message = issue.code === 'invalid_key' ? issue.issues[0]?.message : undefined;
    return [at(issue.path, message ?? issue.message)];
  });
}
