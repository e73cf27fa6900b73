import {
  type CallToolResult,
  Client,
  type Tool as McpTool,
  type ProgressCallback,
  ProtocolError,
  type ReadResourceResult,
  type RequestOptions,
  type Resource,
  SdkError,
  SdkErrorCode,
  StreamableHTTPClientTransport,
} from '@modelcontextprotocol/client';
import { getDefaultEnvironment } from '@modelcontextprotocol/client/stdio';
import { OpspawnError } from '../errors.ts';
import type { McpServerConfig } from './mcp-config.ts';
import { StdioTransport } from './stdio-transport.ts';

/** `stderr`: the server's own log. `protocol`: what it sent that is no message. `host`: what happens to the server. */
export type McpLogSource = 'stderr' | 'protocol' | 'host';

export interface ConnectionOptions {
  server: string;
  config: McpServerConfig;
  /** What every server's process gets, before the variables of its own. Default: PATH, HOME and the like. */
  environment?: Readonly<Record<string, string>> | undefined;
  onLine(source: McpLogSource, line: string): void;
  /** The server is known to speak only the protocols before 2026-07-28. */
  isLegacy: boolean;
}

interface RequestContext {
  signal?: AbortSignal;
  /** What is asked, for messages: a tool's name. */
  subject: string;
  onProgress?: (message: string) => void;
}

const clientInfo = { name: 'opspawn', version: '0.1.0' };
/** A server of the older era that never answers unknown requests costs this much at its first start. */
const maxProbeMs = 5_000;
/** A server that lets a call time out must answer a ping in this time (or a call's, if shorter), or it is restarted. */
const maxPingMs = 10_000;

/** One connection to one server: over the life of one process for stdio, until the first broken call for HTTP. */
export class Connection {
  /** Resolves when the connection is gone, with the reason when it was not `close`. */
  readonly closed: Promise<string | undefined>;
  readonly #options: ConnectionOptions;
  readonly #client: Client;
  readonly #transport: StdioTransport | StreamableHTTPClientTransport;
  #tools: Promise<readonly McpTool[]> | undefined;
  #diedAtProbe = false;
  #isPinged = false;
  #failure: string | undefined;

  constructor(options: ConnectionOptions) {
    this.#options = options;
    this.#transport = transportOf(options);
    const { startTimeoutMs } = options.config;
    this.#client = new Client(clientInfo, {
      versionNegotiation: { mode: 'auto', probe: { timeoutMs: Math.min(maxProbeMs, startTimeoutMs / 2) } },
      listChanged: {
        tools: { autoRefresh: false, debounceMs: 0, onChanged: () => (this.#tools = undefined) },
      },
    });
    this.#client.onerror = (error) => options.onLine('protocol', error.message);
    this.closed = new Promise((resolve) => {
      this.#client.onclose = () => resolve(this.#reason());
    });
  }

  get pid(): number | undefined {
    return this.#transport instanceof StdioTransport ? this.#transport.pid : undefined;
  }

  get isLegacy(): boolean {
    return this.#client.getProtocolEra() === 'legacy';
  }

