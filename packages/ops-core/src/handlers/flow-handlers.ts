import type { HandlersOf } from './handler.ts';

export const flowHandlers: HandlersOf<'limits.list' | 'limits.get' | 'limits.set' | 'limits.delete'> = {
  'limits.list': async ({ engine, principal }) => ({ body: { items: await engine.limits(principal) } }),

  'limits.get': async ({ engine, principal }, { params }) => ({
    body: await engine.limit(principal, params.key),
  }),

  'limits.set': async ({ engine, principal }, { params, body }) => {
    const { maxRunning, rate } = body;
    const setting = {
      key: params.key,
      ...(maxRunning === undefined ? {} : { maxRunning }),
      ...(rate === undefined ? {} : { rate }),
    };
    return { body: await engine.setLimit(principal, setting) };
  },

  'limits.delete': async ({ engine, principal }, { params }) => {
    await engine.deleteLimit(principal, params.key);
    return undefined;
  },
};
