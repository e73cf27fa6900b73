import { jsonSchema } from '@opspawn/agentkit/schema';
import { z } from 'zod';

const serverSchema = z.string().min(1).max(40);
const toolSchema = z.string().min(1).max(1_000);
const digestSchema = z
  .string()
  .regex(/^[0-9a-f]{8,64}$/, 'must be at least the first 8 characters of a digest');
const statusSchema = z.enum(['approved', 'quarantined']);

/** A definition of an MCP server's tool that workers have seen. */
export const mcpToolSchema = z
  .object({
    server: z.string(),
    tool: z.string(),
    digest: z.string().describe('SHA-256 of the definition'),
    status: statusSchema.describe('Agents use approved definitions only'),
    definition: jsonSchema.describe('As the server gave it'),
    seenAt: z.iso.datetime().describe('When it was first seen'),
    decidedBy: z.string().optional().describe('Absent: nobody decided, it came with the server’s first list'),
    decidedAt: z.iso.datetime().optional(),
  })
  .meta({ id: 'McpTool' });
export type McpTool = z.infer<typeof mcpToolSchema>;

export const mcpToolListSchema = z.object({ items: z.array(mcpToolSchema) }).meta({ id: 'McpToolList' });

export const listMcpToolsSchema = z.strictObject({
  server: serverSchema.optional(),
  status: statusSchema.optional(),
});

export const decideMcpToolsSchema = z
  .strictObject({
    server: serverSchema,
    tool: toolSchema.optional().describe('Absent: all tools of the server'),
    digest: digestSchema.optional().describe('Which definition, where several of the tool wait'),
    status: statusSchema,
  })
  .meta({ id: 'DecideMcpTools', examples: [{ server: 'files', tool: 'read_file', status: 'approved' }] });
export type DecideMcpTools = z.infer<typeof decideMcpToolsSchema>;
