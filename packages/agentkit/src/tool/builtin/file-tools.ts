import { randomUUID } from 'node:crypto';
import { constants, type Dirent } from 'node:fs';
import { type FileHandle, lstat, open, readdir, rename, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { checkOptions, count } from '../../check-options.ts';
import { defineTool } from '../define-tool.ts';
import { RootedFolder, refused, told } from './rooted-folder.ts';

export interface FileToolOptions {
  /** The folder that paths are relative to; nothing outside is reached. */
  root: string;
  /** Largest text that is read at once or written, in bytes. Default 256 KiB. */
  maxBytes?: number;
}

const defaultMaxBytes = 256 * 1024;
const maxEntries = 1_000;
const pathSchema = z.string().min(1).describe('Relative to the folder of this agent');

const optionsSchema = z.strictObject({
  root: z.string().min(1),
  maxBytes: count.optional(),
} satisfies Record<keyof FileToolOptions, z.ZodType>);

/** Throws `invalid_argument`, as `defineTool` does. */
function rootOf(options: FileToolOptions): RootedFolder {
  checkOptions('The file tool', optionsSchema, options, 'invalid_argument');
  return new RootedFolder(options.root);
}

/** `read_file`: text of files within a folder. */
export function readFileTool(options: FileToolOptions) {
  const rooted = rootOf(options);
  const { maxBytes = defaultMaxBytes } = options;
  return defineTool({
    description: `Reads a text file (UTF-8), at most ${maxBytes} bytes at once`,
    input: z.object({
      path: pathSchema,
      offsetBytes: z.int().nonnegative().optional().describe('Where to begin. Default 0'),
    }),
    annotations: { readOnlyHint: true },
    async execute({ path, offsetBytes = 0 }) {
      await using file = await rooted.openFile(path);
      const { size } = await file.stat();
      const bytes = await readAt(file, offsetBytes, Math.min(maxBytes, Math.max(0, size - offsetBytes)));
      const end = offsetBytes + bytes.length;
      const text = decode(path, bytes, end < size);
      return end < size
        ? { text: text.value, nextOffsetBytes: offsetBytes + text.bytes, sizeBytes: size }
        : { text: text.value };
    },
  });
}

/** `write_file`: writes whole text files within a folder, each at once or not at all. */
export function writeFileTool(options: FileToolOptions) {
  const rooted = rootOf(options);
  const { maxBytes = defaultMaxBytes } = options;
  return defineTool({
    description:
      'Writes a text file (UTF-8) in place of the one that was there; folders that are missing are made',
    input: z.object({ path: pathSchema, text: z.string() }),
    annotations: { readOnlyHint: false, idempotentHint: true, destructiveHint: true },
    async execute({ path, text }) {
      const sizeBytes = Buffer.byteLength(text);
      if (sizeBytes > maxBytes)
        throw refused(path, `would be too large: ${sizeBytes} bytes, at most ${maxBytes}`);
      await rooted.makeFoldersOf(path);
      const { folder, name } = await rooted.openFolderOf(path);
      await using _folder = folder;
      await told(path, () => replace(folder.path, name, text));
      return { sizeBytes };
    },
  });
}

/** `list_dir`: what is in a folder within a folder. */
export function listDirTool(options: Pick<FileToolOptions, 'root'>) {
  const rooted = rootOf(options);
  return defineTool({
    description: `Lists a folder: names, kinds and sizes, at most ${maxEntries}, sorted by name`,
    input: z.object({ path: pathSchema.optional() }),
    annotations: { readOnlyHint: true },
    async execute({ path = '.' }) {
      await using folder = await rooted.openFolder(path);
      const found = await told(path, () => readdir(folder.path, { withFileTypes: true }));
      found.sort((a, b) => (a.name < b.name ? -1 : 1));
      const entries = await Promise.all(
        found.slice(0, maxEntries).map((entry) => describe(folder.path, entry)),
      );
      return found.length > maxEntries ? { entries, total: found.length } : { entries };
    },
  });
}

async function describe(folder: string, entry: Dirent) {
  const { name } = entry;
  if (entry.isDirectory()) return { name, kind: 'folder' };
  if (entry.isSymbolicLink()) return { name, kind: 'symlink' };
  if (!entry.isFile()) return { name, kind: 'other' };
  const found = await lstat(join(folder, name)).catch(() => undefined);
  return { name, kind: 'file', ...(found && { sizeBytes: found.size }) };
}

async function readAt(file: FileHandle, position: number, length: number): Promise<Buffer> {
  const buffer = Buffer.alloc(length);
  const { bytesRead } = await file.read(buffer, 0, length, position);
  return buffer.subarray(0, bytesRead);
}

/** A character that the end cuts in two is left for the next time. */
function decode(path: string, bytes: Buffer, isCut: boolean): { value: string; bytes: number } {
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  try {
    const value = decoder.decode(bytes, { stream: isCut });
    return { value, bytes: Buffer.byteLength(value) };
  } catch (thrown) {
    throw refused(path, 'is no text in UTF-8', thrown);
  }
}

/** A name is exchanged, never followed: a symlink of that name gives way to the file. */
async function replace(folder: string, name: string, text: string): Promise<void> {
  const temporary = join(folder, `.${randomUUID()}.tmp`);
  const before = await lstat(join(folder, name)).catch(() => undefined);
  if (before?.isDirectory()) throw Object.assign(new Error('a folder'), { code: 'EISDIR' });
  const mode = before?.isFile() ? before.mode & 0o777 : 0o666;
  try {
    const { O_CREAT, O_EXCL, O_NOFOLLOW, O_WRONLY } = constants;
    await using file = await open(temporary, O_CREAT | O_EXCL | O_NOFOLLOW | O_WRONLY, mode);
    await file.writeFile(text);
    await file.sync();
    await rename(temporary, join(folder, name));
  } catch (thrown) {
    await unlink(temporary).catch(() => {});
    throw thrown;
  }
}
