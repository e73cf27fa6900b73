import {
  createEmbedder,
  createMcpHost,
  createModelRegistry,
  type KnownSecrets,
  type McpHost,
  type MemoryOptions,
  memoryProviderBudget,
  OpspawnError,
  type ProviderBudget,
  scriptedProvider,
} from '@opspawn/agentkit';
import type { AgentEnvironment } from '../agents/agent-run.ts';
import { storeMemory } from '../agents/store-memory.ts';
import { StoreProviderBudget } from '../agents/store-provider-budget.ts';
import { configuredMcpServers, mcpCredentials } from '../mcp/configured-servers.ts';
import { storePins } from '../mcp/store-pins.ts';
import { atPlace, type LoadedConfig } from '../tasks/definitions/load-config.ts';
import type { OpspawnConfig } from '../tasks/definitions/user-config.ts';
import { ambientTaskId } from '../tasks/durable/ambient.ts';
import { guardsOf, type OpspawnNode } from './node.ts';

/**
 * What the agents of a worker share, as the config says. Nothing is started before an agent needs it. Throws
 * `config_invalid` for MCP servers that are not configured rightly. What has to be closed is put on the stack.
 */
export async function openAgentEnvironment(
  node: OpspawnNode,
  loaded: LoadedConfig,
  stack: AsyncDisposableStack,
): Promise<AgentEnvironment> {
  const parts = await openAgentParts(node, loaded, stack);
  if (parts.mcp !== undefined) stack.use(parts.mcp);
  return {
    ...parts,
    memory: storeMemory(node.store, memoryOptions(node, loaded)),
  };
}

/**
 * What a node needs to have. Without a store the tools of MCP servers are pinned, and the budgets of providers kept, for as
 * long as the process lives.
 */
type AgentNode = Pick<OpspawnNode, 'settings' | 'log'> & Partial<Pick<OpspawnNode, 'store' | 'guards'>>;

/** The same without memory, for runs in this process. Who opens it disposes of `mcp`. */
export async function openAgentParts(
  node: AgentNode,
  loaded: LoadedConfig,
  stack?: AsyncDisposableStack,
): Promise<Omit<AgentEnvironment, 'memory' | 'secrets'> & { secrets: KnownSecrets }> {
  const { environment } = node.settings;
  const { models } = loaded.config;
  const { secrets, security } = node.guards ?? guardsOf(loaded.config);
  const mcp = await openMcpHost(node, loaded);
  const budget = openProviderBudget(node, models?.bounds, stack);
  return {
    models: createModelRegistry({
      providers: { scripted: scriptedProvider(), ...models?.providers },
      environment,
      ...(loaded.config.plugins && { plugins: loaded.config.plugins }),
      ...(models?.prices && { prices: models.prices }),
      ...(budget && { budget }),
    }),
    secrets,
    security,
    ...(loaded.config.toolContext && { toolContext: loaded.config.toolContext }),
    ...(mcp === undefined ? {} : { mcp }),
  };
}

function openProviderBudget(
  { store, log }: AgentNode,
  bounds: NonNullable<OpspawnConfig['models']>['bounds'],
  stack: AsyncDisposableStack | undefined,
): ProviderBudget | undefined {
  if (store === undefined) return bounds && memoryProviderBudget({ bounds });
  const budget = new StoreProviderBudget({
    store: store.providers,
    ...(bounds && { bounds }),
    currentTaskId: ambientTaskId,
    onError: (err) => log.warn({ err }, 'the budgets of providers could not be told'),
  });
  return stack?.use(budget) ?? budget;
}

/** Throws `invalid_argument` for a provider that has no embedding models. */
function memoryOptions(
  { settings: { environment }, log }: OpspawnNode,
  { config: { memory: { embedding = environment.AGENTKIT_EMBEDDING_MODEL } = {} } }: LoadedConfig,
): MemoryOptions {
  if (embedding === undefined || embedding === '') return {};
  return {
    embedder: typeof embedding === 'string' ? createEmbedder(embedding, environment) : embedding,
    onEmbeddingFailed: (error) =>
      log.warn({ err: error }, 'The embedding model failed: memories are found by words alone'),
  };
}

async function openMcpHost(
  { settings, log, store }: AgentNode,
  loaded: LoadedConfig,
): Promise<McpHost | undefined> {
  const servers = await configuredMcpServers(settings, loaded);
  await refuseUnknownServers(loaded, servers ?? {});
  if (servers === undefined) return undefined;
  return createMcpHost({
    servers,
    ...(store && { pins: storePins(store) }),
    credentials: mcpCredentials(settings),
    onLog: ({ server, source, line }) =>
      log[source === 'host' ? 'warn' : 'debug']({ mcpServer: server, source }, line),
  });
}

/** A misspelt server would only be found when a task of the agent runs. */
async function refuseUnknownServers({ path, config }: LoadedConfig, servers: object): Promise<void> {
  for (const { name, mcp } of config.agents ?? []) {
    const unknown = mcp?.servers.find((server) => !Object.hasOwn(servers, server));
    if (unknown === undefined) continue;
    const known = Object.keys(servers).join(', ') || 'none';
    const message = `the agent ${name} uses the MCP server ${unknown}, which is not configured; configured: ${known}`;
    const details = { keys: ['agents', 'mcp', 'servers'] };
    throw await atPlace(path, new OpspawnError('config_invalid', message, { details }));
  }
}
