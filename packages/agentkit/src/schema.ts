/** Browser-safe door: schemas and codes, no node modules, no side effects. */
export { namesSomebody } from './decider-name.ts';
export { type ErrorCode, type ErrorCodeEntry, errorCodes } from './error-codes.ts';
export { OpspawnError, type RecordedError } from './errors.ts';
export { type AgentEvent, agentEventSchema } from './event.ts';
export type { Json, Jsonify } from './json.ts';
export {
  jsonSchema,
  type Message,
  messageSchema,
  recordedUsageSchema,
  type Usage,
  usageSchema,
} from './message.ts';
