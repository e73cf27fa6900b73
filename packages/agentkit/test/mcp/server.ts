/** A well-behaved server of both protocol eras, with the tools that the tests need. */
import { McpServer } from '@modelcontextprotocol/server';
import { serveStdio } from '@modelcontextprotocol/server/stdio';
import { z } from 'zod';

const text = (value: string) => ({ content: [{ type: 'text' as const, text: value }] });

serveStdio(() => {
  const server = new McpServer({ name: 'test-server', version: '1.0.0' });
  server.registerTool(
    'about',
    {
      description: 'Says what the server knows of the call',
      inputSchema: z.object({}),
      annotations: { readOnlyHint: true },
    },
    (_input, context) =>
      text(
        JSON.stringify({
          meta: context.mcpReq._meta,
          envelope: context.mcpReq.envelope,
          environment: process.env,
        }),
      ),
  );
  for (const name of ['get.user', 'get user', 'get_user']) {
    server.registerTool(name, { inputSchema: z.object({}) }, () => text(name));
  }
  server.registerTool('crash', { inputSchema: z.object({}) }, () => process.exit(7));
  server.registerTool('hang', { inputSchema: z.object({}) }, () => {
    for (;;);
  });
  server.registerTool('learn', { inputSchema: z.object({ name: z.string() }) }, ({ name }) => {
    server.registerTool(name, { inputSchema: z.object({}) }, () => text(`learned ${name}`));
    return text('done');
  });
  return server;
});
