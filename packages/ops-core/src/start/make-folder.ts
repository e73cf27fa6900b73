import { existsSync, mkdirSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { OpspawnError } from '@opspawn/agentkit';

/**
 * Makes the data folder, and those above it, for this user alone. Throws `config_invalid` when it cannot be made.
 *
 * One by one: the recursive form of mkdir never returns where a file system says "no such file" to a new folder, as
 * /proc does.
 */
export function makeFolder(folder: string): void {
  try {
    makeBelowExisting(folder);
  } catch (cause) {
    const { message } = cause as Error;
    throw new OpspawnError('config_invalid', `The data folder ${folder} cannot be made: ${message}`, {
      cause,
      details: { hint: 'Name one that this user may make, with --data or OPSPAWN_DATA_DIR.' },
    });
  }
}

function makeBelowExisting(folder: string): void {
  if (statSync(folder, { throwIfNoEntry: false })?.isDirectory()) return;
  const parent = dirname(folder);
  if (!existsSync(parent)) makeBelowExisting(parent);
  try {
    mkdirSync(folder, { mode: 0o700 });
  } catch (thrown) {
    // Another process was faster.
    if (!statSync(folder, { throwIfNoEntry: false })?.isDirectory()) throw thrown;
  }
}
