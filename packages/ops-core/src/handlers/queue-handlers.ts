import type { HandlersOf } from './handler.ts';

export const queueHandlers: HandlersOf<'queues.list' | 'queues.get' | 'queues.update'> = {
  'queues.list': async ({ engine, principal }) => ({ body: { items: await engine.queues(principal) } }),

  'queues.get': async ({ engine, principal }, { params }) => ({
    body: await engine.queue(principal, params.queue),
  }),

  'queues.update': async ({ engine, principal }, { params, body }) => ({
    body: await engine.updateQueue(principal, params.queue, body),
  }),
};
