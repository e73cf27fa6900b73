import type { NewEntry } from '../store.ts';

/** By which failed tasks are listed: the code of the error in their terminal entry; null where it has none. */
export function errorCodeOf(terminal: NewEntry): string | null {
  const data: unknown = terminal.data === undefined ? undefined : JSON.parse(terminal.data);
  if (typeof data !== 'object' || data === null || !('error' in data)) return null;
  const { error } = data;
  if (typeof error !== 'object' || error === null || !('code' in error)) return null;
  return typeof error.code === 'string' ? error.code : null;
}
