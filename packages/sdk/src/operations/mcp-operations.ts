import { decideMcpToolsSchema, listMcpToolsSchema, mcpToolListSchema } from '../schema/mcp-tool.ts';
import type { Operation } from './operation.ts';

const success = { kind: 'json', statuses: [200], schema: mcpToolListSchema } as const;

/** Definitions of MCP servers' tools. */
export const mcpOperations = {
  'mcp.listTools': {
    method: 'GET',
    path: '/v1/mcp/tools',
    rpc: 'ListMcpTools',
    scope: 'definitions:read',
    summary: 'List the definitions of MCP tools that workers have seen',
    description:
      'By server, tool and the time of first sight. What a server changed or added after its first list is quarantined.',
    query: listMcpToolsSchema,
    success,
    errors: [],
    repeatable: true,
  },
  'mcp.decideTools': {
    method: 'POST',
    path: '/v1/mcp/tools/decide',
    rpc: 'DecideMcpTools',
    scope: 'definitions:write',
    summary: 'Approve or quarantine definitions of MCP tools',
    description:
      'Approving is about what waits: of a tool with several definitions that wait, say which (`wrong_state` names them). ' +
      'Quarantining without a digest is about all definitions. Counts for every call from then on. Answers with what ' +
      'was decided; an empty list says that there was nothing to decide.',
    body: { schema: decideMcpToolsSchema, required: true, limitBytes: 64 * 1024 },
    success,
    errors: ['wrong_state'],
    repeatable: true,
  },
} as const satisfies Record<string, Operation>;
