/** An agent whose only tools are those of a server that lists what the file `tools.json` of the working directory says. */
import { fileURLToPath } from 'node:url';
import { defineAgent } from '@opspawn/agentkit';
import { defineConfig } from '@opspawn/ops-core';

const server = fileURLToPath(new URL('../../packages/agentkit/test/mcp/changing-server.ts', import.meta.url));

export default defineConfig({
  mcp: { servers: { notes: { command: process.execPath, args: [server, 'tools.json'] } } },
  agents: [
    defineAgent({
      name: 'clerk',
      instructions: 'Use the first tool.',
      model: 'scripted/first-tool',
      mcp: { servers: ['notes'] },
    }),
  ],
});
