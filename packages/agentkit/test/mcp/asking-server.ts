/**
 * A server that asks people in the midst of its calls. Its first argument is the era (`modern` or `legacy`), its second a
 * file to which it adds a line for each table that it books.
 */
import { appendFileSync } from 'node:fs';
import { acceptedContent, inputRequired, McpServer } from '@modelcontextprotocol/server';
import { StdioServerTransport, serveStdio } from '@modelcontextprotocol/server/stdio';
import { z } from 'zod';

const [, , era, ledger = ''] = process.argv;
const text = (value: string) => ({ content: [{ type: 'text' as const, text: value }] });

function createServer(): McpServer {
  const server = new McpServer({ name: 'asking', version: '1.0.0' });
  const guest = z.object({ name: z.string().min(2), seats: z.int().min(1).max(8).default(2) });
  server.registerTool('book', { inputSchema: z.object({ table: z.string() }) }, ({ table }, { mcpReq }) => {
    const { inputResponses } = mcpReq;
    const [said] = Object.values(inputResponses ?? {}) as { action: string }[];
    if (said === undefined) {
      const requestedSchema = {
        type: 'object' as const,
        properties: {
          name: { type: 'string' as const, minLength: 2 },
          seats: { type: 'integer' as const, minimum: 1, maximum: 8, default: 2 },
        },
        required: ['name'],
      };
      const who = inputRequired.elicit({ message: `Who comes to table ${table}?`, requestedSchema });
      return inputRequired({ inputRequests: { who }, requestState: `state of ${table}` });
    }
    if (said.action !== 'accept') return text(`no booking: ${said.action}`);
    const { name, seats } = acceptedContent(inputResponses, 'who', guest) ?? { name: '?', seats: 0 };
    if (ledger !== '') appendFileSync(ledger, `${table} ${name} ${seats}\n`);
    return text(`booked ${table} for ${name} and ${seats} seats`);
  });
  server.registerTool('pay', { inputSchema: z.object({}) }, (_input, { mcpReq }) => {
    const [said] = Object.values(mcpReq.inputResponses ?? {}) as { action: string }[];
    if (said !== undefined) return text(`paid: ${said.action}`);
    const page = inputRequired.elicitUrl({ message: 'Pay here', url: 'https://pay.example/4711' });
    return inputRequired({ inputRequests: { page } });
  });
  server.registerTool('think', { inputSchema: z.object({}) }, () =>
    inputRequired({
      inputRequests: { thought: inputRequired.createMessage({ messages: [], maxTokens: 1 }) },
    }),
  );
  server.registerTool(
    'structured',
    {
      inputSchema: z.object({}),
      outputSchema: z.object({ answer: z.string() }),
      annotations: { idempotentHint: true },
    },
    (_input, { mcpReq }) => {
      const [said] = Object.values(mcpReq.inputResponses ?? {}) as { action: string }[];
      if (said !== undefined) return { content: [], structuredContent: { answer: said.action } };
      const requestedSchema = { type: 'object' as const, properties: {} };
      return inputRequired({
        inputRequests: { sure: inputRequired.elicit({ message: 'Sure?', requestedSchema }) },
      });
    },
  );
  server.registerTool('wait', { inputSchema: z.object({ ms: z.int() }) }, async ({ ms }) => {
    await new Promise((resolve) => setTimeout(resolve, ms));
    return text('waited');
  });
  return server;
}

if (era === 'legacy') await createServer().connect(new StdioServerTransport());
else serveStdio(createServer);
