import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { z } from 'zod';
import { mcpServerSchema } from '../../packages/agentkit/src/mcp/mcp-config.ts';

const page = new URL('../../ops-docs/reference/mcp-servers.md', import.meta.url);

interface Described {
  properties?: Record<string, Described>;
}

/** `restart.factor` and the like; what stands in maps is the user's own. */
const keysOf = ({ properties = {} }: Described): string[] =>
  Object.entries(properties).flatMap(([key, of]) =>
    of.properties === undefined ? [key] : key === 'oauth' ? [key, ...under(key, of)] : under(key, of),
  );
const under = (key: string, of: Described): string[] => keysOf(of).map((inner) => `${key}.${inner}`);

test('the page on MCP servers lists every key, and no other', async () => {
  const documented = [...(await readFile(page, 'utf8')).matchAll(/^\| `([\w.]+)` \|/gm)].map(
    ([, key]) => key,
  );
  const known = keysOf(z.toJSONSchema(mcpServerSchema, { io: 'input' }) as Described);
  assert.deepEqual(documented.sort(), known.sort());
});
