import type { CallToolResult, ContentBlock, ReadResourceResult } from '@modelcontextprotocol/client';
import type { Json } from '../json.ts';

/** The parts of a message (see message.ts) that a result is made of. */
type Part =
  | { type: 'text'; text: string }
  | { type: 'file'; mediaType: string; data: string; filename?: string };

/**
 * What a tool gave, as the model gets it: the structured content if there is one, else the text; a result with
 * images, audio or binary resources is an array of `text` and `file` parts. Text beyond `maxChars` characters is cut and a file
 * beyond what is left of them is named only, both in words that say so.
 */
export function toolOutput(result: CallToolResult, maxChars: number): Json {
  const parts = result.content.map(contentPart);
  if (result.structuredContent === undefined) return joinParts(parts, maxChars);
  // the library types it as unknown; it was parsed from JSON
  const structured = cappedJson(result.structuredContent as Json, maxChars);
  const files = parts.filter((part) => part.type === 'file');
  if (files.length === 0) return structured;
  const text = typeof structured === 'string' ? structured : JSON.stringify(structured);
  return capParts([{ type: 'text', text }, ...files], maxChars);
}

/** The value itself, or its JSON text cut, when that is longer. */
export function cappedJson(value: Json, maxChars: number): Json {
  const text = JSON.stringify(value);
  return text.length <= maxChars ? value : cutText(text, maxChars);
}

/** The text of a result, for an error's message. */
export function toolErrorText(result: CallToolResult, maxChars: number): string {
  const texts = result.content.map((block) => (block.type === 'text' ? block.text : `[${block.type}]`));
  return cutText(texts.join('\n'), maxChars) || 'failed without saying why';
}

/** What a resource holds, in the form of `toolOutput`. */
export function resourceOutput(result: ReadResourceResult, maxChars: number): Json {
  return joinParts(result.contents.map(resourcePart), maxChars);
}

function contentPart(block: ContentBlock): Part {
  switch (block.type) {
    case 'text':
      return { type: 'text', text: block.text };
    case 'image':
    case 'audio':
      return { type: 'file', mediaType: block.mimeType, data: block.data };
    case 'resource': {
      const part = resourcePart(block.resource);
      return part.type === 'file'
        ? part
        : { type: 'text', text: `Resource ${block.resource.uri}:\n${part.text}` };
    }
    case 'resource_link':
      return {
        type: 'text',
        text: [`Resource ${block.uri}`, block.name, block.description].filter(Boolean).join(' - '),
      };
    default:
      return { type: 'text', text: JSON.stringify(block satisfies never) };
  }
}

function resourcePart(contents: ReadResourceResult['contents'][number]): Part {
  if ('text' in contents) return { type: 'text', text: contents.text };
  const mediaType = contents.mimeType ?? 'application/octet-stream';
  return { type: 'file', mediaType, data: contents.blob, filename: contents.uri };
}

function joinParts(parts: readonly Part[], maxChars: number): Json {
  const capped = capParts(parts, maxChars);
  const texts = capped.flatMap((part) => (part.type === 'text' ? [part.text] : []));
  return texts.length === capped.length ? texts.join('\n') : capped;
}

function capParts(parts: readonly Part[], maxChars: number): Part[] {
  let leftChars = Math.max(0, maxChars);
  return parts.map((part) => {
    const size = part.type === 'text' ? part.text.length : part.data.length;
    if (size <= leftChars) {
      leftChars -= size;
      return part;
    }
    if (part.type === 'text') {
      const text = cutText(part.text, leftChars);
      leftChars = 0;
      return { type: 'text', text };
    }
    const name = part.filename === undefined ? 'A file' : `The file ${part.filename}`;
    return {
      type: 'text',
      text: `[${name} (${part.mediaType}, ${size} bytes in base64) is too large to be shown.]`,
    };
  });
}

function cutText(text: string, maxLength: number): string {
  if (text.length <= maxLength) return text;
  const kept = text.slice(0, maxLength).replace(/[\uD800-\uDBFF]$/, '');
  return `${kept}\n[Cut here: ${text.length} characters in all.]`;
}
