import { OpspawnError } from '@opspawn/agentkit/schema';
import type { Client, Resolution, Task } from '@opspawn/sdk';
import { createOutput } from '../output.ts';
import { readJson } from '../read-input.ts';
import { withClient } from '../with-client.ts';
import type { CommandOptions } from './task.ts';

interface SignalOptions extends CommandOptions {
  payload?: string;
}

export async function signal(id: string, name: string, options: SignalOptions): Promise<void> {
  const data = options.payload === undefined ? undefined : await readJson('--payload', options.payload);
  await withClient(options, (client) =>
    client.tasks.signal(id, { name, ...(data === undefined ? {} : { data }) }),
  );
  createOutput({ json: options.json === true }).record(
    { taskId: id, signal: name },
    () => `${id} got the signal ${name}`,
  );
}

interface ResolveOptions extends CommandOptions {
  retry?: boolean;
  result?: string;
  fail?: boolean | string;
}

export async function resolve(id: string, step: string, options: ResolveOptions): Promise<void> {
  const resolution = await readResolution(options);
  await answer(id, options, (client) => client.tasks.resolve(id, { step, ...resolution }));
}

async function readResolution({ retry, result, fail }: ResolveOptions): Promise<Resolution> {
  const given = [retry, result, fail].filter((value) => value !== undefined);
  if (given.length !== 1) {
    throw new OpspawnError('invalid_argument', 'Say one of --retry, --result JSON and --fail [message]');
  }
  if (retry) return { action: 'retry' };
  if (result !== undefined) return { action: 'result', result: await readJson('--result', result) };
  return { action: 'fail', ...(typeof fail === 'string' ? { message: fail } : {}) };
}

interface DecideOptions extends CommandOptions {
  comment?: string;
}

export async function decide(
  id: string,
  step: string,
  action: 'approve' | 'deny',
  { comment, ...options }: DecideOptions,
): Promise<void> {
  const decision = { step, action, ...(comment === undefined ? {} : { comment }) };
  await answer(id, options, (client) => client.tasks.decide(id, decision));
}

export async function answerQuestion(
  id: string,
  step: string,
  json: string,
  options: DecideOptions,
): Promise<void> {
  const { comment } = options;
  const decision = {
    step,
    action: 'answer' as const,
    answer: await readJson('the answer', json),
    ...(comment && { comment }),
  };
  await answer(id, options, (client) => client.tasks.decide(id, decision));
}

async function answer(
  id: string,
  options: CommandOptions,
  send: (client: Client) => Promise<Task>,
): Promise<void> {
  const task = await withClient(options, send);
  createOutput({ json: options.json === true }).record(task, () => `${id} is ${task.status}`);
}
