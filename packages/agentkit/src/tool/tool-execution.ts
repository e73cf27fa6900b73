import { systemClock } from '../clock.ts';
import { describeThrown, isOpspawnError, OpspawnError, TimeoutError } from '../errors.ts';
import { encodeJson, isJson, isLargerThan, type Json } from '../json.ts';
import type { Secrets } from '../security/security.ts';
import type { Reconciliation } from '../steps.ts';
import { InputRequired } from './input-required.ts';
import { checkByStandardSchema, checkOutputBy } from './json-schema.ts';
import { sharedProcessPool } from './process/create-process-pool.ts';
import type { ProcessPool } from './process/process-pool.ts';
import type {
  ProcessTool,
  RunningTool,
  SandboxTool,
  ToolContext,
  ToolExecution,
  ToolOutput,
} from './tool.ts';
import { Turnstile } from './turnstile.ts';

const defaultMemoryMb = 512;

/** What all calls of a tool manager share. */
export interface ToolRuntime {
  secrets: Secrets;
  /** By the name of the tool. */
  toolContext?: Readonly<Record<string, unknown>>;
  maxOutputBytes: number;
  /** Where tools of the tiers `process` and `sandbox` run; undefined: in the pool that this process shares. */
  processes: ProcessPool | undefined;
}

/** A tool with the arguments of one call, checked and decoded. */
export interface ToolSubject {
  name: string;
  tool: RunningTool;
  input: never;
  timeoutMs: number;
}

/**
 * One try of a call. Settles at the latest when its time is up or its signal aborts, whatever the tool does. Throws
 * `timeout`, what aborted it, `config_invalid` for a secret that is not there, or `tool_failed`: for what the tool threw
 * and for a result that is no JSON or too large. A tool's own OpspawnError is passed on.
 */
export async function executeTool(
  subject: ToolSubject,
  execution: ToolExecution,
  runtime: ToolRuntime,
): Promise<Json | undefined | InputRequired> {
  const { name, tool, input } = subject;
  const given = await givenTo(subject, runtime);
  using _place = await turnOf(tool)?.enter(execution.signal);
  using watched = whileItRuns(execution);
  const result = await withinLimits(subject, execution, async (signal) => {
    const context = contextOf(watched.execution, signal, given);
    return await ('module' in tool
      ? runInProcess(name, tool, { input, context, runtime })
      : tool.execute(input, context));
  });
  if (result instanceof InputRequired) return result;
  const checked = checkResult(name, result, runtime.maxOutputBytes);
  if (tool.output !== undefined) await checkShape(name, tool.output, checked);
  return checked;
}

/** What a tool leaves behind, as after its time, tells nobody anything: the events of its run may have ended. */
function whileItRuns(execution: ToolExecution): Disposable & { execution: ToolExecution } {
  let isOver = false;
  const progress = (message: string): void => {
    if (!isOver) execution.progress(message);
  };
  return {
    execution: { ...execution, progress },
    [Symbol.dispose]: () => {
      isOver = true;
    },
  };
}

const turnstiles = new WeakMap<RunningTool, Turnstile>();
const originals = new WeakMap<RunningTool, RunningTool>();

/** Lets the calls of a copy that is made for one run wait for their turn with those of all others. */
export const waitsAs = (copy: RunningTool, original: RunningTool): void => {
  originals.set(copy, original);
};

/** Where a call of a tool with bounded concurrency waits for its turn: one for all runs of this process. */
function turnOf(tool: RunningTool): Turnstile | undefined {
  if (tool.concurrency === undefined) return undefined;
  const own = originals.get(tool) ?? tool;
  const turnstile = turnstiles.get(own) ?? new Turnstile(tool.concurrency);
  turnstiles.set(own, turnstile);
  return turnstile;
}

/** Throws `tool_failed`, with the path of each problem, for a result that the tool did not promise. */
async function checkShape(name: string, output: ToolOutput, result: Json | undefined): Promise<void> {
  const checked = await checkOutputBy(output, result ?? null).catch((thrown) => {
    throw isOpspawnError(thrown)
      ? thrown
      : badResult(name, `could not be checked: ${describeThrown(thrown)}`, thrown);
  });
  if (!checked.ok) throw badResult(name, `is not what it promises:\n${checked.problems}`);
}

interface ProcessRun {
  input: unknown;
  context: ToolContext;
  runtime: ToolRuntime;
}

async function runInProcess(
  tool: string,
  { module, memoryMb = defaultMemoryMb, reuse, ...tier }: ProcessTool<never> | SandboxTool<never>,
  { input, context, runtime: { processes, maxOutputBytes } }: ProcessRun,
): Promise<Json | undefined> {
  if (!isJson(input)) {
    throw new OpspawnError(
      'tool_failed',
      `The input of the tool ${tool} is no JSON: it cannot go to a process`,
      {
        retryable: false,
        details: { tool },
      },
    );
  }
  return await (processes ?? sharedProcessPool()).run({
    tool,
    module,
    memoryMb,
    reuse,
    ...(tier.isolation === 'sandbox' && { sandbox: tier.sandbox ?? {} }),
    input,
    context,
    maxOutputBytes,
  });
}

