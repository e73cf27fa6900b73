import { randomUUID } from 'node:crypto';
import { chmod, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { OpspawnError } from '../errors.ts';

/** What the client library hands over, kept as it is: what stands in it is its own business. */
const kept = z.record(z.string(), z.unknown());
const credentialsSchema = z.strictObject({
  /** Of the client, when it registered itself. */
  client: kept.optional(),
  tokens: kept.optional(),
  /** Which authorization server the tokens are from, so that they go to no other. */
  discovery: kept.optional(),
  /** What a request was refused for want of: the next login asks for it too. */
  scope: z.string().optional(),
});
export type McpCredentials = z.infer<typeof credentialsSchema>;

/** Where tokens of MCP servers are kept, by the server's name. They are secrets: keep them as such. */
export interface McpCredentialStore {
  load(server: string): Promise<McpCredentials>;
  save(server: string, credentials: McpCredentials): Promise<void>;
  remove(server: string): Promise<void>;
}

/** Credentials that end with this process. */
export function memoryCredentials(): McpCredentialStore {
  const all = new Map<string, McpCredentials>();
  return {
    load: async (server) => all.get(server) ?? {},
    save: async (server, credentials) => void all.set(server, credentials),
    remove: async (server) => void all.delete(server),
  };
}

/**
 * One file a server in this folder, readable by its owner alone (0600, the folder 0700). Read at every use, so that a
 * login by another process counts at once.
 */
export function fileCredentials(folder: string): McpCredentialStore {
  if (typeof folder !== 'string' || folder === '')
    throw new OpspawnError('config_invalid', 'fileCredentials takes the path of a folder');
  const pathOf = (server: string): string => join(folder, `${encodeURIComponent(server)}.json`);
  return {
    async load(server) {
      const path = pathOf(server);
      try {
        return credentialsSchema.parse(JSON.parse(await readFile(path, 'utf8')));
      } catch (cause) {
        if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return {};
        // what stands in the file is secret: the error says no more of it
        throw new OpspawnError('config_invalid', `${path} holds no credentials; log in again`, { cause });
      }
    },
    async save(server, credentials) {
      await mkdir(folder, { recursive: true, mode: 0o700 });
      await chmod(folder, 0o700);
      const draft = join(folder, `${randomUUID()}.tmp`);
      await writeFile(draft, JSON.stringify(credentials), { mode: 0o600 });
      await rename(draft, pathOf(server));
    },
    remove: (server) => rm(pathOf(server), { force: true }),
  };
}
