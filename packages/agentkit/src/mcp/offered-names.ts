import { createHash } from 'node:crypto';

const maxNameLength = 64;

/**
 * The names under which a server's tools are offered: `server__tool`, of `[a-zA-Z0-9_-]` and at most 64 long, as
 * models demand. A tool whose own name fits keeps it; of others that would get the same name, each gets a hash of
 * its own name. Depends on the set of names only, never on their order. Sorted by the offered name.
 */
export function offeredNames(server: string, tools: readonly string[]): Map<string, string> {
  const wanted = new Map<string, string[]>();
  for (const tool of new Set(tools)) {
    const name = `${server}__${tool}`.replace(/[^a-zA-Z0-9_-]/g, '_').slice(0, maxNameLength);
    wanted.set(name, [...(wanted.get(name) ?? []), tool]);
  }
  const offered = new Map<string, string>();
  for (const [name, claimants] of wanted) {
    for (const tool of claimants) {
      const isOwn = claimants.length === 1 || name === `${server}__${tool}`;
      offered.set(isOwn ? name : hashedName(name, tool, wanted), tool);
    }
  }
  return new Map([...offered].sort(([a], [b]) => (a < b ? -1 : 1)));
}

function hashedName(name: string, tool: string, taken: ReadonlyMap<string, unknown>): string {
  for (let salt = ''; ; salt += '+') {
    const hash = createHash('sha256')
      .update(tool + salt)
      .digest('hex')
      .slice(0, 8);
    const hashed = `${name.slice(0, maxNameLength - hash.length - 1)}_${hash}`;
    if (!taken.has(hashed)) return hashed;
  }
}
