import { z } from 'zod';
import { callable, checkOptions, count, having, textsByName } from '../check-options.ts';
import { describeThrown, isOpspawnError, OpspawnError } from '../errors.ts';
import { type ListedPlugin, pluginProviders } from '../plugin.ts';
import { aiSdkModel } from './ai-sdk-model.ts';
import { processProviderBudget } from './budget/memory-provider-budget.ts';
import type { ProviderBudget } from './budget/provider-budget.ts';
import { cassetteProvider, cassetteSettings } from './cassette/cassette-provider.ts';
import { checkModel } from './check-model.ts';
import type { Model, ModelPrice, ModelProvider, ModelRegistry } from './model.ts';
import { modelPriceSchema } from './price-schema.ts';
import { findContextTokens, findPrice } from './prices.ts';
import { builtInProviders, type Environment, keyName, keyVariables } from './providers.ts';
import { withoutKeys } from './without-keys.ts';

export interface ModelRegistryOptions {
  /** More providers by name (`scripted`), or others in place of the built-in ones. */
  providers?: Readonly<Record<string, ModelProvider>>;
  /** Their models are found as `PLUGIN/…`. Throws `config_invalid` for one that cannot work here. */
  plugins?: readonly ListedPlugin[];
  /** Where keys, base URLs and the default model come from. Default: the process's environment. */
  environment?: Environment;
  /** What `default` stands for, as `provider/model`. Default: `defaultModelSpec(environment)`. */
  default?: string;
  /** Prices by `provider/model`, added to or in place of `modelPrices`. */
  prices?: Readonly<Record<string, ModelPrice>>;
  /** Context windows in tokens by `provider/model`, added to or in place of `modelContextTokens`. */
  contextTokens?: Readonly<Record<string, number>>;
  /** What the calls of the built-in providers wait for, by key. Default: one that this process shares. */
  budget?: ProviderBudget;
}

const optionsSchema = z.strictObject({
  providers: z.record(z.string(), callable).optional(),
  plugins: z.array(z.unknown()).optional(),
  environment: textsByName(z.string().optional()).optional(),
  default: z.string().optional(),
  prices: z.record(z.string(), modelPriceSchema).optional(),
  contextTokens: z.record(z.string(), count).optional(),
  budget: having<ProviderBudget>('admit').optional(),
} satisfies Record<keyof ModelRegistryOptions, z.ZodType>);

/**
 * Finds models by `provider/model`: openai, anthropic, google, openrouter, compatible (any server that speaks OpenAI's
 * chat completions, at `AGENTKIT_LLM_BASE_URL`), and the given ones. A provider's package is loaded at its first use.
 * `cassette/NAME` records `AGENTKIT_CASSETTE_MODEL`, or the default model, and replays it (`AGENTKIT_CASSETTE_MODE`).
 * Throws `config_invalid`, naming the path, for options that are not known or not right.
 */
export function createModelRegistry(options: ModelRegistryOptions = {}): ModelRegistry {
  checkOptions('The model registry', optionsSchema, options);
  const {
    providers: given = {},
    plugins = [],
    environment = process.env,
    prices,
    contextTokens,
    budget = processProviderBudget(),
  } = options;
  const models = new Map<string, Promise<Model>>();
  const taken = [...Object.keys(builtInProviders), ...Object.keys(given), 'cassette', 'scripted'];
  const providers = { ...given, ...pluginProviders(plugins, taken) };

  const open = async (spec: string): Promise<Model> => {
    const { provider, modelName } = parseSpec(spec);
    const given = ownEntry(providers, provider);
    if (given !== undefined) return checkModel(spec, await ofProvider(spec, () => given(modelName)));
    if (provider === 'cassette') {
      const original = (): Promise<Model> => registry.resolve(recordedSpec(environment, options.default));
      return await cassetteProvider({ ...cassetteSettings(environment), original })(modelName);
    }
    const builtIn = ownEntry(builtInProviders, provider);
    if (builtIn === undefined) throw unknownProvider(spec, Object.keys(providers));
    const model = aiSdkModel(spec, await builtIn.load(modelName, environment), {
      ...builtIn.options,
      price: findPrice(spec, prices),
      contextTokens: findContextTokens(spec, contextTokens),
      budget: { budget, key: keyName(provider, builtIn, environment) },
    });
    const keys = keyVariables.flatMap((variable) => environment[variable] || []);
    return withoutKeys(model, keys);
  };

  const registry: ModelRegistry = {
    async resolve(spec) {
      const name = spec === 'default' ? (options.default ?? defaultModelSpec(environment)) : spec;
      if (name === undefined) throw noDefault();
      const known = models.get(name) ?? open(name);
      models.set(name, known);
      try {
        return await known;
      } catch (thrown) {
        models.delete(name);
        throw thrown;
      }
    },
  };
  return registry;
}

