import { setTimeout as sleep } from 'node:timers/promises';
import {
  type CallToolResult,
  Client,
  type GetPromptResult,
  type Tool as McpTool,
  type Prompt,
  type ReadResourceResult,
  type RequestOptions,
  type Resource,
  type ResourceTemplateType,
  SdkError,
  SdkErrorCode,
  type StreamableHTTPClientTransport,
} from '@modelcontextprotocol/client';
import { OpspawnError } from '../errors.ts';
import type { Json } from '../json.ts';
import type { Asked, Continuation } from './asked.ts';
import { failBrokenStreams } from './broken-streams.ts';
import type { ConnectionOptions } from './connection-options.ts';
import { withNotices } from './library-notices.ts';
import { openTransport } from './open-transport.ts';
import { progressReporter } from './progress-reporter.ts';
import { RawToolLists } from './raw-tool-lists.ts';
import { messageOf, requestFailure } from './request-failure.ts';
import { StdioTransport } from './stdio-transport.ts';
import { type AskingContext, type RequestContext, type ToolCallOptions, ToolCalls } from './tool-calls.ts';
import { digestOfTool } from './tool-pins.ts';

/** A tool as the library understood it, and all that the server said of it. */
export interface ListedTool {
  tool: McpTool;
  definition: Json;
  digest: string;
}

export interface ListedOffers {
  resources: readonly Resource[];
  resourceTemplates: readonly ResourceTemplateType[];
  prompts: readonly Prompt[];
}

interface ReadOptions {
  signal: AbortSignal;
  continuation: Continuation;
}

const clientInfo = { name: 'opspawn', version: '0.1.0' };
/** For a server of the older era that answers neither unknown requests nor a ping before it is initialized. */
const maxProbeMs = 10_000;
/** The same over HTTP, where a server runs already when it is asked. */
const maxHttpProbeMs = 5_000;
/** A server that lets a call time out must answer a ping in this time (or a call's, if shorter), or it is restarted. */
const maxPingMs = 10_000;

/** So long a server over HTTP may take to hear that its session is over. */
const maxGoodbyeMs = 1_000;

/** The library falls back to the older era only where it can be sure, which it never is over HTTP. */
const probeErrors: ReadonlySet<SdkErrorCode> = new Set([
  SdkErrorCode.EraNegotiationFailed,
  SdkErrorCode.RequestTimeout,
]);

