import {
  type AgentDefinition,
  checkAgent,
  type Embedder,
  type KnownSecrets,
  type ListedPlugin,
  type McpServerInput,
  type MinuteBounds,
  type ModelPrice,
  type ModelProvider,
  modelPriceSchema,
  OpspawnError,
  type Scorer,
  type SecurityManager,
} from '@opspawn/agentkit';
import { clientKeySchema, nameSchema, rateSchema, retryPolicySchema } from '@opspawn/sdk';
import { z } from 'zod';
import type { DurableDefinition } from './definition.ts';

/** What `opspawn.config.ts` exports: all user code that a worker runs. */
export interface OpspawnConfig {
  agents?: readonly AgentDefinition[];
  functions?: readonly DurableDefinition[];
  workflows?: readonly DurableDefinition[];
  /** MCP servers: a YAML or JSON file, relative to the config file, or the servers themselves by name. */
  mcp?: { file: string } | { servers: Readonly<Record<string, McpServerInput>> };
  /** Checked at the start; their models are found as `PLUGIN/…`. */
  plugins?: readonly ListedPlugin[];
  models?: {
    /** Beside the providers that come with agentkit, or in their place. */
    providers?: Readonly<Record<string, ModelProvider>>;
    /** By `provider/model`, beside those that agentkit knows, or in their place. */
    prices?: Readonly<Record<string, ModelPrice>>;
    /** What each key of a provider may send in a minute, by the provider's name. */
    bounds?: Readonly<Record<string, MinuteBounds>>;
  };
  /** `embedding`: finds memories by meaning too, `openai/text-embedding-3-small`. Default: `AGENTKIT_EMBEDDING_MODEL`. */
  memory?: { embedding?: string | Embedder };
  /** For `opspawn eval`, beside those that come with agentkit. */
  scorers?: readonly Scorer[];
  /** What tools may be handed. Default: the environment variables of the worker. */
  secrets?: KnownSecrets;
  /** What tools that declare a `context` are given, by the name of the tool. It is no part of any task's journal. */
  toolContext?: Readonly<Record<string, unknown>>;
  /** Beside each agent's own. Default: allows everything, and redacts the secrets that were given out. */
  security?: SecurityManager;
}

/**
 * For the default export of `opspawn.config.ts`. Throws `config_invalid` for a key that is not known or not right, and
 * for two definitions of a kind with one name; `details.keys` is where.
 */
export function defineConfig(config: OpspawnConfig): OpspawnConfig {
  const parsed = configSchema.safeParse(config);
  if (!parsed.success) throw invalidConfig(parsed.error);
  for (const kind of ['agents', 'functions', 'workflows'] as const)
    refuseDuplicates(kind, config[kind] ?? []);
  return config;
}

const callable = z.custom<(...args: never[]) => unknown>(
  (value) => typeof value === 'function',
  'must be a function',
);

const having = (what: string, ...members: string[]) =>
  z.custom<object>(
    (value) => typeof value === 'object' && value !== null && members.every((member) => member in value),
    `must be ${what}`,
  );

const definitionSchema = (kind: 'function' | 'workflow') =>
  z.strictObject({
    kind: z.literal(kind, `must be made by ${kind === 'function' ? 'defineFunction' : 'defineWorkflow'}`),
    name: nameSchema,
    version: z.string().min(1).optional(),
    description: z.string().optional(),
    input: having('a Standard Schema', '~standard').optional(),
    queue: nameSchema.optional(),
    retry: retryPolicySchema.optional(),
    attemptTimeoutMs: z.int().positive().optional(),
    timeoutMs: z.int().positive().optional(),
    concurrency: z.strictObject({ key: clientKeySchema.optional(), limit: z.int().positive() }).optional(),
    rate: rateSchema.extend({ key: clientKeySchema.optional() }).optional(),
    run: callable,
  } satisfies Record<keyof DurableDefinition, z.ZodType>);

/** agentkit knows its own definitions: what it finds wrong is told with the place of the agent. */
const agentSchema = having('made by defineAgent', 'name', 'instructions').superRefine((agent, context) => {
  // What `defineAgent` adds to run an agent without ops-core.
  const {
    run: _run,
    stream: _stream,
    ...definition
  } = agent as AgentDefinition & Record<'run' | 'stream', unknown>;
  try {
    checkAgent(definition);
  } catch (thrown) {
    const problem =
      thrown instanceof OpspawnError && Array.isArray(thrown.details.problems) && thrown.details.problems[0];
    const [, path = '', message = ''] = /^(?:([\w.[\]-]+): )?(.*)$/s.exec(String(problem)) ?? [];
    context.addIssue({ code: 'custom', path: path.split(/[.[\]]+/).filter((key) => key !== ''), message });
  }
});

const configSchema = z.strictObject({
  agents: z.array(agentSchema).optional(),
  functions: z.array(definitionSchema('function')).optional(),
  workflows: z.array(definitionSchema('workflow')).optional(),
  mcp: z
    .union(
      [
        z.strictObject({ file: z.string().min(1) }),
        z.strictObject({ servers: z.record(z.string(), z.object()) }),
      ],
      'must be { file } or { servers }',
    )
    .optional(),
  memory: z
    .strictObject({
      embedding: z
        .union(
          [z.string().regex(/^[^/]+\/.+/), having('an embedder', 'id', 'embed')],
          'must be provider/model or an object with id and embed',
        )
        .optional(),
    })
    .optional(),
  plugins: z.array(having('made by definePlugin', 'name', 'version', 'interface')).optional(),
  models: z
    .strictObject({
      providers: z.record(z.string(), callable).optional(),
      prices: z.record(z.string(), modelPriceSchema).optional(),
      bounds: z
        .record(
          z.string(),
          z.strictObject({
            requestsPerMinute: z.int().positive().optional(),
            tokensPerMinute: z.int().positive().optional(),
          } satisfies Record<keyof MinuteBounds, z.ZodType>),
        )
        .optional(),
    })
    .optional(),
  scorers: z.array(having('a scorer with name and score', 'name', 'score')).optional(),
  secrets: having('an object with get and values', 'get', 'values').optional(),
  toolContext: z.record(z.string(), z.unknown()).optional(),
  security: having('an object with decide and redact', 'decide', 'redact').optional(),
} satisfies Record<keyof OpspawnConfig, z.ZodType>);

function invalidConfig(error: z.ZodError): OpspawnError {
  const [issue] = error.issues;
  const isUnknown = issue?.code === 'unrecognized_keys';
  const keys = [...(issue?.path ?? []), ...(isUnknown ? issue.keys.slice(0, 1) : [])].map(String);
  return configInvalid(keys, isUnknown ? 'is not known' : (issue?.message ?? 'is not valid'));
}

function refuseDuplicates(kind: string, definitions: readonly { name: string }[]): void {
  const names = new Set<string>();
  for (const [index, { name }] of definitions.entries()) {
    if (names.has(name)) throw configInvalid([kind, String(index), 'name'], `"${name}" is there twice`, name);
    names.add(name);
  }
}

/** `value` helps to find the line where several keys have one name. */
const configInvalid = (keys: readonly string[], message: string, value?: string): OpspawnError => {
  const where = keys
    .map((key) => (/^\d+$/.test(key) ? `[${key}]` : `.${key}`))
    .join('')
    .replace(/^\./, '');
  return new OpspawnError('config_invalid', `${where === '' ? 'the config' : where} ${message}`, {
    details: { keys, ...(value === undefined ? {} : { value }) },
  });
};
