import type { Json } from '../json.ts';
import type { RunMemory } from '../memory/run-memory.ts';
import type { ToolSpec } from '../model/model.ts';
import type { ChildRequest, Reconciliation, RetryPolicy, WaitRequest } from '../steps.ts';
import type { InputRequired, ResumedCall } from './input-required.ts';
import type { SandboxAccess } from './sandbox/sandbox-access.ts';
import type { StandardSchemaV1 } from './standard-schema.ts';

/** The hints of MCP's `ToolAnnotations`. They are believed only for tools of ours and for servers marked trusted. */
export interface ToolAnnotations {
  readOnlyHint?: boolean;
  idempotentHint?: boolean;
  destructiveHint?: boolean;
  openWorldHint?: boolean;
}

export interface ToolContext {
  readonly callId: string;
  /** The same on every try of this call; hand it to whatever can deduplicate. */
  readonly idempotencyKey: string;
  /** Aborts on cancel, time-out, lost lease. */
  readonly signal: AbortSignal;
  /** Only the secrets that the tool declared, by name. */
  readonly secrets: Readonly<Record<string, string>>;
  /** Only for tools that declare a `context`: what the run gives to this tool, as its schema decoded it. */
  readonly context?: unknown;
  /** Only for inline tools that declare `memory: true`. */
  readonly memory?: RunMemory;
  /** When the tool gave an `InputRequired` before: its state, and what a person answered. */
  readonly resumed?: ResumedCall;
  /** Shown to whoever watches; not recorded. */
  progress(message: string): void;
}

/**
 * `inline`: runs in this process; for code that you trust as your own.
 * `process`: runs in a process of its own with an empty environment, killed at its time or memory limit. Contains
 * crashes, leaks and endless loops of trusted code; it is no boundary against hostile code.
 * `sandbox`: the same within namespaces of Linux: no network, no files but those given. For code that nobody vouches for.
 */
export type IsolationTier = 'inline' | 'process' | 'sandbox';

interface ToolBase<Input> {
  description: string;
  input: ToolInput;
  annotations?: ToolAnnotations;
  /** Results are checked by it: one that does not fit is a failed call. Default: any JSON. */
  output?: ToolOutput;
  /** How many calls of it may run at once in this process, of all runs; further ones wait. Default: no bound. */
  concurrency?: number;
  /** For a tool that stands for others: the annotations of a call with these arguments, instead of `annotations`. */
  annotationsFor?: (input: Input) => ToolAnnotations | Promise<ToolAnnotations>;
  /** Time for one try, in ms. Default 60,000. */
  timeoutMs?: number;
  /** Default: 3 tries for tools with `readOnlyHint` or `idempotentHint`, otherwise 1. */
  retry?: Partial<RetryPolicy>;
  /** Whether a person must agree first. Default `never`. */
  approval?: 'always' | 'never' | ((input: Input) => boolean);
  /** Names of the secrets that are handed to this tool, and to no other. */
  secrets?: readonly string[];
  /**
   * What the run has to give to this tool (`toolContext`), and shows to no model and no other tool: a tenant, a connection.
   * It is not recorded. For tools in processes of their own it is JSON.
   */
  context?: StandardSchemaV1;
  /** Asked after a crash between intent and result: was it done? */
  reconcile?: (input: Input, context: ToolContext) => Promise<Reconciliation<Json>>;
  /** What decides an effect in doubt that `reconcile` could not. Default `ask`. */
  onUnknown?: 'ask' | 'retry' | 'fail';
}

/** A tool whose code runs in this process. */
export interface InlineTool<Input> extends ToolBase<Input> {
  isolation?: 'inline';
  /** Hands the memory of the run to this tool, as `context.memory`. */
  memory?: boolean;
  /** A call that works hands the conversation to this agent; its result is `{ "handedTo": NAME }`. See `handoff`. */
  handoff?: () => { readonly name: string };
  /**
   * Whether what an earlier round of a call left open for this state is still there in this process. Where it is not, a
   * call that must not be repeated is in doubt. Default: nothing is ever left open, a call is made of its state alone.
   */
  isHeld?: (state: Json) => boolean;
  /** Lets go of it: nobody will go on with the call. */
  letGo?: (state: Json) => void;
  /** Gives the result, or an `InputRequired` when a person has to answer something first. */
  execute: (input: Input, context: ToolContext) => unknown;
}

/** A tool whose code is the default export of a module, run in a process of its own. */
export interface ProcessTool<Input> extends ToolBase<Input> {
  isolation: 'process';
  /** `moduleUrl('./compute', import.meta.url)`; its default export is a `ProcessFunction`. */
  module: URL;
  /**
   * What the process may use beyond an empty one, in MB. Default 512. On Linux the kernel refuses it more; where there
   * is no `prlimit` it is killed soon after it has grown by more.
   */
  memoryMb?: number;
  /**
   * `always`: its processes serve one call after the other, and what the module keeps in variables outlives a call.
   * `call`: each call gets a process that served none before. Default: `always` for `process`, `call` for `sandbox`.
   */
  reuse?: 'call' | 'always';
}

