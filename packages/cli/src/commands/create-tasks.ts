import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { Readable } from 'node:stream';
import { type Client, maxBatchTasks, OpspawnError } from '@opspawn/sdk';
import { createOutput } from '../output.ts';
import { parseJson, strictUtf8 } from '../read-input.ts';
import { withClient } from '../with-client.ts';
import type { CommandOptions } from './task.ts';

interface CreateTasksOptions extends CommandOptions {
  batch: string;
  keyPrefix?: string;
}

type NewTask = Parameters<Client['tasks']['createMany']>[0]['tasks'][number];
type Outcome = Awaited<ReturnType<Client['tasks']['createMany']>>['items'][number];

/** Below what a server takes in one body, with room for what frames the tasks. */
const maxBatchBytes = 30 * 1024 * 1024;

interface Line {
  readonly number: number;
  readonly text: string;
}

/** Creates a task for every line. With --json says what each line came to. */
export async function createTasks({ batch, keyPrefix, ...options }: CreateTasksOptions): Promise<void> {
  const output = createOutput({ json: options.json === true });
  const counts = { created: 0, existing: 0, failed: 0 };
  await withClient(options, async (client) => {
    for await (const lines of batches(linesOf(batch))) {
      const tasks = lines.map((line) => taskOf(line, keyPrefix));
      const { items } = await client.tasks.createMany({ tasks }).catch(atLine(lines));
      for (const [index, item] of items.entries()) {
        counts[item.outcome] += 1;
        tell(lines[index]?.number ?? 0, item);
      }
    }
  }).catch(withDone(counts, keyPrefix));
  if (!output.json) output.record(counts, () => `${counts.created} created, ${counts.existing} were there`);
  if (counts.failed > 0)
    throw new OpspawnError(
      'idempotency_conflict',
      `Lines that have the key of another request: ${counts.failed}`,
      { details: counts },
    );

  function tell(line: number, item: Outcome): void {
    if (output.json) output.record({ line, ...item }, () => '');
    else if (item.outcome === 'failed') output.talk(`line ${line}: ${item.error.message}`);
  }
}

async function* linesOf(batch: string): AsyncGenerator<Line> {
  const input = Readable.from(textOf(batch === '-' ? process.stdin : createReadStream(batch)));
  let number = 0;
  try {
    for await (const text of createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY })) {
      number += 1;
      if (text.trim() !== '') yield { number, text };
    }
  } catch (cause) {
    const message = `--batch: ${batch} cannot be read: ${(cause as Error).message}`;
    throw new OpspawnError('invalid_argument', message, { cause });
  }
}

async function* textOf(bytes: AsyncIterable<Buffer>): AsyncGenerator<string> {
  const decoder = strictUtf8();
  for await (const chunk of bytes) yield decoder.decode(chunk, { stream: true });
  yield decoder.decode();
}

async function* batches(lines: AsyncIterable<Line>): AsyncGenerator<Line[]> {
  let batch: Line[] = [];
  let bytes = 0;
  for await (const line of lines) {
    const size = Buffer.byteLength(line.text) + 300;
    if (batch.length === maxBatchTasks || (batch.length > 0 && bytes + size > maxBatchBytes)) {
      yield batch;
      batch = [];
      bytes = 0;
    }
    batch.push(line);
    bytes += size;
  }
  if (batch.length > 0) yield batch;
}

function taskOf({ number, text }: Line, keyPrefix: string | undefined): NewTask {
  const task = parseJson(`--batch: line ${number}`, text);
  if (typeof task !== 'object' || task === null || Array.isArray(task))
    throw new OpspawnError('invalid_argument', `--batch: line ${number} is no JSON object`);
  const key = keyPrefix === undefined ? {} : { idempotencyKey: `${keyPrefix}-${number}` };
  // The server checks it, and says what is wrong with it.
  return { ...key, ...task } as unknown as NewTask;
}

/** Names the line that the server found fault with. */
const atLine = (lines: readonly Line[]) => (thrown: unknown) => {
  if (!(thrown instanceof OpspawnError)) throw thrown;
  const [fault] = (thrown.details.errors ?? []) as { path: string; message: string }[];
  const index = /^\/tasks\/(\d+)(.*)$/.exec(fault?.path ?? '');
  const line = index === null ? undefined : lines[Number(index[1])]?.number;
  const message = line === undefined ? thrown.message : `line ${line}: ${index?.[2]} ${fault?.message}`;
  throw new OpspawnError(thrown.code, message, { cause: thrown, details: thrown.details });
};

/** Says what earlier batches came to: whoever runs the command again has to know. */
const withDone =
  (counts: Readonly<Record<Outcome['outcome'], number>>, keyPrefix: string | undefined) =>
  (thrown: unknown) => {
    if (!(thrown instanceof OpspawnError)) throw thrown;
    const isBegun = counts.created + counts.existing + counts.failed > 0;
    const again =
      keyPrefix === undefined ? 'leave their lines out next time' : 'the same --key-prefix passes them over';
    const hint = `${counts.created} were created before that and ${counts.existing} were there: ${again}.`;
    const details = { ...thrown.details, ...counts, ...(isBegun && { hint }) };
    throw new OpspawnError(thrown.code, thrown.message, { cause: thrown, details });
  };
