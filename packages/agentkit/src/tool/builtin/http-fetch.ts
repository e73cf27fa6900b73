import type { IncomingMessage } from 'node:http';
import { type BlockList, isIPv6 } from 'node:net';
import { z } from 'zod';
import { callable, checkOptions, count } from '../../check-options.ts';
import { OpspawnError } from '../../errors.ts';
import { sendRequest } from '../../http/send-request.ts';
import { defineTool } from '../define-tool.ts';
import { checkedAddress, type HostAddress, type Resolve, rangesOf, resolveByDns } from './public-address.ts';

export interface HttpFetchOptions {
  /** Only these hosts; `*.example.com` stands for those below it. Default: every host. */
  hosts?: readonly string[];
  /** Ranges that are not public and may be reached all the same, in CIDR notation. Default: none. */
  allowRanges?: readonly string[];
  /** What is read of an answer, after which it is cut. Default 1,000,000. */
  maxBytes?: number;
  /** For all of a call, redirects and body included. Default 30,000. */
  timeoutMs?: number;
  /** Default 5. */
  maxRedirects?: number;
  /** Finds the addresses of a host. Default: the system's resolver. */
  resolve?: Resolve;
}

interface Rules {
  hosts: readonly string[] | undefined;
  allowed: BlockList;
  maxBytes: number;
  resolve: Resolve;
}

const readable = /^(?:text\/|application\/(?:x-|[\w.-]+\+)?(?:json|xml|yaml|toml|ndjson|javascript)\b)/i;

/**
 * As the parser of URLs writes the hosts that are compared with it: small letters, Punycode, one notation of an address, no
 * dot at the end. Undefined for what is no host.
 */
function hostPatternOf(text: string): string | undefined {
  const [, wildcard = '', named = ''] = /^(\*\.)?(.*)$/s.exec(text) ?? [];
  const host = isIPv6(named) ? `[${named}]` : named;
  const url = URL.parse(`http://${host}`);
  const isHost = url?.href === `http://${url?.host}/` && !/^\.|\*|:\d*$/.test(host);
  return isHost ? wildcard + hostOf(url) : undefined;
}

const optionsSchema = z.strictObject({
  hosts: z
    .array(
      z
        .string()
        .refine(
          (text) => hostPatternOf(text) !== undefined,
          'must be a host alone, example.com or *.example.com',
        ),
    )
    .optional(),
  allowRanges: z.array(z.string()).optional(),
  maxBytes: count.optional(),
  timeoutMs: count.optional(),
  maxRedirects: z.int().nonnegative().optional(),
  resolve: callable.optional(),
} satisfies Record<keyof HttpFetchOptions, z.ZodType>);

/**
 * `http_fetch`: reads pages of the public internet (GET, http and https). Every address is resolved, checked and then
 * connected to itself, at each redirect anew, so that no name leads to this machine or its network. Throws
 * `invalid_argument` for options that are not known: a misspelt `hosts` would mean every host.
 */
export function httpFetch(options: HttpFetchOptions = {}) {
  checkOptions('The tool http_fetch', optionsSchema, options, 'invalid_argument');
  const { hosts, allowRanges = [], maxBytes = 1_000_000, timeoutMs = 30_000, maxRedirects = 5 } = options;
  const patterns = hosts?.map((text) => hostPatternOf(text) ?? text);
  const rules = {
    hosts: patterns,
    allowed: rangesOf(allowRanges),
    maxBytes,
    resolve: options.resolve ?? resolveByDns,
  };
  return defineTool({
    description: `Reads a page or a text from the internet (GET), at most ${maxBytes} bytes`,
    input: z.object({ url: z.string().max(2_000).describe('http:// or https://') }),
    annotations: { readOnlyHint: true, openWorldHint: true },
    timeoutMs,
    async execute({ url: asked }, { signal }) {
      let url = checkedUrl(asked, undefined, rules);
      for (let redirects = 0; ; redirects += 1) {
        const address = await checkedAddress(hostOf(url), rules.allowed, rules.resolve);
        const response = await get(url, address, signal);
        const { statusCode: status = 0, headers } = response;
        if (![301, 302, 303, 307, 308].includes(status) || headers.location === undefined) {
          return { url: url.href, status, ...(await read(response, maxBytes)) };
        }
        response.destroy();
        if (redirects === maxRedirects) throw failed(`${asked} redirects more than ${maxRedirects} times`);
        url = checkedUrl(headers.location, url, rules);
      }
    },
  });
}

/** The parser makes one notation of all those of an address: octal, hexadecimal, short and as one number. */
function checkedUrl(text: string, base: URL | undefined, { hosts }: Rules): URL {
  const url = URL.parse(text, base);
  if (url === null) throw failed(`${JSON.stringify(text)} is no URL`);
  if (url.protocol !== 'http:' && url.protocol !== 'https:')
    throw denied(`${url.protocol} is neither http nor https`);
  if (url.username !== '' || url.password !== '') throw denied('A URL may not carry a name or a password');
  if (hosts !== undefined && !hosts.some((pattern) => fitsHost(pattern, hostOf(url)))) {
    throw denied(`The host ${hostOf(url)} is none of those that may be asked`);
  }
  return url;
}

const hostOf = ({ hostname }: URL): string => hostname.replace(/^\[|\]$/g, '').replace(/\.$/, '');

const fitsHost = (pattern: string, host: string): boolean =>
  pattern.startsWith('*.') ? host.endsWith(pattern.slice(1)) : host === pattern;

/** Connects to the checked address: the name is not resolved again. */
async function get(url: URL, at: HostAddress, signal: AbortSignal): Promise<IncomingMessage> {
  const headers = { accept: 'text/*, application/json;q=0.9, */*;q=0.1', 'accept-encoding': 'identity' };
  try {
    return await sendRequest(url, { headers, signal, at });
  } catch (cause) {
    throw signal.aborted ? signal.reason : failed(`${url.host}: ${(cause as Error).message}`, cause);
  }
}

/** The text of an answer up to the limit. The rest is not waited for. */
async function read(response: IncomingMessage, maxBytes: number) {
  const { 'content-type': contentType = 'text/plain', 'content-encoding': encoding = 'identity' } =
    response.headers;
  await using _closed = { [Symbol.asyncDispose]: async () => void response.destroy() };
  if (encoding.toLowerCase() !== 'identity')
    throw failed(`The answer is packed as ${encoding}, though that was not asked for`);
  if (!readable.test(contentType)) throw failed(`The answer is ${contentType}, which is no text`);
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) {
      chunks.push(chunk);
      size += chunk.length;
      if (size > maxBytes) break;
    }
  } catch (cause) {
    throw failed(`The answer broke off after ${size} bytes`, cause);
  }
  const text = decoderFor(contentType).decode(Buffer.concat(chunks).subarray(0, maxBytes), {
    stream: size > maxBytes,
  });
  return { contentType, text, ...(size > maxBytes && { isCut: true }) };
}

function decoderFor(contentType: string): TextDecoder {
  const [, charset = 'utf-8'] = /charset="?([\w-]+)/i.exec(contentType) ?? [];
  try {
    return new TextDecoder(charset);
  } catch {
    return new TextDecoder();
  }
}

const denied = (message: string): OpspawnError => new OpspawnError('tool_denied', message);
const failed = (message: string, cause?: unknown): OpspawnError =>
  new OpspawnError('tool_failed', message, { cause, retryable: cause !== undefined });