/** A tool whose module runs shut off from the machine: for code that nobody vouches for, such as a model's. */
export interface SandboxTool<Input> extends Omit<ProcessTool<Input>, 'isolation'> {
  isolation: 'sandbox';
  /** What it gets of the machine. Default: its module and an empty `/tmp`. */
  sandbox?: SandboxAccess;
}

/** What a call can wait for in place of code that runs: a child task, or a person's answer. */
export type OutsideRequest =
  | Pick<ChildRequest, 'kind' | 'name' | 'input'>
  | Omit<Extract<WaitRequest, { kind: 'question' }>, 'name'>;

/**
 * A tool that runs no code: its calls wait for somebody else, for days if need be, without holding a worker under
 * ops-core. The answer is the call's result; a child that failed and a question that timed out are failed calls.
 */
export interface AskingTool<Input>
  extends Pick<ToolBase<Input>, 'description' | 'input' | 'annotations' | 'approval'> {
  /** What a call asks for. A function of the arguments alone: it is worked out again after a crash. */
  ask: (input: Input) => OutsideRequest;
  /** The agents that it hands work to. */
  agents?: readonly { readonly name: string }[];
}

/** What the default export of a `ProcessTool`'s or `SandboxTool`'s module is. Input and result cross as JSON. */
export type ProcessFunction<Input = Json> = (input: Input, context: ToolContext) => unknown;

/** Input described by JSON Schema (draft 2020-12 or 7). */
export interface JsonSchemaInput {
  jsonSchema: Json | { readonly [keyword: string]: unknown };
  /** Checks and decodes in place of `jsonSchema`, for schemas of vendors that cannot say their JSON Schema. */
  validate?: StandardSchemaV1;
}

/** What describes the result of a tool. */
export type ToolOutput = StandardSchemaV1 | Pick<JsonSchemaInput, 'jsonSchema'>;

/** What describes the arguments of a tool. They are an object. */
export type ToolInput = StandardSchemaV1 | JsonSchemaInput;

/**
 * A keyed map of these is what an agent gets, so that names cannot clash. `Input` stands only where it is taken in, so
 * that a tool of some input is a `Tool` (of `never`) too; `defineTool` ties it to the schema.
 */
export type Tool<Input = never> = RunningTool<Input> | AskingTool<Input>;
/** A tool whose calls run code. */
export type RunningTool<Input = never> = InlineTool<Input> | ProcessTool<Input> | SandboxTool<Input>;
export type Tools = Readonly<Record<string, Tool>>;

export interface ToolInvocation {
  callId: string;
  tool: string;
  input: Json;
}

export interface ToolExecution extends ToolInvocation {
  idempotencyKey: string;
  signal: AbortSignal;
  /** Of a call that asked for something: what it left, and the answers. */
  resumed?: ResumedCall;
  progress(message: string): void;
}

interface PreparedBase {
  tool: string;
  /** Checked and decoded arguments. */
  input: Json;
  annotations: ToolAnnotations;
  needsApproval: boolean;
  /** Hash of the tool's definition, bound into approvals. */
  digest: string;
}

/** What a call needs that waits for somebody else. */
export interface PreparedRequest extends PreparedBase {
  request: OutsideRequest;
}

/** What a call needs before it may run. */
export interface PreparedCall extends PreparedBase {
  effect: 'read' | 'idempotent' | 'once';
  timeoutMs: number;
  retry: Partial<RetryPolicy> | undefined;
  onUnknown: 'ask' | 'retry' | 'fail';
  execute(execution: ToolExecution): Promise<Json | undefined | InputRequired>;
  /** See `InlineTool`. Absent: always. */
  isHeld?: ((state: Json) => boolean) | undefined;
  letGo?: ((state: Json) => void) | undefined;
  reconcile: ((execution: ToolExecution) => Promise<Reconciliation<Json>>) | undefined;
}

/** Bad arguments or an unknown tool: `message` goes back to the model as the call's result. */
export interface RefusedCall {
  refused: true;
  message: string;
}

/** All tools of a run, wherever they come from. */
export interface ToolManager {
  /** What the model is offered, in a stable order (a changing order defeats prompt caches). */
  list(): Promise<readonly ToolSpec[]>;
  /** Finds the tool and checks the arguments. Never throws for what the model did wrong. The run waits no longer than `signal` lets it. */
  prepare(call: ToolInvocation, signal?: AbortSignal): Promise<PreparedCall | PreparedRequest | RefusedCall>;
  /** Whether what a tool gives may hold content from outside (a web page, a file, another's answer). Default: yes. */
  bringsOutside?(tool: string): boolean;
}
