/**
 * Loaded into the MCP server of the demo (`node --import`). Notes every tool call that arrives, in the file named by
 * DEMO_LEDGER, and lets it wait a moment: without that a run is over before one has read its first line.
 */
import { appendFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';

const { DEMO_LEDGER: ledger = '', DEMO_CALL_MS: callMs = '0' } = process.env;
const emit = process.stdin.emit.bind(process.stdin);
let rest = '';
let delivered = Promise.resolve();

process.stdin.emit = (event, ...values) => {
  if (event !== 'data') return emit(event, ...values);
  const lines = (rest + values[0]).split('\n');
  rest = lines.pop() ?? '';
  for (const line of lines) deliver(line);
  return true;
};

/** Calls that arrive together wait together; everything keeps its order. */
function deliver(line) {
  const isCall = noteCall(line);
  const waited = isCall ? delay(Number(callMs)) : Promise.resolve();
  delivered = Promise.all([delivered, waited]).then(() => emit('data', Buffer.from(`${line}\n`)));
}

function noteCall(line) {
  const { method, params } = JSON.parse(line);
  if (method !== 'tools/call') return false;
  appendFileSync(ledger, `${JSON.stringify({ call: `${params.name} ${params.arguments?.path ?? ''}` })}\n`);
  return true;
}
