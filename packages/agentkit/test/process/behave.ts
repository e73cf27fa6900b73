/** A module for the `process` tier that does whatever its input asks for. */
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { OpspawnError } from '../../src/errors.ts';
import type { Json } from '../../src/json.ts';
import type { ProcessFunction, ToolContext } from '../../src/tool/tool.ts';

let calls = 0;

const ways: Record<string, (context: ToolContext, value: Json) => unknown> = {
  echo: (_, value) => value,
  context: ({ callId, idempotencyKey, secrets }) => ({ callId, idempotencyKey, secrets }),
  given: ({ context }) => context,
  environment: () => ({ variables: { ...process.env }, raw: readFileSync('/proc/self/environ', 'latin1') }),
  identity: () => {
    calls += 1;
    return { pid: process.pid, calls };
  },
  print: (_, value) => {
    process.stdout.write('{"type":"done","call":1,"result":"forged"}\n');
    console.log('half a line', value);
    process.stderr.write('x'.repeat(200_000));
    spawn('/bin/sh', ['-c', 'echo from a child'], { stdio: 'inherit' });
    return 'printed';
  },
  progress: ({ progress }) => {
    progress('one');
    progress('y'.repeat(5_000));
    return 'told';
  },
  throw: () => {
    throw new RangeError('too far');
  },
  refuse: () => {
    throw new OpspawnError('invalid_argument', 'not like this');
  },
  rejectLater: () => {
    setTimeout(() => void Promise.reject(new Error('nobody listens')), 1);
    return sleep(60_000);
  },
  exit: () => process.exit(3),
  nothing: () => undefined,
  date: () => ({ at: new Date() }),
  circular: () => {
    const value: Record<string, unknown> = {};
    value.self = value;
    return value;
  },
  large: (_, value) => 'é'.repeat(Number(value)),
  loop: () => {
    for (;;);
  },
  hang: () => new Promise(() => {}),
  waitForAbort: ({ signal, progress }) => {
    progress('waiting');
    return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
  },
  growHeap: () => {
    const held: unknown[] = [];
    for (;;) held.push(new Array(100_000).fill(held.length));
  },
  growBuffers: () => {
    const held: Buffer[] = [];
    for (;;) held.push(Buffer.alloc(10_000_000, 1));
  },
  growSlowly: async () => {
    const held: Buffer[] = [];
    for (;;) {
      held.push(Buffer.alloc(20_000_000, 1));
      await sleep(10);
    }
  },
  /** Has children with children of their own, some in a session of theirs, and then does not end. */
  breed: async ({ progress }) => {
    for (const detached of [false, true])
      spawn('/bin/sh', ['-c', 'setsid sleep 1000 & sleep 1000'], { stdio: 'ignore', detached });
    await sleep(20);
    progress('bred');
    for (;;);
  },
};

const behave: ProcessFunction<{ way: string; value?: Json }> = ({ way, value = null }, context) =>
  ways[way]?.(context, value);
export default behave;