/**
 * The model that the environment asks for, as `provider/model`: `AGENTKIT_LLM_PROVIDER` with `AGENTKIT_LLM_MODEL` (or
 * that provider's default: openai/gpt-5.4-mini, anthropic/claude-sonnet-4-6, google/gemini-3.5-flash,
 * openrouter/openai/gpt-5.4-mini), otherwise the default of the first provider whose key is set, in that order.
 * undefined when nothing is set. Throws `config_invalid` for half of a setting.
 */
export function defaultModelSpec(environment: Environment = process.env): string | undefined {
  const { AGENTKIT_LLM_PROVIDER: provider, AGENTKIT_LLM_MODEL: model } = environment;
  if (provider) {
    const builtIn = ownEntry(builtInProviders, provider);
    const modelName = model || builtIn?.defaultModel;
    if (!modelName) throw missing('AGENTKIT_LLM_MODEL', `AGENTKIT_LLM_PROVIDER is ${provider}`);
    return `${provider}/${modelName}`;
  }
  if (model) throw missing('AGENTKIT_LLM_PROVIDER', `AGENTKIT_LLM_MODEL is ${model}`);
  for (const [name, { keyVariable, defaultModel }] of Object.entries(builtInProviders)) {
    if (keyVariable !== undefined && environment[keyVariable]) return `${name}/${defaultModel}`;
  }
  return undefined;
}

/** What a cassette records. It cannot record itself: a default that is a cassette counts as none. */
function recordedSpec(environment: Environment, byOption: string | undefined): string {
  const { AGENTKIT_CASSETTE_MODEL: asked } = environment;
  if (asked?.startsWith('cassette/')) {
    throw new OpspawnError(
      'config_invalid',
      `AGENTKIT_CASSETTE_MODEL names the model that is recorded, not ${JSON.stringify(asked)}`,
      { details: { variable: 'AGENTKIT_CASSETTE_MODEL' } },
    );
  }
  const isReal = (spec: string | undefined): boolean => Boolean(spec) && !spec?.startsWith('cassette/');
  const byVariables = { ...environment, AGENTKIT_LLM_PROVIDER: undefined, AGENTKIT_LLM_MODEL: undefined };
  const spec = [asked, byOption, defaultModelSpec(environment), defaultModelSpec(byVariables)].find(isReal);
  if (spec !== undefined) return spec;
  throw missing('AGENTKIT_CASSETTE_MODEL', 'a cassette is to be recorded');
}

/** What it throws and is no error of ours is told with whose it is. */
async function ofProvider<T>(spec: string, open: () => T | Promise<T>): Promise<T> {
  try {
    return await open();
  } catch (thrown) {
    if (isOpspawnError(thrown)) throw thrown;
    const message = `The provider of ${spec} failed: ${describeThrown(thrown)}`;
    throw new OpspawnError('internal', message, { cause: thrown });
  }
}

const ownEntry = <Value>(record: Readonly<Record<string, Value>>, key: string): Value | undefined =>
  Object.hasOwn(record, key) ? record[key] : undefined;

function parseSpec(spec: string): { provider: string; modelName: string } {
  const slash = typeof spec === 'string' ? spec.indexOf('/') : -1;
  if (slash < 1 || slash === spec.length - 1) {
    throw new OpspawnError(
      'invalid_argument',
      `A model is named provider/model, not ${JSON.stringify(spec)}`,
    );
  }
  return { provider: spec.slice(0, slash), modelName: spec.slice(slash + 1) };
}

function unknownProvider(spec: string, extra: string[]): OpspawnError {
  const known = [...new Set([...Object.keys(builtInProviders), 'cassette', ...extra])].sort();
  return new OpspawnError(
    'invalid_argument',
    `No provider for the model ${spec}. Known: ${known.join(', ')}`,
    {
      details: { model: spec, providers: known },
    },
  );
}

const missing = (variable: string, because: string): OpspawnError =>
  new OpspawnError('config_invalid', `${variable} is not set, but ${because}`, { details: { variable } });

function noDefault(): OpspawnError {
  const variables = Object.values(builtInProviders).flatMap(({ keyVariable }) => keyVariable ?? []);
  return new OpspawnError(
    'config_invalid',
    `No model is configured: name one, set AGENTKIT_LLM_PROVIDER and AGENTKIT_LLM_MODEL, or one of ${variables.join(', ')}`,
    { details: { variables } },
  );
}
