import type { HandlersOf } from './handler.ts';
import { withoutUndefined } from './selection.ts';

export const mcpHandlers: HandlersOf<'mcp.listTools' | 'mcp.decideTools'> = {
  'mcp.listTools': async ({ engine, principal }, { query }) => ({
    body: { items: await engine.mcpTools(principal, withoutUndefined(query)) },
  }),
  'mcp.decideTools': async ({ engine, principal }, { body }) => ({
    body: { items: await engine.decideMcpTools(principal, body) },
  }),
};