  #reason(): string | undefined {
    return this.#failure ?? (this.#transport instanceof StdioTransport ? this.#transport.failure : undefined);
  }

  /** `open` failed in a way that servers have which die of the newer era's first request. */
  get diedAtProbe(): boolean {
    return this.#diedAtProbe;
  }

  /** Starts the server and agrees on a protocol. Throws `mcp_failed`; nothing is left of the server then. */
  async open(): Promise<void> {
    const { config, isLegacy } = this.#options;
    const late = `was not ready within ${config.startTimeoutMs} ms`;
    const timer = setTimeout(() => this.#fail(late), config.startTimeoutMs);
    try {
      await this.#client.connect(this.#transport, {
        timeout: config.startTimeoutMs,
        ...(isLegacy && { prior: { kind: 'legacy' as const } }),
      });
    } catch (cause) {
      const reason = this.#reason() ?? messageOf(cause);
      await this.close();
      const isProbeError = cause instanceof SdkError && cause.code === SdkErrorCode.EraNegotiationFailed;
      this.#diedAtProbe = isProbeError && reason !== late;
      throw this.#error(reason, { cause, details: { outcome: 'not_done' } });
    } finally {
      clearTimeout(timer);
    }
  }

  /** All tools that the server has. Asked for once, and again after the server said that they changed. */
  tools(): Promise<readonly McpTool[]> {
    const known = this.#tools;
    if (known !== undefined) return known;
    if (this.#client.getServerCapabilities()?.tools === undefined) return Promise.resolve([]);
    const asked = this.#request({ subject: 'tools/list' }, async (options) => {
      return (await this.#client.listTools(undefined, { ...options, cacheMode: 'refresh' })).tools;
    });
    this.#tools = asked;
    asked.catch(() => {
      if (this.#tools === asked) this.#tools = undefined;
    });
    return asked;
  }

  /** Throws `tool_failed` for what the server refuses, `timeout`, `mcp_failed`, or the signal's reason. */
  callTool(
    call: { tool: string; input: Record<string, unknown>; idempotencyKey: string },
    context: Omit<RequestContext, 'subject'>,
  ): Promise<CallToolResult> {
    const { tool, input, idempotencyKey } = call;
    return this.#request({ ...context, subject: tool }, (options) =>
      this.#client.callTool(
        { name: tool, arguments: input, _meta: { 'opspawn/idempotencyKey': idempotencyKey } },
        options,
      ),
    );
  }

  /** Throws as `callTool`. */
  async resources(signal: AbortSignal): Promise<readonly Resource[]> {
    if (this.#client.getServerCapabilities()?.resources === undefined) return [];
    const list = await this.#request({ signal, subject: 'resources/list' }, (options) =>
      this.#client.listResources(undefined, options),
    );
    return list.resources;
  }

  /** Throws as `callTool`. */
  readResource(uri: string, signal: AbortSignal): Promise<ReadResourceResult> {
    return this.#request({ signal, subject: `resource ${uri}` }, (options) =>
      this.#client.readResource({ uri }, options),
    );
  }

  /** Resolves when nothing of the server is left. Never throws. */
  async close(): Promise<void> {
    await Promise.allSettled([this.#client.close(), this.#transport.close()]);
  }

  async #request<T>(context: RequestContext, send: (options: RequestOptions) => Promise<T>): Promise<T> {
    const { signal, subject, onProgress } = context;
    const { callTimeoutMs } = this.#options.config;
    try {
      return await send({
        timeout: callTimeoutMs,
        ...(signal !== undefined && { signal }),
        ...(onProgress !== undefined && { onprogress: progressReporter(onProgress) }),
      });
    } catch (cause) {
      // the library reports an abort as its time-out
      if (signal?.aborted) throw signal.reason;
      if (cause instanceof ProtocolError) {
        throw new OpspawnError('tool_failed', cause.message, {
          cause,
          retryable: false,
          details: { subject },
        });
      }
      const outcome = { subject, outcome: 'unknown' };
      if (cause instanceof SdkError && cause.code === SdkErrorCode.RequestTimeout) {
        void this.#killIfHung();
        const message = `MCP server ${this.#options.server} did not answer ${subject} within ${callTimeoutMs} ms`;
        throw new OpspawnError('timeout', message, {
          cause,
          details: { server: this.#options.server, ...outcome },
        });
      }
      if (!(this.#transport instanceof StdioTransport)) this.#fail(messageOf(cause));
      throw this.#error(`${this.#reason() ?? messageOf(cause)} (during ${subject})`, {
        cause,
        details: outcome,
      });
    }
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

  #fail(failure: string): void {
    this.#failure ??= failure;
    if (this.#transport instanceof StdioTransport) this.#transport.fail(failure);
    else void this.close();
  }

  #error(reason: string, options: { cause: unknown; details: Record<string, unknown> }): OpspawnError {
    const { server } = this.#options;
    return new OpspawnError('mcp_failed', `MCP server ${server}: ${reason}`, {
      cause: options.cause,
      details: { server, ...options.details },
    });
  }
}

function transportOf({
  config,
  environment,
  onLine,
}: ConnectionOptions): StdioTransport | StreamableHTTPClientTransport {
  const { transport } = config;
  if (transport.kind === 'http') {
    return new StreamableHTTPClientTransport(new URL(transport.url), {
      requestInit: { headers: transport.headers },
    });
  }
  const { command, args, env, cwd } = transport;
  return new StdioTransport({
    command,
    args,
    env: { ...(environment ?? getDefaultEnvironment()), ...env },
    cwd,
    onLine,
  });
}

/** `fetch failed` says why only in its cause. */
function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? `${error.message}: ${error.cause.message}` : error.message;
}

const minProgressGapMs = 50;

/** Progress as a line of text; a flood of it is thinned out. */
function progressReporter(report: (message: string) => void): ProgressCallback {
  let lastAt = Number.NEGATIVE_INFINITY;
  return ({ progress, total, message }) => {
    const now = performance.now();
    if (now - lastAt < minProgressGapMs) return;
    lastAt = now;
    const count = total === undefined ? `${progress}` : `${progress}/${total}`;
    report(message === undefined ? count : `${count} ${message}`);
  };
}
