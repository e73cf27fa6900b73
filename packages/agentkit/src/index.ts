/** Builds AI agents. Three things are enough to begin with: `defineAgent`, `defineTool` and `run`. */
export type {
  AgentDefinition,
  AgentMemory,
  CompactionOptions,
  McpAccess,
  ModelOptions,
} from './agent.ts';
export { checkAgent } from './agent-schema.ts';
export { type Clock, systemClock } from './clock.ts';
export { type Agent, type AgentStream, defineAgent } from './define-agent.ts';
export { type ErrorCode, type ErrorCodeEntry, errorCodes } from './error-codes.ts';
export {
  BudgetExceededError,
  CancelledError,
  GuardrailError,
  isRetryable,
  OpspawnError,
  type OpspawnErrorOptions,
  type RecordedError,
  recordError,
  StepError,
  TimeoutError,
  toOpspawnError,
} from './errors.ts';
export { type EvalCase, evalCaseSchema, parseEvalCases } from './eval/eval-case.ts';
export {
  compareEvals,
  type EvalCaseResult,
  type EvalChange,
  type EvalComparison,
  type EvalReport,
  evalReportSchema,
  type MissedScore,
  missedThresholds,
  parseEvalReport,
} from './eval/eval-report.ts';
export { evalTable } from './eval/eval-table.ts';
export { type JudgeOptions, judge } from './eval/judge.ts';
export { type EvalOptions, runEval } from './eval/run-eval.ts';
export type { Score, ScoredRun, Scorer } from './eval/scorer.ts';
export { contains, exact, matchesSchema, type NumericOptions, numeric } from './eval/scorers.ts';
export { type AgentEvent, agentEventSchema, type EventSink } from './event.ts';
export type { Guardrail, GuardrailContext, Guardrails } from './guardrail.ts';
export {
  assertJson,
  checkedCanonicalJson as canonicalJson,
  decodeJson,
  encodeJson,
  isJson,
  type Json,
  type Jsonify,
} from './json.ts';
export { defaultLimits, type Limits, limitsSchema } from './limits.ts';
export { createMcpHost, type McpHostOptions, type McpLogLine } from './mcp/create-mcp-host.ts';
export {
  fileCredentials,
  type McpCredentialStore,
  type McpCredentials,
  memoryCredentials,
} from './mcp/credentials.ts';
export { filePins } from './mcp/file-pins.ts';
export { loginToMcpServer, type McpLoginOptions } from './mcp/login.ts';
export {
  loadMcpConfig,
  type McpServerConfig,
  type McpServerInput,
  type McpServers,
  mcpServersSchema,
  parseMcpServers,
} from './mcp/mcp-config.ts';
export type {
  McpHost,
  McpOffers,
  McpPrompt,
  McpResource,
  McpSelection,
  McpServerStatus,
} from './mcp/mcp-host.ts';
export {
  digestOfTool,
  maxPinsPerServer,
  memoryPins,
  type PinDecision,
  type PinStatus,
  type SeenTool,
  type SeenTools,
  type ToolPin,
  type ToolPins,
} from './mcp/tool-pins.ts';
export type { BlockDefinition } from './memory/blocks.ts';
export { type Compaction, compactionSchema } from './memory/compaction/compaction.ts';
export { createMemory } from './memory/create-memory.ts';
export { createEmbedder, type Embedder } from './memory/embedder.ts';
export { indexedWords } from './memory/indexed-word.ts';
export type {
  Memory,
  MemoryBlock,
  MemoryItem,
  MemoryScope,
  MemorySource,
  NewMemory,
  RecallOptions,
  SessionScope,
} from './memory/memory.ts';
export { type MemoryOptions, memoryOver } from './memory/memory-over.ts';
export { type MemoryRow, memoryOfRow, memoryRow } from './memory/memory-row.ts';
export type { MemoryStore, VectorQuery, Visible } from './memory/memory-store.ts';
export type { RememberOptions, RememberScope, RunMemory } from './memory/run-memory.ts';
export { scopeKey } from './memory/scope.ts';
export { loadVectorSearch } from './memory/sqlite/load-vector-search.ts';
export { openSqliteMemory, type SqliteMemoryOptions } from './memory/sqlite/open-sqlite-memory.ts';
export { prepareMemories, type SyncMemoryStore } from './memory/sqlite/prepare-memories.ts';
export { Nearest, vectorBytes, vectorOf } from './memory/vectors.ts';
export {
  type ApprovalRequest,
  type MemorySteps,
  type MemoryStepsOptions,
  memorySteps,
  type QuestionRequest,
} from './memory-steps.ts';
export {
  type AssistantMessage,
  callsOf,
  jsonSchema,
  type Message,
  messageSchema,
  type ToolCall,
  type ToolResult,
  textOf,
  type Usage,
  usageSchema,
} from './message.ts';
export { type AiSdkModelOptions, aiSdkModel, type KeyBudget } from './model/ai-sdk-model.ts';
export {
  type MemoryProviderBudgetOptions,
  memoryProviderBudget,
} from './model/budget/memory-provider-budget.ts';
export type { MinuteBounds } from './model/budget/minute-window.ts';
export type {
  ProviderBudget,
  ProviderCall,
  ProviderPermit,
  ProviderRefusal,
  ToldBound,
  ToldBounds,
} from './model/budget/provider-budget.ts';
export type { CassetteMode, CassetteOptions } from './model/cassette/cassette-options.ts';
export { type CassetteProviderOptions, cassetteProvider } from './model/cassette/cassette-provider.ts';
export { openCassette } from './model/cassette/open-cassette.ts';
export { fallbackModel } from './model/fallback-model.ts';
export type {
  Model,
  ModelPrice,
  ModelProvider,
  ModelRegistry,
  ModelReply,
  ModelRequest,
  ToolSpec,
} from './model/model.ts';
export { modelPriceSchema } from './model/price-schema.ts';
export {
  findContextTokens,
  findPrice,
  modelContextTokens,
  modelPrices,
  modelPricesDate,
} from './model/prices.ts';
export { createModelRegistry, defaultModelSpec, type ModelRegistryOptions } from './model/registry.ts';
export { scriptedProvider } from './model/scripted/scripted-models.ts';
export { moduleUrl } from './module-url.ts';
export { direct } from './planner/direct.ts';
export { type PlanExecuteOptions, planExecute } from './planner/plan-execute.ts';
export type { Planner, PlannerDecision, PlanStep, RunState } from './planner/planner.ts';
export { react } from './planner/react.ts';
export { type PlannedCall, type ScriptLine, scripted } from './planner/scripted.ts';
export {
  definePlugin,
  type ListedPlugin,
  type Plugin,
  type PluginDefinition,
  pluginInterface,
} from './plugin.ts';
export { defaultRetry, retryDelayMs } from './retry.ts';
export { withDelegates } from './run/handed-to.ts';
export { runAgent } from './run/run-agent.ts';
export type { RunEnvironment, RunInput, RunResult } from './run/run-environment.ts';
export type { RunOptions } from './run/run-here.ts';
export { runWithin } from './run/run-within.ts';
export { environmentSecrets, type KnownSecrets, secretsFrom } from './security/secrets.ts';
export type { Secrets, SecurityManager, ToolRequest, Verdict } from './security/security.ts';
export {
  createSecurityManager,
  type SecurityManagerOptions,
  type SecurityRule,
} from './security/security-rules.ts';
export type {
  BranchSet,
  Budget,
  BudgetAmount,
  ChildRequest,
  Decision,
  Effect,
  LogLevel,
  Reconciliation,
  RetryPolicy,
  StepContext,
  StepKind,
  StepOptions,
  StepRecord,
  Steps,
  WaitRequest,
} from './steps.ts';
export { type SupervisorDefinition, supervisor } from './supervisor.ts';
export type { SchemaIssue } from './tool/ajv-validator.ts';
export { add, subtract } from './tool/builtin/arithmetic.ts';
export { type AskHumanOptions, askHuman } from './tool/builtin/ask-human.ts';
export { calculator } from './tool/builtin/calculator.ts';
export { type DelegateOptions, delegate } from './tool/builtin/delegate.ts';
export {
  type FileToolOptions,
  listDirTool,
  readFileTool,
  writeFileTool,
} from './tool/builtin/file-tools.ts';
export { type HandoffOptions, handoff } from './tool/builtin/handoff.ts';
export { type HttpFetchOptions, httpFetch } from './tool/builtin/http-fetch.ts';
export {
  forgetTool,
  type RecallToolOptions,
  type RememberToolOptions,
  recallTool,
  rememberTool,
} from './tool/builtin/memory-tools.ts';
export type { HostAddress, Resolve } from './tool/builtin/public-address.ts';
export { type RunCodeOptions, runJavascript, runShell } from './tool/builtin/run-code.ts';
export { defineTool } from './tool/define-tool.ts';
export {
  type InputAnswer,
  type InputRequest,
  InputRequired,
  type ResumedCall,
} from './tool/input-required.ts';
export { type IsolationFinding, isolationTiers } from './tool/isolation-tiers.ts';
export { jsonSchemaIssues, jsonSchemaOf } from './tool/json-schema.ts';
export { createProcessPool } from './tool/process/create-process-pool.ts';
export type { ProcessPool, ProcessPoolOptions } from './tool/process/process-pool.ts';
export type { SandboxAccess } from './tool/sandbox/sandbox-access.ts';
export { type StandardSchemaV1, validateBy } from './tool/standard-schema.ts';
export type {
  AskingTool,
  InlineTool,
  IsolationTier,
  JsonSchemaInput,
  OutsideRequest,
  PreparedCall,
  PreparedRequest,
  ProcessFunction,
  ProcessTool,
  RefusedCall,
  RunningTool,
  SandboxTool,
  Tool,
  ToolAnnotations,
  ToolContext,
  ToolExecution,
  ToolInput,
  ToolInvocation,
  ToolManager,
  ToolOutput,
  Tools,
} from './tool/tool.ts';
export { createToolManager, type ToolManagerOptions } from './tool/tool-manager.ts';
