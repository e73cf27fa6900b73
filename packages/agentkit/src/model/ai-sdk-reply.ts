import type {
  LanguageModelV4Content,
  LanguageModelV4FinishReason,
  LanguageModelV4GenerateResult,
  LanguageModelV4StreamPart,
  LanguageModelV4Usage,
} from '@ai-sdk/provider';
import { OpspawnError } from '../errors.ts';
import { isJson, type Json } from '../json.ts';
import type { AssistantMessage } from '../message.ts';
import type { ModelRequest } from './model.ts';

/** What a provider answered, streamed or not. */
export interface AiSdkReply {
  content: AssistantMessage['content'];
  usage: LanguageModelV4Usage;
  finishReason: string;
  /** The provider's own figure, where it tells one (OpenRouter). */
  costMicroUsd: number | undefined;
}

type Part = AssistantMessage['content'][number];
type SpokenPart = Extract<Part, { type: 'text' | 'reasoning' }>;
type OnDelta = NonNullable<ModelRequest['onDelta']>;
type Metadata = LanguageModelV4GenerateResult['providerMetadata'];

/** The answer of `doGenerate`. Throws `model_failed` for an answer without any content, or one that broke off. */
export function readGenerated({
  content,
  usage,
  finishReason,
  providerMetadata,
}: LanguageModelV4GenerateResult): AiSdkReply {
  const parts = content.flatMap(readContent);
  assertFinished(finishReason);
  assertAnswered(parts, usage, finishReason);
  return {
    content: parts,
    usage,
    finishReason: finishReason.unified,
    costMicroUsd: reportedCost(providerMetadata),
  };
}

export interface StreamReading {
  onDelta: OnDelta;
  /** The provider always says why it stopped: an end without a reason is a broken one. */
  alwaysSaysWhyItStopped: boolean;
}

/**
 * Reads the answer of `doStream` to its end. Throws `model_failed` when it ends without its finish part or with one
 * that says so: the SDK itself reports a connection that was cut as an ordinary end.
 */
export async function readStreamed(
  stream: ReadableStream<LanguageModelV4StreamPart>,
  { onDelta, alwaysSaysWhyItStopped }: StreamReading,
): Promise<AiSdkReply> {
  const answer = new StreamedAnswer(onDelta);
  for await (const part of stream) answer.add(part);
  const { finish, content } = answer;
  if (finish === undefined)
    throw new OpspawnError('model_failed', 'The stream ended before the answer was complete');
  const { finishReason, usage, providerMetadata } = finish;
  assertFinished(finishReason);
  const hasReason =
    finishReason.raw !== undefined || (finishReason.unified !== 'other' && !alwaysSaysWhyItStopped);
  if (!hasReason) throw brokenOff('no finish reason');
  const parts = content.filter((part) => !isEmpty(part));
  assertAnswered(parts, usage, finishReason);
  return {
    content: parts,
    usage,
    finishReason: finishReason.unified,
    costMicroUsd: reportedCost(providerMetadata),
  };
}

/** Collects the parts of one stream in the order in which they began. */
class StreamedAnswer {
  readonly content: Part[] = [];
  finish: Extract<LanguageModelV4StreamPart, { type: 'finish' }> | undefined;
  readonly #open = new Map<string, SpokenPart>();
  readonly #arguments = new Map<string, string>();
  readonly #onDelta: OnDelta;

  constructor(onDelta: OnDelta) {
    this.#onDelta = onDelta;
  }

  add(part: LanguageModelV4StreamPart): void {
    switch (part.type) {
      case 'text-start':
      case 'reasoning-start':
        this.#begin(part.type === 'text-start' ? 'text' : 'reasoning', part.id, part.providerMetadata);
        return;
      case 'text-delta':
      case 'reasoning-delta':
        this.#extend(part.type === 'text-delta' ? 'text' : 'reasoning', part);
        return;
      case 'text-end':
      case 'reasoning-end':
        keepMetadata(this.#open.get(part.id), part.providerMetadata);
        this.#open.delete(part.id);
        return;
      case 'tool-input-delta':
        this.#arguments.set(part.id, (this.#arguments.get(part.id) ?? '') + part.delta);
        return;
      case 'tool-call':
        // OpenRouter's provider replaces arguments that are no JSON by {}, which a tool might run with.
        if (part.input === '{}') part.input = this.#arguments.get(part.toolCallId) ?? part.input;
        this.content.push(...readContent(part));
        return;
      case 'file':
        this.content.push(...readContent(part));
        return;
      case 'finish':
        this.finish = part;
        return;
      case 'error':
        throw part.error;
      default:
    }
  }

  #begin(kind: SpokenPart['type'], id: string, metadata: Metadata): SpokenPart {
    const part: SpokenPart = { type: kind, text: '' };
    keepMetadata(part, metadata);
    this.#open.set(id, part);
    this.content.push(part);
    return part;
  }

