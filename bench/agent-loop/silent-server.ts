/**
 * An OpenAI-compatible server that keeps every request waiting, in a process of its own: `GET /waiting` says how many there are,
 * `POST /answer` answers all of them. Prints its base URL.
 */
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

const waiting: ServerResponse[] = [];

const answer = JSON.stringify({
  id: 'chatcmpl-1',
  object: 'chat.completion',
  created: 1_700_000_000,
  model: 'slow',
  choices: [{ index: 0, message: { role: 'assistant', content: 'Done.' }, finish_reason: 'stop' }],
  usage: { prompt_tokens: 400, completion_tokens: 20, total_tokens: 420 },
});

const sendJson = (response: ServerResponse, text: string): void => {
  response.writeHead(200, { 'content-type': 'application/json' }).end(text);
};

const server = createServer((request, response) => {
  request.resume();
  if (request.url === '/v1/waiting') return sendJson(response, String(waiting.length));
  if (request.url === '/v1/answer') {
    for (const each of waiting.splice(0)) sendJson(each, answer);
    return sendJson(response, 'true');
  }
  waiting.push(response);
});

server.requestTimeout = 0;
server.listen({ port: 0, host: '127.0.0.1', backlog: 4096 }, () => {
  const { port } = server.address() as AddressInfo;
  process.stdout.write(`http://127.0.0.1:${port}/v1\n`);
});
// Whoever started it keeps its stdin open: it ends with them.
process.stdin.on('end', () => process.exit()).resume();
