/** What the agent has found so far, folded from its conversation: a pure function of the messages. */
import type { Message } from '@opspawn/agentkit';
import type { Figures } from './figures.ts';
import { parseListing, parseSize } from './listing.ts';

export const tools = {
  list: 'filesystem__list_directory_with_sizes',
  read: 'filesystem__read_text_file',
  figures: 'compute_figures',
} as const;

/** What one run looks at, so that a huge folder ends in a report too. The report says what was left out. */
export const bounds = {
  folders: 60,
  files: 400,
  reads: 60,
  readBytes: 1024 * 1024,
  fileBytes: 64 * 1024,
} as const;

const skippedFolders: ReadonlySet<string> = new Set([
  '.git',
  '.hg',
  '.svn',
  '.opspawn',
  '.venv',
  '__pycache__',
  'node_modules',
]);

const textTypes =
  /(?:^|\/)(?:[^/.]+|\.[^/.]+)$|\.(?:c|cc|cfg|conf|cpp|cs|css|csv|go|h|hpp|html?|ini|java|js|json|jsonl|jsx|kt|lua|md|mjs|cjs|php|pl|properties|py|r|rb|rs|rst|scss|sh|sql|svelte|swift|toml|ts|tsv|tsx|txt|vue|xml|ya?ml)$/i;
const todoMark = /\b(?:TODO|FIXME)\b:?\s*(.*)/;

export interface FoundFile {
  path: string;
  /** As the server wrote it. */
  size: string;
}

export interface Todo {
  path: string;
  line: number;
  text: string;
}

export interface Exploration {
  /** Known folders that are not listed yet, nearest first. */
  foldersToList: string[];
  /** Text files that are worth reading and not read yet. */
  filesToRead: FoundFile[];
  listedFolders: number;
  files: FoundFile[];
  readFiles: number;
  todos: Todo[];
  figures?: Figures;
  /** One sentence for everything that was not looked at. */
  leftOut: string[];
}

interface ToolOutcome {
  input: Readonly<Record<string, unknown>>;
  text: string;
  failed: boolean;
  /** Too long to be shown whole. */
  cut: boolean;
}

export function explore(messages: readonly Message[]): Exploration {
  const outcomes = collectOutcomes(messages);
  const listings = byPath(outcomes.get(tools.list));
  const reads = byPath(outcomes.get(tools.read));
  const leftOut: string[] = [];
  const { files, foldersToList } = walk(listings, leftOut);
  const considered = files.slice(0, bounds.files);
  noteCount(leftOut, files.length - considered.length, 'file', `only the first ${bounds.files} are counted`);
  const readable = chooseReadable(considered, leftOut);
  const figures = outcomes.get(tools.figures)?.find((outcome) => !outcome.failed);
  for (const [path, read] of reads) {
    if (read.failed) leftOut.push(`${quotePath(path)} could not be read: ${firstLine(read.text)}`);
    else if (isBinary(read.text)) leftOut.push(`${quotePath(path)} is no text`);
  }
  return {
    foldersToList,
    filesToRead: readable.filter((file) => !reads.has(file.path)),
    listedFolders: listings.size,
    files: considered,
    readFiles: [...reads.values()].filter((read) => !read.failed && !isBinary(read.text)).length,
    todos: [...reads].flatMap(([path, read]) =>
      read.failed || isBinary(read.text) ? [] : findTodos(path, read.text),
    ),
    ...(figures && { figures: JSON.parse(figures.text) as Figures }),
    leftOut,
  };
}

/** Every finished tool call by tool, in the order of the calls. */
function collectOutcomes(messages: readonly Message[]): Map<string, ToolOutcome[]> {
  const results = new Map(
    messages
      .flatMap((message) => (message.role === 'tool' ? message.content : []))
      .map((part) => [part.callId, part]),
  );
  const outcomes = new Map<string, ToolOutcome[]>();
  for (const part of messages.flatMap((message) => (message.role === 'assistant' ? message.content : []))) {
    if (part.type !== 'tool-call') continue;
    const result = results.get(part.callId);
    if (result === undefined) continue;
    const outcome = {
      input: part.input as Record<string, unknown>,
      text: textOf(result.output),
      failed: result.isError === true,
      cut: typeof result.output === 'string' && cutMark.test(result.output),
    };
    outcomes.set(part.tool, [...(outcomes.get(part.tool) ?? []), outcome]);
  }
  return outcomes;
}