/** One connection to one server: over the life of one process for stdio, until the first broken call for HTTP. */
export class Connection {
  /**
   * Resolves when no new request can be made, with the reason when that was not `close`. Over HTTP earlier ones may still
   * be under way then.
   */
  readonly closed: Promise<string | undefined>;
  /** Resolves when the last of them is answered. */
  readonly ended: Promise<void>;
  readonly #options: ConnectionOptions;
  readonly #client: Client;
  readonly #transport: StdioTransport | StreamableHTTPClientTransport;
  readonly #rawLists = new RawToolLists({
    onFlood: (reason) => this.#fail(reason),
    onInvalid: (reason) => this.#options.onLine('host', reason),
  });
  readonly #calls: ToolCalls;
  #tools: { listed: Promise<readonly ListedTool[]>; askedAt: number } | undefined;
  #resolveClosed: (reason: string | undefined) => void = () => {};
  #requests = 0;
  #diedAtProbe = false;
  #isPinged = false;
  #failure: string | undefined;

  constructor(options: ConnectionOptions) {
    this.#options = options;
    this.#transport = this.#withNotices(() => openTransport(options));
    const { startTimeoutMs, transport } = options.config;
    const longestMs = transport.kind === 'http' ? maxHttpProbeMs : maxProbeMs;
    const timeoutMs = Math.min(longestMs, startTimeoutMs / 2);
    this.#client = new Client(clientInfo, {
      versionNegotiation: { mode: 'auto', probe: { timeoutMs } },
      // results are checked by ours, which a server's pattern cannot keep busy for ever
      jsonSchemaValidator: {
        getValidator: () => (data) => ({ valid: true, data: data as never, errorMessage: undefined }),
      },
      // a person may take days: what is asked goes through the run, not through the library
      inputRequired: { autoFulfill: false },
      capabilities: options.config.elicitation ? { elicitation: { form: {}, url: {} } } : {},
      listChanged: {
        tools: { autoRefresh: false, debounceMs: 0, onChanged: () => (this.#tools = undefined) },
      },
    });
    this.#calls = new ToolCalls({
      client: this.#client,
      config: options.config,
      request: (context, send) => this.#request(context, send),
    });
    if (options.config.elicitation)
      this.#client.setRequestHandler('elicitation/create', ({ params }, { mcpReq }) =>
        this.#calls.ask(params, mcpReq.signal),
      );
    this.#client.onerror = (error) => options.onLine('protocol', error.message);
    this.closed = new Promise((resolve) => {
      this.#resolveClosed = resolve;
    });
    this.ended = new Promise((resolve) => {
      this.#client.onclose = () => {
        this.#resolveClosed(this.#reason());
        resolve();
      };
    });
  }

  get pid(): number | undefined {
    return this.#transport instanceof StdioTransport ? this.#transport.pid : undefined;
  }

  /** It is about to be gone, and takes no new requests. */
  get isFailing(): boolean {
    return this.#failure !== undefined;
  }

  get isLegacy(): boolean {
    return this.#client.getProtocolEra() === 'legacy';
  }

  #reason(): string | undefined {
    return this.#failure ?? (this.#transport instanceof StdioTransport ? this.#transport.failure : undefined);
  }

  /** `open` failed in a way that servers have which die of the newer era's first request, or never answer it. */
  get diedAtProbe(): boolean {
    return this.#diedAtProbe;
  }

  /** Starts the server and agrees on a protocol. Throws `mcp_failed`; nothing is left of the server then. */
  async open(): Promise<void> {
    const { config, isLegacy } = this.#options;
    const late = `was not ready within ${config.startTimeoutMs} ms`;
    const timer = setTimeout(() => this.#fail(late), config.startTimeoutMs);
    try {
      const connecting = {
        timeout: config.startTimeoutMs,
        ...(isLegacy && { prior: { kind: 'legacy' as const } }),
      };
      await this.#withNotices(() => this.#client.connect(this.#transport, connecting));
      this.#rawLists.watch(this.#transport);
      if (!(this.#transport instanceof StdioTransport)) failBrokenStreams(this.#transport);
    } catch (cause) {
      const reason = this.#reason() ?? messageOf(cause);
      await this.close();
      const isProbeError = cause instanceof SdkError && probeErrors.has(cause.code);
      this.#diedAtProbe = isProbeError && reason !== late;
      const said = cause instanceof OpspawnError ? cause.details : {};
      throw this.#error(reason, { cause, details: { ...said, outcome: 'not_done' } });
    } finally {
      clearTimeout(timer);
    }
  }

  /**
   * All tools that the server has. Asked for once, again after the server said that they changed, and again when what is
   * known is older than `maxAgeMs`: not every server says so.
   */
  tools(maxAgeMs = Number.POSITIVE_INFINITY): Promise<readonly ListedTool[]> {
    const known = this.#tools;
    if (known !== undefined && performance.now() - known.askedAt <= maxAgeMs) return known.listed;
    // one list at a time, so that the raw definitions are those of one list
    const listed = Promise.resolve(known?.listed).then(
      () => this.#listTools(),
      () => this.#listTools(),
    );
    const asked = { listed, askedAt: performance.now() };
    this.#tools = asked;
    listed.catch(() => {
      if (this.#tools === asked) this.#tools = undefined;
    });
    return listed;
  }

  async #listTools(): Promise<readonly ListedTool[]> {
    if (this.#client.getServerCapabilities()?.tools === undefined) return [];
    this.#rawLists.begin();
    const { tools } = await this.#request({ subject: 'tools/list' }, (options) =>
      this.#client.listTools(undefined, { ...options, cacheMode: 'refresh' }),
    );
    return tools.flatMap((tool) => {
      const definition = this.#rawLists.definition(tool.name);
      if (definition === undefined) return [];
      return [{ tool, definition, digest: digestOfTool(definition) }];
    });
  }

  /** See `ToolCalls.call`. */
  callTool(call: ToolCallOptions, context: AskingContext): Promise<CallToolResult | Asked> {
    return this.#calls.call(call, context, this.isLegacy);
  }

  /** What can be read and asked for, beside tools. Throws as `callTool`. */
  async offers(signal: AbortSignal): Promise<ListedOffers> {
    const { resources, prompts } = this.#client.getServerCapabilities() ?? {};
    const ask = <T>(subject: string, send: (options: RequestOptions) => Promise<T>): Promise<T> =>
      this.#request({ signal, subject }, send);
    const [listed, templates, offered] = await Promise.all([
      resources && ask('resources/list', (options) => this.#client.listResources(undefined, options)),
      resources && this.#templates(ask),
      prompts && ask('prompts/list', (options) => this.#client.listPrompts(undefined, options)),
    ]);
    return {
      resources: listed?.resources ?? [],
      resourceTemplates: templates ?? [],
      prompts: offered?.prompts ?? [],
    };
  }

  /** Many servers with resources know of no templates. */
  async #templates(
    ask: <T>(subject: string, send: (options: RequestOptions) => Promise<T>) => Promise<T>,
  ): Promise<readonly ResourceTemplateType[]> {
    try {
      const subject = 'resources/templates/list';
      return (await ask(subject, (options) => this.#client.listResourceTemplates(undefined, options)))
        .resourceTemplates;
    } catch (thrown) {
      if (thrown instanceof OpspawnError && thrown.code === 'tool_failed') return [];
      throw thrown;
    }
  }

  /** Gives and throws as `callTool`. */
  readResource(uri: string, { signal, continuation }: ReadOptions): Promise<ReadResourceResult | Asked> {
    const context = { signal, subject: `resource ${uri}` };
    return this.#calls.inRounds(context, continuation, (options, rounds) =>
      this.#client.readResource({ uri, ...rounds }, { ...options, cacheMode: 'bypass' }),
    );
  }

  /** Gives and throws as `callTool`. */
  getPrompt(
    { name, values }: { name: string; values: Record<string, string> },
    { signal, continuation }: ReadOptions,
  ): Promise<GetPromptResult | Asked> {
    const context = { signal, subject: `prompt ${name}` };
    return this.#calls.inRounds(context, continuation, (options, rounds) =>
      this.#client.getPrompt({ name, arguments: values, ...rounds }, options),
    );
  }

  /** Resolves when nothing of the server is left. Never throws. */
  async close(): Promise<void> {
    if (!this.isFailing && !(this.#transport instanceof StdioTransport)) {
      await Promise.race([this.#transport.terminateSession().catch(() => {}), sleep(maxGoodbyeMs)]);
    }
    await Promise.allSettled([this.#client.close(), this.#transport.close()]);
  }

  async #request<T>(context: RequestContext, send: (options: RequestOptions) => Promise<T>): Promise<T> {
    const { signal, subject, onProgress, timeoutMs = this.#options.config.callTimeoutMs } = context;
    const { server, config } = this.#options;
    const { callTimeoutMs } = config;
    this.#requests += 1;
    try {
      const sending = {
        timeout: timeoutMs,
        ...(signal !== undefined && { signal }),
        ...(onProgress !== undefined && { onprogress: progressReporter(onProgress) }),
      };
      return await this.#withNotices(() => send(sending));
    } catch (cause) {
      // the library reports an abort as its time-out
      if (signal?.aborted) throw signal.reason;
      const hasSession =
        !(this.#transport instanceof StdioTransport) && this.#transport.sessionId !== undefined;
      const failure = requestFailure(cause, {
        server,
        subject,
        callTimeoutMs,
        hasSession,
        reason: this.pid === undefined ? undefined : this.#reason(),
        redact: this.#options.redact,
      });
      if (failure.kind === 'timedOut') void this.#killIfHung();
      // of a process it is known when it ends
      if (failure.kind === 'lost' && this.pid === undefined) this.#fail(messageOf(cause));
      throw failure.error;
    } finally {
      this.#requests -= 1;
      if (this.#requests === 0 && this.isFailing) void this.close();
    }
  }

  #withNotices<T>(work: () => T): T {
    return withNotices((line) => this.#options.onLine('host', line), work);
  }

  /** A server that is busy with a long call still answers; one that hangs would fail every call from now on. */
  async #killIfHung(): Promise<void> {
    if (this.#isPinged) return;
    this.#isPinged = true;
    try {
      const options = { timeout: Math.min(maxPingMs, this.#options.config.callTimeoutMs) };
      await (this.isLegacy ? this.#client.ping(options) : this.#client.discover(options));
    } catch (error) {
      if (error instanceof SdkError && error.code === SdkErrorCode.RequestTimeout)
        this.#fail('stopped answering');
    }
    this.#isPinged = false;
  }

  /** A process is killed. Over HTTP, requests that are under way may still be answered, while a new connection is made. */
  #fail(failure: string): void {
    this.#failure ??= failure;
    if (this.#transport instanceof StdioTransport) this.#transport.fail(failure);
    else {
      this.#resolveClosed(failure);
      if (this.#requests === 0) void this.close();
    }
  }

  #error(reason: string, options: { cause: unknown; details: Record<string, unknown> }): OpspawnError {
    const { server, redact } = this.#options;
    return new OpspawnError('mcp_failed', `MCP server ${server}: ${redact(reason)}`, {
      cause: options.cause,
      details: { server, ...options.details },
    });
  }
}
