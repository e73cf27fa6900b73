/** Runs agents, functions and workflows as durable tasks. `defineConfig` and `startDev` are enough to begin with. */
export { defaultNamespace, localPrincipal, type Principal } from './auth/principal.ts';
export {
  type DatabaseSetting,
  describeDatabase,
  type LogLevelName,
  readSettings,
  type Settings,
  withoutPassword,
} from './config.ts';
export { configuredMcpServers, mcpCredentials } from './mcp/configured-servers.ts';
export { createLog, type Log } from './observe/log.ts';
export { openAgentParts } from './start/agent-environment.ts';
export { brokerPrefixOf } from './start/broker-prefix.ts';
export { checkBroker } from './start/check-broker.ts';
export {
  addApiKey,
  listApiKeys,
  migrateDatabase,
  readDatabaseStatus,
  removeApiKey,
} from './start/database.ts';
export { backUpDatabase, type MoveOptions, moveDatabase } from './start/move-database.ts';
export { type NodeOptions, type OpspawnNode, openNode } from './start/node.ts';
export {
  type RunningOpspawn,
  type RunningServer,
  type RunningWorker,
  type ServerStartOptions,
  startDev,
  startServer,
  startWorker,
  type WorkerStartOptions,
} from './start/start.ts';
export { untilStopped } from './start/until-stopped.ts';
export { seededRandom, withFaults } from './storage/faults/faulty-store.ts';
export type { DatabaseStatus } from './storage/status.ts';
export {
  type DurableDefinition,
  defineFunction,
  defineWorkflow,
  type TypedDefinition,
} from './tasks/definitions/definition.ts';
export { findConfig, type LoadedConfig, loadConfig } from './tasks/definitions/load-config.ts';
export { defineConfig, type OpspawnConfig } from './tasks/definitions/user-config.ts';
export type { Context } from './tasks/durable/context.ts';
export type {
  BulkAction,
  BulkRequest,
  BulkResult,
  DecisionRequest,
  Engine,
  FailureQuery,
  Followed,
  SignalRequest,
  SubmitOutcome,
  TaskQuery,
  TaskSelection,
} from './tasks/engine-interface.ts';
export { purgeNamespace } from './tasks/retention.ts';
