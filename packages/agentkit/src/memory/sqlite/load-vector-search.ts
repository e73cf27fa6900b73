import type { DatabaseSync } from 'node:sqlite';

/**
 * Loads the extension sqlite-vec where its package is installed and fits this system. Gives whether it did. The database
 * must have been opened with `allowExtension`; no other extension can be loaded afterwards.
 */
export async function loadVectorSearch(database: DatabaseSync): Promise<boolean> {
  try {
    const { load } = (await import('sqlite-vec' as string)) as { load(database: DatabaseSync): void };
    load(database);
    return true;
  } catch {
    return false;
  } finally {
    database.enableLoadExtension(false);
  }
}
