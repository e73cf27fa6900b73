/**
 * A server of the older era, written by hand, that lists whatever the file named by its first argument says, anew at
 * every request, and answers a call with the name of the tool.
 */
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';

const [, , file = ''] = process.argv;
const send = (message: object): boolean =>
  process.stdout.write(`${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`);

createInterface({ input: process.stdin }).on('line', (line) => {
  const { id, method, params } = JSON.parse(line);
  if (id === undefined) return;
  switch (method) {
    case 'initialize': {
      const serverInfo = { name: 'changing', version: '1.0.0' };
      const capabilities = { tools: { listChanged: true } };
      return send({ id, result: { protocolVersion: '2025-06-18', capabilities, serverInfo } });
    }
    case 'tools/list':
      return send({ id, result: { tools: JSON.parse(readFileSync(file, 'utf8')) } });
    case 'tools/call':
      if (params.arguments.tell === true) send({ method: 'notifications/tools/list_changed' });
      return send({ id, result: { content: [{ type: 'text', text: params.name }] } });
    default:
      return send({ id, error: { code: -32601, message: 'Method not found' } });
  }
});
