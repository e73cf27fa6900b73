import { createHash, randomUUID } from 'node:crypto';
import { statSync } from 'node:fs';
import type { DatabaseSetting } from '../config.ts';

/**
 * What the names of a deployment's queues and exchanges begin with: made of its database, so that several share a virtual
 * host without hearing each other. All processes on one database find the same one. The database exists.
 */
export async function brokerPrefixOf(database: DatabaseSetting): Promise<string> {
  const digest = createHash('sha256').update(await identityOf(database));
  return `opspawn.${digest.digest('hex').slice(0, 12)}`;
}

async function identityOf(database: DatabaseSetting): Promise<string> {
  if (database.kind === 'postgres') {
    const { readPostgresIdentity } = await import('../storage/postgres/database/identity.ts');
    return await readPostgresIdentity(database.url);
  }
  if (database.path === ':memory:') return randomUUID();
  // Not by its path, which differs between containers that share a folder.
  const { dev, ino } = statSync(database.path);
  return `${dev} ${ino}`;
}
