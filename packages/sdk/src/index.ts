/** Every operation of Opspawn once: schemas, types and a client for Node and browsers. */
export { type ErrorCode, type ErrorCodeEntry, errorCodes, OpspawnError } from '@opspawn/agentkit/schema';
export { createClient } from './client/client.ts';
export type { ClientOptions } from './client/connection.ts';
export { createInMemoryFetch, type Injectable } from './client/in-memory-fetch.ts';
export type { CallOptions, Client, WatchOptions } from './client/method.ts';
export { commonErrors, errorsOf, type Operation, type Scope, type Success } from './operations/operation.ts';
export { apiVersion, type OperationId, type Operations, operations } from './operations/operations.ts';
export type { BulkResult } from './schema/bulk.ts';
export { type Definition, definitionSchema } from './schema/definition.ts';
export {
  type Entry,
  type EntryType,
  entrySchema,
  entryTypeSchema,
  entryTypes,
  recordedErrorSchema,
} from './schema/entry.ts';
export { type Failure, failureSchema } from './schema/failure.ts';
export { type Readiness, readinessSchema } from './schema/health.ts';
export { type Limit, limitKeySchema, limitSchema, setLimitSchema } from './schema/limit.ts';
export { type DecideMcpTools, type McpTool, mcpToolSchema } from './schema/mcp-tool.ts';
export { type NamespaceSettings, namespaceSettingsSchema } from './schema/namespace-settings.ts';
export {
  errorCodeSchema,
  type FieldError,
  fieldErrorSchema,
  type Problem,
  problemSchema,
} from './schema/problem.ts';
export {
  type Provider,
  type ProviderLimitBody,
  providerLimitSchema,
  providerNameSchema,
  providerSchema,
} from './schema/provider.ts';
export { type Queue, queueSchema, type UpdateQueue, updateQueueSchema } from './schema/queue.ts';
export { type Resolution, resolutionSchema } from './schema/resolution.ts';
export { type Session, type Spending, sessionSchema } from './schema/spending.ts';
export {
  type CreateTask,
  clientKeySchema,
  createTaskSchema,
  isFinished,
  nameSchema,
  type OpenWait,
  openWaitSchema,
  rateSchema,
  retryPolicySchema,
  type Task,
  type TaskKind,
  type TaskStatus,
  taskKindSchema,
  taskSchema,
  taskStatuses,
  taskStatusSchema,
} from './schema/task.ts';
export { createTaskRequestSchema, maxBatchTasks, taskIdSchema } from './schema/task-request.ts';
export { type WatchEvent, type WatchEventName, watchEventData } from './schema/watch-event.ts';
export { type Why, type WhyReason, whyCodes, whySchema } from './schema/why.ts';