/** The text of a result, however the tool wrapped it. */
function textOf(output: unknown): string {
  if (typeof output === 'string') return uncut(output);
  if (typeof output !== 'object' || output === null) return JSON.stringify(output);
  const { content } = output as { content?: unknown };
  if (typeof content === 'string') return content;
  if (!Array.isArray(content)) return JSON.stringify(output);
  return content
    .map((part: { text?: unknown }) => (typeof part.text === 'string' ? part.text : ''))
    .join('\n');
}

const cutMark = /\n\[Cut here: \d+ characters in all\.\]$/;
const wrapped = '{"content":"';

/** What can be read of a result that was too long and was cut in the middle of its JSON: all but the last line. */
function uncut(text: string): string {
  if (!text.startsWith(wrapped) || !cutMark.test(text)) return text;
  const lines = text.slice(wrapped.length).replace(cutMark, '').split('\\n').slice(0, -1);
  return JSON.parse(`"${lines.join('\\n')}"`) as string;
}

const byPath = (outcomes: readonly ToolOutcome[] = []): Map<string, ToolOutcome> =>
  new Map(outcomes.map((outcome) => [plainPath(String(outcome.input.path)), outcome]));

/** Breadth first through what is listed, from the root `.`. */
function walk(
  listings: ReadonlyMap<string, ToolOutcome>,
  leftOut: string[],
): { files: FoundFile[]; foldersToList: string[] } {
  const files: FoundFile[] = [];
  const folders = ['.'];
  const unlisted: string[] = [];
  for (const folder of folders) {
    const listing = listings.get(folder);
    if (listing === undefined) {
      unlisted.push(folder);
    } else if (listing.failed) {
      leftOut.push(`${quotePath(folder)} could not be listed: ${firstLine(listing.text)}`);
    } else {
      if (listing.cut) leftOut.push(`${quotePath(folder)} holds more than its listing could show`);
      for (const entry of parseListing(listing.text)) {
        const path = folder === '.' ? entry.name : `${folder}/${entry.name}`;
        if (entry.kind === 'file') files.push({ path, size: entry.size ?? '0 B' });
        else if (skippedFolders.has(entry.name)) leftOut.push(`${quotePath(path)} is skipped`);
        else folders.push(path);
      }
    }
  }
  const foldersToList = unlisted.slice(0, Math.max(0, bounds.folders - listings.size));
  if (foldersToList.length === 0) {
    noteCount(leftOut, unlisted.length, 'folder', `only ${bounds.folders} are listed`);
  }
  return { files, foldersToList };
}

function chooseReadable(files: readonly FoundFile[], leftOut: string[]): FoundFile[] {
  const texts = files.filter((file) => textTypes.test(file.path) && parseSize(file.size) > 0);
  const small = texts.filter((file) => parseSize(file.size) <= bounds.fileBytes);
  let bytes = 0;
  const chosen = small.slice(0, bounds.reads).filter((file) => {
    bytes += parseSize(file.size);
    return bytes <= bounds.readBytes;
  });
  noteCount(leftOut, texts.length - small.length, 'text file', 'larger than 64 KB, counted but not read');
  noteCount(
    leftOut,
    small.length - chosen.length,
    'text file',
    'counted but not read, to keep the run short',
  );
  return chosen;
}

function findTodos(path: string, text: string): Todo[] {
  return text.split(/\r?\n/).flatMap((content, index) => {
    const match = todoMark.exec(content);
    if (match === null) return [];
    return [{ path, line: index + 1, text: visible((match[1] ?? '').trim()).slice(0, 120) }];
  });
}

function noteCount(leftOut: string[], count: number, what: string, why: string): void {
  if (count > 0) leftOut.push(`${count} ${what}${count === 1 ? '' : 's'}: ${why}`);
}

const isBinary = (text: string): boolean => /\0|\uFFFD.*\uFFFD.*\uFFFD/s.test(text.slice(0, 4096));
const firstLine = (text: string): string => (text.split('\n')[0] ?? '').slice(0, 160);

/** `~` and `C:` mean something else to the server at the start of a path. */
export const safePath = (path: string): string => (/^(?:~|[A-Za-z]:)/.test(path) ? `./${path}` : path);
const plainPath = (path: string): string => path.replace(/^\.\/(?=.)/, '');

/** A path as it can stand in a line of Markdown. */
export const quotePath = (path: string): string => `\`${visible(path).replaceAll('`', "'")}\``;

/** Control characters could steer the terminal that shows the report. */
const visible = (text: string): string =>
  text.replace(/\p{Cc}/gu, (char) => `\\x${char.charCodeAt(0).toString(16).padStart(2, '0')}`);
