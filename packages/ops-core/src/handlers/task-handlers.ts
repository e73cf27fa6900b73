import type { HandlersOf } from './handler.ts';
import { selectionOf, withoutUndefined } from './selection.ts';

export const taskHandlers: HandlersOf<
  | 'tasks.get'
  | 'tasks.why'
  | 'tasks.list'
  | 'tasks.cancel'
  | 'tasks.retry'
  | 'tasks.pause'
  | 'tasks.resume'
  | 'tasks.signal'
  | 'tasks.resolve'
  | 'tasks.decide'
  | 'tasks.journal'
> = {
  'tasks.get': async ({ engine, principal }, { params }) => ({
    body: await engine.get(principal, params.taskId),
  }),

  'tasks.why': async ({ engine, principal }, { params }) => ({
    body: await engine.why(principal, params.taskId),
  }),

  'tasks.list': async ({ engine, principal }, { query }) => ({
    body: await engine.list(principal, selectionOf(query)),
  }),

  'tasks.cancel': async ({ engine, principal }, { params, body }) => ({
    body: await engine.cancel(principal, params.taskId, withoutUndefined(body ?? {})),
  }),

  'tasks.retry': async ({ engine, principal }, { params }) => ({
    body: await engine.retry(principal, params.taskId),
  }),

  'tasks.pause': async ({ engine, principal }, { params }) => ({
    body: await engine.pause(principal, params.taskId),
  }),

  'tasks.resume': async ({ engine, principal }, { params }) => ({
    body: await engine.resume(principal, params.taskId),
  }),

  'tasks.signal': async ({ engine, principal }, { params, body }) => {
    await engine.signal(principal, params.taskId, withoutUndefined(body));
    return undefined;
  },

  'tasks.resolve': async ({ engine, principal }, { params, body }) => {
    const { step, ...resolution } = body;
    return { body: await engine.resolve(principal, params.taskId, step, resolution) };
  },

  'tasks.decide': async ({ engine, principal }, { params, body }) => {
    const { step, action, ...said } = body;
    const decision = { approved: action !== 'deny', ...withoutUndefined(said) };
    return { body: await engine.decide(principal, params.taskId, step, decision) };
  },

  'tasks.journal': async ({ engine, principal }, { params, query }) => ({
    body: await engine.journal(principal, params.taskId, query),
  }),
};
