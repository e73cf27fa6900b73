import { z } from 'zod';
import { callable, checkOptions, having, readBy } from './check-options.ts';
import { OpspawnError } from './errors.ts';
import type { Guardrail } from './guardrail.ts';
import type { Memory } from './memory/memory.ts';
import type { ModelProvider } from './model/model.ts';
import type { Planner } from './planner/planner.ts';
import type { Tools } from './tool/tool.ts';
import { toolSchema } from './tool/tool-schema.ts';

/** Raised when plugins have to be made anew. A plugin carries that of the agentkit that it was made with. */
export const pluginInterface = 1;

/** What a package brings, by names within it. */
export interface PluginDefinition {
  /** `[a-z][a-z0-9-]{0,31}`: stands before the name of each part. */
  name: string;
  /** That of the package: `1.2.3`. */
  version: string;
  tools?: Tools;
  planners?: Readonly<Record<string, Planner>>;
  memories?: Readonly<Record<string, Memory>>;
  /** Makes the models `NAME/…` wherever the plugin is listed. */
  models?: ModelProvider;
  guardrails?: Readonly<Record<string, Guardrail<never>>>;
}

type PartOf<Definition, Key extends string> = Definition extends { [K in Key]: infer Part extends object }
  ? Part
  : Record<never, never>;

/** The parts of a package, none of which can clash with those of another. */
export interface Plugin<Definition extends PluginDefinition = PluginDefinition> {
  readonly name: Definition['name'];
  readonly version: string;
  readonly interface: number;
  /** Keyed `NAME__TOOL`: to be spread into an agent's tools. */
  readonly tools: {
    [Key in keyof PartOf<Definition, 'tools'> & string as `${Definition['name']}__${Key}`]: PartOf<
      Definition,
      'tools'
    >[Key];
  };
  readonly planners: PartOf<Definition, 'planners'>;
  readonly memories: PartOf<Definition, 'memories'>;
  /** Each goes by `NAME__GUARDRAIL` in journals and errors. */
  readonly guardrails: PartOf<Definition, 'guardrails'>;
  readonly models: ModelProvider | undefined;
}

/** A plugin of which only that is known by which it is listed. */
export type ListedPlugin = Pick<Plugin, 'name' | 'version' | 'interface' | 'models'>;

const named = <Part extends z.ZodType>(part: Part) =>
  z.record(z.string().regex(/^[a-zA-Z0-9_-]{1,31}$/, 'must be 1 to 31 of a-z A-Z 0-9 _ -'), part).optional();
const nameSchema = z
  .string()
  .regex(/^[a-z][a-z0-9-]{0,31}$/, 'must be 1 to 32 of a-z 0-9 -, and begin with a letter');
/** What vendors take as a name of a tool, less what joins the two names. */
const maxNamesLength = 62;
const pluginSchema = z
  .strictObject({
    name: nameSchema,
    version: z.string().regex(/^\d+\.\d+\.\d+/, 'must be the version of the package, as 1.2.3'),
    tools: named(toolSchema),
    planners: named(having<Planner>('name', 'next')),
    memories: named(having<Memory>('messages', 'append')),
    models: callable.optional(),
    guardrails: named(callable),
  } satisfies Record<keyof PluginDefinition, z.ZodType>)
  .superRefine(({ name, tools = {} }, { addIssue }) => {
    for (const tool of Object.keys(tools))
      if (name.length + tool.length > maxNamesLength)
        addIssue({
          code: 'custom',
          path: ['tools', tool],
          message: `is too long a name behind ${name}: ${maxNamesLength - name.length} characters at most`,
        });
  });
const listedSchema = z.looseObject({
  name: nameSchema,
  version: z.string(),
  models: callable.optional(),
} satisfies Partial<Record<keyof ListedPlugin, z.ZodType>>);

/** What a package exports for agents. Throws `config_invalid`, naming the path, for what is not known or not right. */
export function definePlugin<const Definition extends PluginDefinition>(
  definition: Definition,
): Plugin<Definition> {
  checkOptions(`The plugin${saidName(definition)}`, pluginSchema, definition);
  const { name, version, tools = {}, planners = {}, memories = {}, guardrails = {}, models } = definition;
  const parts = {
    name,
    version,
    interface: pluginInterface,
    tools: Object.fromEntries(Object.entries(tools).map(([key, tool]) => [`${name}__${key}`, tool])),
    planners,
    memories,
    guardrails: Object.fromEntries(
      Object.entries(guardrails).map(([key, guardrail]) => [key, renamed(guardrail, `${name}__${key}`)]),
    ),
    models,
  };
  // Only the type of the definition knows the names of the parts.
  return parts as unknown as Plugin<Definition>;
}

/**
 * The providers of the models that these plugins bring, by their names. Throws `config_invalid` for a plugin that was made
 * for another interface, for two of one name, and for one whose name is `taken`.
 */
export function pluginProviders(
  plugins: readonly ListedPlugin[],
  taken: readonly string[],
): Record<string, ModelProvider> {
  const known = new Map<string, ListedPlugin>();
  for (const plugin of plugins) {
    readBy(() => checkInterface(plugin ?? {}), 'A listed plugin', 'config_invalid');
    checkOptions('A listed plugin', listedSchema, plugin);
    const { name, version } = plugin;
    const other = known.get(name);
    if (other !== undefined)
      throw invalid(`The plugin ${name} is listed twice, as ${other.version} and ${version}`);
    if (taken.includes(name)) throw invalid(`The plugin ${name} has the name of a provider of models`);
    known.set(name, plugin);
  }
  return Object.fromEntries([...known].flatMap(([name, { models }]) => (models ? [[name, models]] : [])));
}

function checkInterface({ name, version, interface: made }: Partial<ListedPlugin>): void {
  if (made === pluginInterface) return;
  const what =
    made === undefined ? 'is none: definePlugin makes them' : `was made for plugin interface ${made}`;
  throw invalid(
    `${['The plugin', name ?? 'without a name', version, what].filter(Boolean).join(' ')}; this agentkit has interface ${pluginInterface}`,
  );
}

function saidName(definition: Partial<PluginDefinition> | undefined): string {
  const name = readBy(() => definition?.name, 'The plugin', 'config_invalid');
  return typeof name === 'string' ? ` ${name}` : '';
}

/** Guardrails go by the name of their function. */
const renamed = <Subject>(guardrail: Guardrail<Subject>, name: string): Guardrail<Subject> =>
  Object.defineProperty((...asked: Parameters<Guardrail<Subject>>) => guardrail(...asked), 'name', {
    value: name,
  });

const invalid = (message: string): OpspawnError => new OpspawnError('config_invalid', message);
