import { setTimeout as sleep } from 'node:timers/promises';
import { defineFunction } from '@opspawn/ops-core';
import { z } from 'zod';

/** Calls the CRM, which allows two calls at once, and ten starts a second over all workers and customers. */
export const syncCustomer = defineFunction({
  name: 'sync-customer',
  input: z.object({ customer: z.int() }),
  concurrency: { key: 'crm', limit: 2 },
  rate: { key: 'crm-starts', count: 10, intervalMs: 1_000 },
  // Whatever holds it back: after a minute nobody wants it any more.
  timeoutMs: 60_000,
  run: (ctx, { customer }) => ctx.step('call the CRM', () => work(40, `customer ${customer}`)),
});

/** Slow work in a queue of its own, which an operator can pause, and give a greater or smaller share. */
export const renderReport = defineFunction({
  name: 'render-report',
  queue: 'reports',
  input: z.object({ page: z.int() }),
  run: (ctx, { page }) => ctx.step('render', () => work(30, `page ${page}`)),
});

/** What somebody waits for. */
export const answerQuestion = defineFunction({
  name: 'answer-question',
  queue: 'questions',
  run: (ctx) => ctx.step('answer', () => work(10, 'an answer')),
});

async function work(ms: number, result: string): Promise<string> {
  await sleep(ms);
  return result;
}
