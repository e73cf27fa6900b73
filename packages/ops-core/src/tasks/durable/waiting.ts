/** Waits and child tasks: opening them. What ends them comes through the intake. */
import { randomUUIDv7 } from 'node:crypto';
import { encodeJson, type Json, recordError, type WaitRequest } from '@opspawn/agentkit';
import type { NewTask } from '../../storage/store.ts';
import type { DurableRun } from './durable-run.ts';
import type { WaitOpened } from './entry-data.ts';
import { recordFailure } from './executing.ts';
import type { OpenWait } from './open-waits.ts';
import { openingOf } from './recording.ts';
import type { Request, Work } from './request.ts';

/** Opens a wait. A recorded one keeps the due time that it had when it was asked for. */
export function openWait(run: DurableRun, request: Request, asked: WaitRequest): void {
  const startedAt = run.port.now();
  const { opening } = request.recorded ?? {};
  const opened = opening === undefined ? wanted(request, asked, startedAt) : openingOf(opening);
  run.waits.add(openWaitOf(request, opened, opening?.at ?? startedAt));
  if (opening === undefined) run.writer.add('wait.opened', request, encodeJson(opened));
}

/** Creates the child task in the transaction that records it, or waits on for the one that is recorded. */
export function openChild(run: DurableRun, request: Request, work: Extract<Work, { type: 'child' }>): void {
  const startedAt = run.port.now();
  const { opening } = request.recorded ?? {};
  if (opening !== undefined) {
    run.waits.add(openWaitOf(request, openingOf(opening), opening.at));
    return;
  }
  const childTaskId = randomUUIDv7();
  const key = `child:${childTaskId}`;
  let child: NewTask;
  try {
    child = { ...run.port.childTask(work.request), id: childTaskId, parentId: run.taskId, parentKey: key };
  } catch (thrown) {
    recordFailure(run, request, recordError(thrown), { startedAt, thrown });
    return;
  }
  const opened: WaitOpened = { kind: 'child', key, childTaskId };
  run.waits.add(openWaitOf(request, opened, startedAt));
  run.writer.add('wait.opened', request, encodeJson(opened), { children: [child] });
}

function wanted(request: Request, asked: WaitRequest, now: number): WaitOpened {
  switch (asked.kind) {
    case 'sleep':
      return { kind: 'sleep', dueAt: timeAfter(now, asked.ms) };
    case 'signal':
      return { kind: 'signal', key: `signal:${asked.name}`, ...dueAfter(now, asked.timeoutMs) };
    case 'approval':
      return {
        kind: 'approval',
        key: `decision:${request.hash}`,
        ...dueAfter(now, asked.timeoutMs),
        ...(asked.payload === undefined ? {} : { payload: asked.payload }),
      };
    case 'question': {
      const { prompt, schema, timeoutMs } = asked;
      const key = `decision:${request.hash}`;
      return { kind: 'question', key, ...dueAfter(now, timeoutMs), prompt, ...(schema && { schema }) };
    }
  }
}

const dueAfter = (now: number, timeoutMs: number | undefined): { dueAt?: number } =>
  timeoutMs === undefined ? {} : { dueAt: timeAfter(now, timeoutMs) };

/** The end of the year 9999: what is later has no name in ISO 8601. */
const lastTime = 253_402_300_799_999;

/** Whole Unix ms, not earlier than that: callers reckon with fractions, and with `Infinity`. */
const timeAfter = (now: number, ms: number): number => Math.min(Math.ceil(now + ms), lastTime);

function openWaitOf(request: Request, opened: WaitOpened, startedAt: number): OpenWait {
  const { kind, key, dueAt, childTaskId } = opened;
  const data = shownToPeople(opened);
  return {
    request,
    kind,
    startedAt,
    ...(key === undefined ? {} : { key }),
    ...(dueAt === undefined ? {} : { dueAt }),
    ...(childTaskId === undefined ? {} : { childTaskId }),
    ...(data === undefined ? {} : { data: JSON.stringify(data) }),
  };
}

function shownToPeople({ payload, prompt, schema, childTaskId }: WaitOpened): Json | undefined {
  if (payload !== undefined) return { payload };
  if (prompt !== undefined) return { prompt, ...(schema !== undefined && { schema }) };
  return childTaskId === undefined ? undefined : { childTaskId };
}
