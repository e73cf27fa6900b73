/** Calls of tools, and what servers ask in the middle of them, in both eras of the protocol. */
import type { CallToolResult, Client, Tool as McpTool, RequestOptions } from '@modelcontextprotocol/client';
import { OpspawnError } from '../errors.ts';
import { Asked, type Continuation } from './asked.ts';
import { askedInRounds, askedToVisit } from './asked-in-answer.ts';
import type { ElicitReply } from './elicitation.ts';
import type { McpServerConfig } from './mcp-config.ts';
import { OpenCall, type Question } from './open-call.ts';
import { Questions } from './questions.ts';
import { checkStructure } from './structured-result.ts';

export interface RequestContext {
  signal?: AbortSignal | undefined;
  /** Default: the server's `callTimeoutMs`. */
  timeoutMs?: number;
  /** What is asked, for messages: a tool's name. */
  subject: string;
  onProgress?: ((message: string) => void) | undefined;
}

export interface ToolCallOptions {
  tool: McpTool;
  input: Record<string, unknown>;
  idempotencyKey: string;
  continuation: Continuation;
}

export interface AskingContext extends Pick<RequestContext, 'onProgress'> {
  signal: AbortSignal;
}

type Held = NonNullable<Continuation['held']>;

/** One request, with what it throws as an error of ours. */
type SendRequest = <T>(context: RequestContext, send: (options: RequestOptions) => Promise<T>) => Promise<T>;

/** So often in a row a server may ask for the same request without a question. */
const maxSilentRounds = 10;
const maxTimerMs = 2 ** 31 - 1;

/** The calls over one connection. */
export class ToolCalls {
  readonly #client: Client;
  readonly #config: McpServerConfig;
  readonly #request: SendRequest;
  readonly #questions = new Questions();

  constructor(over: { client: Client; config: McpServerConfig; request: SendRequest }) {
    this.#client = over.client;
    this.#config = over.config;
    this.#request = over.request;
  }

  /** A question of a server of the older era. See `Questions.ask`. */
  ask(params: unknown, signal: AbortSignal): Promise<ElicitReply> {
    return this.#questions.ask(params, signal);
  }

  /**
   * The result, or what a person has to say first. Throws `tool_failed` for what the server refuses, `timeout`,
   * `mcp_failed`, or the signal's reason.
   */
  async call(
    call: ToolCallOptions,
    context: AskingContext,
    isLegacy: boolean,
  ): Promise<CallToolResult | Asked> {
    try {
      return await (isLegacy ? this.#callHeld(call, context) : this.#callInRounds(call, context));
    } catch (thrown) {
      const asked = thrown instanceof OpspawnError ? askedToVisit(thrown.cause) : undefined;
      if (asked === undefined || !this.#config.elicitation) throw thrown;
      return asked;
    }
  }

  async #callInRounds(call: ToolCallOptions, context: AskingContext): Promise<CallToolResult | Asked> {
    const { tool, continuation } = call;
    const { outputSchema, ...definition } = tool;
    const result = await this.inRounds({ ...context, subject: tool.name }, continuation, (options, rounds) =>
      this.#client.callTool(
        { ...paramsOf(call), ...rounds },
        // the library checks an answer that is a question by the schema of the result
        { ...options, ...(outputSchema !== undefined && { toolDefinition: definition }) },
      ),
    );
    if (!(result instanceof Asked) && outputSchema !== undefined) await checkStructure(tool, result);
    return result;
  }

  /** One that asked before goes on where it was; its time runs on. */
  async #callHeld(call: ToolCallOptions, context: AskingContext): Promise<CallToolResult | Asked> {
    const { held } = call.continuation;
    const open = held === undefined ? await this.#openCall(call, context) : await this.#answer(held, context);
    const next = await open.next(context.signal);
    if (!isQuestions(next)) {
      if (call.tool.outputSchema !== undefined) await checkStructure(call.tool, next);
      return next;
    }
    const elicitations = next.map(({ elicitation }, index) => [String(index), elicitation] as const);
    return new Asked(Object.fromEntries(elicitations), { kind: 'held', call: open });
  }

  async #answer({ call, replies }: Held, { signal }: AskingContext): Promise<Held['call']> {
    const patienceMs = this.#config.startTimeoutMs;
    try {
      const place = await this.#questions.admit(call.owner, { signal, patienceMs });
      call.answer(replies);
      this.#questions.leave(place);
    } catch (thrown) {
      call.letGo();
      throw thrown;
    }
    return call;
  }

  async #openCall(
    call: ToolCallOptions,
    { signal, onProgress }: AskingContext,
  ): Promise<OpenCall<CallToolResult>> {
    const { callTimeoutMs: timeoutMs, elicitationTimeoutMs: patienceMs, startTimeoutMs } = this.#config;
    const { answered } = call.continuation;
    const owner = call.idempotencyKey.replace(/:[^:]*$/, '');
    const place = await this.#questions.admit(owner, { signal, patienceMs: startTimeoutMs });
    const context = { subject: call.tool.name, onProgress, timeoutMs: maxTimerMs };
    const opened = new OpenCall({ owner, timeoutMs, patienceMs, answered }, (callSignal) =>
      this.#request(context, (options) =>
        this.#client.callTool(paramsOf(call), { ...options, signal: callSignal }),
      ),
    );
    this.#questions.watch(opened, place);
    return opened;
  }

  /** Asks again at once when the server only wants its state back. */
  async inRounds<T extends object>(
    context: RequestContext,
    { rounds }: Pick<Continuation, 'rounds'>,
    send: (options: RequestOptions, rounds: Continuation['rounds']) => Promise<T>,
  ): Promise<T | Asked> {
    let next = rounds;
    for (let round = 0; round < maxSilentRounds; round += 1) {
      const result = await this.#request(context, (options) =>
        send({ ...options, allowInputRequired: true }, next),
      );
      if (!('resultType' in result) || result.resultType !== 'input_required') return result;
      const asked = askedInRounds(result);
      if (Object.keys(asked.elicitations).length > 0) return asked;
      next = { ...(asked.way.kind === 'rounds' && asked.way), inputResponses: {} };
    }
    throw new OpspawnError('tool_failed', `It wants to be asked again and again`, { retryable: false });
  }
}

const paramsOf = ({ tool, input, idempotencyKey }: ToolCallOptions) => ({
  name: tool.name,
  arguments: input,
  _meta: { 'opspawn/idempotencyKey': idempotencyKey },
});

const isQuestions = (next: CallToolResult | readonly Question[]): next is readonly Question[] =>
  Array.isArray(next);
