import type { HandlersOf } from './handler.ts';

export const taskHandlers: HandlersOf<
  | 'tasks.get'
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

  'tasks.list': async ({ engine, principal }, { query }) => {
    const { createdAfter, createdBefore, ...rest } = query;
    const body = await engine.list(principal, {
      ...withoutUndefined(rest),
      ...(createdAfter === undefined ? {} : { createdAfter: Date.parse(createdAfter) }),
      ...(createdBefore === undefined ? {} : { createdBefore: Date.parse(createdBefore) }),
    });
    return { body };
  },

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

type WithoutUndefined<T> = { [K in keyof T]: Exclude<T[K], undefined> };

/** A parsed object has a key for every optional field that was sent; the engine's have none that is undefined. */
const withoutUndefined = <T extends object>(object: T): WithoutUndefined<T> =>
  Object.fromEntries(
    Object.entries(object).filter(([, value]) => value !== undefined),
  ) as WithoutUndefined<T>;
