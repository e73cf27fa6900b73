import { statSync } from 'node:fs';
import { OpspawnError } from '@opspawn/agentkit/schema';

/**
 * Gives a check that throws `unavailable` while the name of the open database, or of its log, stands for another file or
 * for none: what is written to a deleted file goes with this process, and nobody else would see it until then. Two looks
 * at the file system, some microseconds.
 */
export function watchPlace(path: string): () => void {
  const files = [path, `${path}-wal`].map((file) => ({ file, identity: identityOf(file) }));
  return () => {
    for (const { file, identity } of files) if (identityOf(file) !== identity) throw gone(file);
  };
}

function identityOf(file: string): string | undefined {
  const found = statSync(file, { throwIfNoEntry: false });
  return found === undefined ? undefined : `${found.dev} ${found.ino}`;
}

const gone = (file: string): OpspawnError =>
  new OpspawnError(
    'unavailable',
    'The database was moved, deleted or replaced while it was open: put its files back, or start this process anew',
    { cause: new Error(`${file} is not the file that was opened`) },
  );

/** Throws `not_found` without a file, and the system's error for what is none. */
export function checkFile(path: string): void {
  const found = statSync(path, { throwIfNoEntry: false });
  if (found === undefined)
    throw new OpspawnError('not_found', `There is no database at ${path}`, {
      details: { path, hint: 'Name its folder with --data, or its URL with --database.' },
    });
  if (!found.isFile()) throw Object.assign(new Error('it is not a file'), { code: 'EISDIR' });
}