  #extend(kind: SpokenPart['type'], delta: { id: string; delta: string; providerMetadata?: Metadata }): void {
    const part = this.#open.get(delta.id) ?? this.#begin(kind, delta.id, undefined);
    keepMetadata(part, delta.providerMetadata);
    part.text += delta.delta;
    if (delta.delta !== '') this.#onDelta({ kind, text: delta.delta });
  }
}

/** Ours of one part, or nothing for what an agent does not use (sources, parts of tools that the provider ran). */
function readContent(part: LanguageModelV4Content): Part[] {
  switch (part.type) {
    case 'text':
    case 'reasoning': {
      const spoken: SpokenPart = { type: part.type, text: part.text };
      keepMetadata(spoken, part.providerMetadata);
      return isEmpty(spoken) ? [] : [spoken];
    }
    case 'file':
      return [{ type: 'file', mediaType: part.mediaType, data: readFile(part.data) }];
    case 'tool-call': {
      if (part.providerExecuted === true) return [];
      const { toolCallId: callId, toolName: tool, input, providerMetadata } = part;
      const call: Part = { type: 'tool-call', callId, tool, input: parseArguments(input) };
      keepMetadata(call, providerMetadata);
      return [call];
    }
    default:
      return [];
  }
}

/**
 * Models write arguments that are no JSON, or hold what it cannot keep (`1e999`, thousands of levels); the raw text then
 * stands as the input, for the tool manager to refuse.
 */
function parseArguments(text: string): Json {
  if (text.trim() === '') return {};
  try {
    const value: unknown = JSON.parse(text);
    return isJson(value) ? value : text;
  } catch {
    return text;
  }
}

function readFile(data: Extract<LanguageModelV4Content, { type: 'file' }>['data']): string {
  if (data.type === 'url') return data.url.href;
  return typeof data.data === 'string' ? data.data : Buffer.from(data.data).toString('base64');
}

const isEmpty = (part: Part): boolean =>
  (part.type === 'text' || part.type === 'reasoning') && part.text === '' && part.providerData === undefined;

/** Later metadata of a part replaces earlier. It goes through JSON, because that is how it comes back. */
function keepMetadata(part: Exclude<Part, { type: 'file' }> | undefined, metadata: Metadata): void {
  if (part === undefined || metadata === undefined) return;
  const data = JSON.parse(JSON.stringify(metadata)) as Record<string, Json>;
  const said = Object.values(data).some(
    (value) => typeof value === 'object' && value !== null && Object.keys(value).length > 0,
  );
  if (said) part.providerData = data;
}

function assertFinished({ unified, raw }: LanguageModelV4FinishReason): void {
  if (unified === 'error' || unified === 'interrupted') throw brokenOff(raw ?? unified);
}

function assertAnswered(
  parts: Part[],
  usage: LanguageModelV4Usage,
  { unified }: LanguageModelV4FinishReason,
): void {
  const saidNothing = parts.length === 0 && (usage.outputTokens.total ?? 0) === 0;
  if (saidNothing && unified !== 'content-filter')
    throw new OpspawnError('model_failed', 'The model answered nothing');
}

const brokenOff = (reason: string): OpspawnError =>
  new OpspawnError('model_failed', `The answer broke off (${reason})`, { details: { finishReason: reason } });

function reportedCost(metadata: Metadata): number | undefined {
  const usage = metadata?.openrouter?.usage;
  if (typeof usage !== 'object' || usage === null || !('cost' in usage)) return undefined;
  return typeof usage.cost === 'number' && usage.cost >= 0 ? Math.round(usage.cost * 1_000_000) : undefined;
}
