/**
 * An OpenAI-compatible server that answers at once, in a process of its own: with a tool call until it was sent the
 * results of all of them, then with a text. The model's name says how many steps a run has: `steps-20`. Prints its
 * base URL.
 */
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { lastAnswer } from './agent-loop.ts';

/** How many calls were answered: they are numbered, and the last answer stands at the end, whatever came before it. */
function answeredCalls(body: Buffer): number {
  const last = body.subarray(body.lastIndexOf('"role":"tool"')).toString('latin1');
  return Number(/"call_(\d+)"/.exec(last)?.[1] ?? 0);
}

function choice(body: Buffer): object {
  const [, steps = '1'] = /"model":"steps-(\d+)"/.exec(body.toString('latin1', 0, 4096)) ?? [];
  const station = answeredCalls(body) + 1;
  if (station >= Number(steps)) {
    return { message: { role: 'assistant', content: lastAnswer(Number(steps)) }, finish_reason: 'stop' };
  }
  const call = { name: 'weather', arguments: JSON.stringify({ station }) };
  const message = {
    role: 'assistant',
    content: null,
    tool_calls: [{ id: `call_${station}`, type: 'function', function: call }],
  };
  return { message, finish_reason: 'tool_calls' };
}

const server = createServer((request, response) => {
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () => answer(Buffer.concat(chunks), response));
});

function answer(body: Buffer, response: ServerResponse): void {
  const text = JSON.stringify({
    id: 'chatcmpl-1',
    object: 'chat.completion',
    created: 1_700_000_000,
    model: 'steps',
    choices: [{ index: 0, ...choice(body) }],
    usage: { prompt_tokens: 400, completion_tokens: 20, total_tokens: 420 },
  });
  response.writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) });
  response.end(text);
}

server.keepAliveTimeout = 600_000;
server.listen(0, '127.0.0.1', () => {
  const { port } = server.address() as AddressInfo;
  process.stdout.write(`http://127.0.0.1:${port}/v1\n`);
});
// Whoever started it keeps its stdin open: it ends with them.
process.stdin.on('end', () => process.exit()).resume();