/** Asks a tool whether an effect in doubt was done. Throws as `executeTool` does. */
export async function reconcileTool(
  subject: ToolSubject,
  execution: ToolExecution,
  runtime: ToolRuntime,
): Promise<Reconciliation<Json>> {
  const { name, tool, input } = subject;
  const given = await givenTo(subject, runtime);
  const found = await withinLimits(subject, execution, async (signal) =>
    tool.reconcile?.(input, contextOf(execution, signal, given)),
  );
  if (found?.outcome !== 'done') return found ?? { outcome: 'unknown' };
  return { outcome: 'done', result: checkResult(name, found.result, runtime.maxOutputBytes) ?? null };
}

type Given = Pick<ToolContext, 'secrets' | 'context'>;

/** What this tool declares, and no other one gets. */
async function givenTo(subject: ToolSubject, { secrets, toolContext = {} }: ToolRuntime): Promise<Given> {
  const { name, tool } = subject;
  const given = { secrets: await readSecrets(subject, secrets) };
  if (tool.context === undefined) return given;
  const checked = await checkByStandardSchema(tool.context)(toolContext[name]);
  if (checked.ok) return { ...given, context: checked.value };
  throw new OpspawnError(
    'config_invalid',
    `The toolContext of ${name} is not as it declares:\n${checked.problems}`,
    { details: { tool: name } },
  );
}

async function readSecrets({ name, tool }: ToolSubject, secrets: Secrets): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for (const secret of tool.secrets ?? []) {
    const value = await secrets.get(secret);
    if (value === undefined) {
      throw new OpspawnError(
        'config_invalid',
        `The tool ${name} needs the secret ${secret}, which is not set`,
        {
          details: { tool: name, secret },
        },
      );
    }
    found[secret] = value;
  }
  return found;
}

const contextOf = (execution: ToolExecution, signal: AbortSignal, given: Given): ToolContext => ({
  callId: execution.callId,
  idempotencyKey: execution.idempotencyKey,
  signal,
  ...given,
  ...(execution.resumed && { resumed: execution.resumed }),
  progress: (message) => execution.progress(String(message)),
});

/** Gives `work` a signal that ends with its time or with the call, and does not wait for work that ignores it. */
async function withinLimits<T>(
  { name, timeoutMs }: ToolSubject,
  { signal }: ToolExecution,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  signal.throwIfAborted();
  const controller = new AbortController();
  const follow = () => controller.abort(signal.reason);
  signal.addEventListener('abort', follow, { once: true });
  const disarm = systemClock.after(timeoutMs, () =>
    controller.abort(new TimeoutError(`The tool ${name} (${timeoutMs} ms)`)),
  );
  const ended = new Promise<never>((_, reject) => {
    controller.signal.addEventListener('abort', () => reject(controller.signal.reason), { once: true });
  });
  try {
    return await Promise.race([work(controller.signal), ended]);
  } catch (thrown) {
    controller.signal.throwIfAborted();
    throw toolError(name, thrown);
  } finally {
    disarm();
    signal.removeEventListener('abort', follow);
  }
}

function toolError(name: string, thrown: unknown): OpspawnError {
  if (isOpspawnError(thrown)) return thrown;
  return new OpspawnError('tool_failed', `The tool ${name} failed: ${describeThrown(thrown)}`, {
    cause: thrown,
    details: { tool: name },
  });
}

/** The result as it comes back from JSON, so that nothing that the tool still holds can change it. */
function checkResult(name: string, result: unknown, maxBytes: number): Json | undefined {
  const text = encodeResult(name, result, maxBytes);
  if (text === undefined) return undefined;
  if (Buffer.byteLength(text) > maxBytes) throw tooLarge(name, maxBytes);
  return JSON.parse(text) as Json;
}

function encodeResult(name: string, result: unknown, maxBytes: number): string | undefined {
  try {
    if (!isLargerThan(result, maxBytes)) return encodeJson(result, 'result');
  } catch (thrown) {
    const reason =
      thrown instanceof RangeError ? 'it is nested too deeply or too large' : describeThrown(thrown);
    throw badResult(name, `is no JSON: ${reason}`, thrown);
  }
  throw tooLarge(name, maxBytes);
}

const tooLarge = (name: string, maxBytes: number): OpspawnError =>
  badResult(name, `is too large: at most ${maxBytes} bytes are allowed`);

/** Running it again would give the same, and would have its effect again. */
const badResult = (name: string, problem: string, cause?: unknown): OpspawnError =>
  new OpspawnError('tool_failed', `The result of the tool ${name} ${problem}`, {
    retryable: false,
    details: { tool: name },
    ...(cause === undefined ? {} : { cause }),
  });
