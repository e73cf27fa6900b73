import { constants, existsSync } from 'node:fs';
import { type FileHandle, mkdir, open, readlink, realpath, stat } from 'node:fs/promises';
import { basename, dirname, join, relative, resolve, sep } from 'node:path';
import { OpspawnError } from '../../errors.ts';

/** A folder that was opened and found to be within the root. Closing it is the caller's. */
export interface OpenFolder extends AsyncDisposable {
  /** Goes to this very folder, whatever its name comes to mean. */
  readonly path: string;
}

/** Where the kernel gives open files a path: what was opened and checked cannot be exchanged for something else. */
const openFiles = '/proc/self/fd';

/**
 * One folder that nothing leads out of: neither `..`, nor an absolute path, nor a symlink, also one that is made while
 * it is being looked at (on Linux; elsewhere there is a moment between the check and the use). Paths are relative to it.
 */
export class RootedFolder {
  readonly #root: string;

  constructor(root: string) {
    this.#root = resolve(root);
  }

  /** Throws `tool_failed`, for the model to read, when it is not there, is no folder, or is outside. */
  async openFolder(path: string): Promise<OpenFolder> {
    const folder = this.#resolve(path);
    const { O_RDONLY, O_DIRECTORY } = constants;
    const handle = await told(path, () => open(folder, O_RDONLY | O_DIRECTORY));
    try {
      const real = await realPathOf(handle, folder);
      this.#refuseOutside(path, await realpath(this.#root), real);
      return openedAs(handle, real);
    } catch (thrown) {
      await handle.close();
      throw thrown;
    }
  }

  /** The folder that a file is in, and its name there. */
  async openFolderOf(path: string): Promise<{ folder: OpenFolder; name: string }> {
    const file = this.#resolve(path);
    if (file === this.#root) throw refused(path, 'is the folder itself');
    return {
      folder: await this.openFolder(relative(this.#root, dirname(file)) || '.'),
      name: basename(file),
    };
  }

  /** Opens a file that is there, through a symlink too where that stays inside. Throws `tool_failed`. */
  async openFile(path: string): Promise<FileHandle> {
    const full = this.#resolve(path);
    const real = await told(path, () => realpath(full));
    const root = await realpath(this.#root);
    this.#refuseOutside(path, root, real);
    if (real === root) throw refused(path, 'is no file');
    const { folder, name } = await new RootedFolder(root).openFolderOf(relative(root, real));
    await using _folder = folder;
    // O_NONBLOCK: opening a pipe must not hang.
    const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = constants;
    const handle = await told(path, () => open(join(folder.path, name), O_RDONLY | O_NOFOLLOW | O_NONBLOCK));
    if ((await handle.stat()).isFile()) return handle;
    await handle.close();
    throw refused(path, 'is no file');
  }

  /** Makes the folders above a file that are missing, each within the one that was opened before it. */
  async makeFoldersOf(path: string): Promise<void> {
    const file = this.#resolve(path);
    if (file === this.#root) throw refused(path, 'is the folder itself');
    const folder = dirname(file);
    // Each part alone would be short enough to be made.
    const problem = await stat(folder).then(
      () => undefined,
      ({ code }: NodeJS.ErrnoException) => code,
    );
    if (problem === 'ENAMETOOLONG') throw refused(path, 'is too long');
    let existing = folder;
    while (!existsSync(existing) && existing !== this.#root) existing = dirname(existing);
    let within = await this.openFolder(relative(this.#root, existing) || '.');
    try {
      for (const name of relative(existing, folder).split(sep)) {
        if (name === '') continue;
        const made = await told(path, () => makeFolder(join(within.path, name)));
        await within[Symbol.asyncDispose]();
        within = made;
      }
    } finally {
      await within[Symbol.asyncDispose]();
    }
  }

  #resolve(path: string): string {
    if (path.includes('\0')) throw refused(path, 'is no path');
    const full = resolve(this.#root, path);
    this.#refuseOutside(path, this.#root, full);
    return full;
  }

  #refuseOutside(path: string, root: string, full: string): void {
    const isInside = full === root || full.startsWith(root.endsWith(sep) ? root : root + sep);
    if (!isInside) throw refused(path, 'is outside the folder that may be used');
  }
}

const openedAs = (handle: FileHandle, path: string): OpenFolder => ({
  path: existsSync(openFiles) ? `${openFiles}/${handle.fd}` : path,
  [Symbol.asyncDispose]: () => handle.close(),
});

/** One that another call makes at the same time is as good; a symlink is not. */
async function makeFolder(path: string): Promise<OpenFolder> {
  await mkdir(path).catch((thrown: NodeJS.ErrnoException) => {
    if (thrown.code !== 'EEXIST') throw thrown;
  });
  const { O_RDONLY, O_DIRECTORY, O_NOFOLLOW } = constants;
  return openedAs(await open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW), path);
}

/** Without /proc the path is compared with what was opened. */
async function realPathOf(handle: FileHandle, path: string): Promise<string> {
  if (existsSync(openFiles)) return await readlink(`${openFiles}/${handle.fd}`);
  const real = await realpath(path);
  const [opened, found] = await Promise.all([handle.stat(), stat(real)]);
  if (opened.ino === found.ino && opened.dev === found.dev) return real;
  throw refused(path, 'was exchanged while it was opened');
}

/** Says what went wrong without the path of the root: that is nothing to the model. */
export async function told<T>(path: string, fn: () => Promise<T>): Promise<T> {
  try {
    return await fn();
  } catch (thrown) {
    const { code = 'unknown error' } = thrown as NodeJS.ErrnoException;
    throw refused(path, reasons[code] ?? `cannot be used (${code})`, thrown);
  }
}

const reasons: Readonly<Record<string, string>> = {
  ENOENT: 'does not exist',
  ENOTDIR: 'is no folder',
  EISDIR: 'is a folder',
  ELOOP: 'is a symlink',
  EACCES: 'may not be used',
  ENAMETOOLONG: 'is too long',
};

export const refused = (path: string, why: string, cause?: unknown): OpspawnError =>
  new OpspawnError('tool_failed', `${JSON.stringify(path)} ${why}`, {
    retryable: false,
    cause,
    details: { path },
  });
