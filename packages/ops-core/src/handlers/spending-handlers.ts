import type { HandlersOf } from './handler.ts';

export const spendingHandlers: HandlersOf<'spending.list' | 'sessions.get' | 'sessions.delete'> = {
  'spending.list': async ({ engine, principal }, { query }) => ({
    body: { items: await engine.sessions.spending(principal, query) },
  }),

  'sessions.get': async ({ engine, principal }, { params }) => ({
    body: await engine.sessions.get(principal, params.sessionId),
  }),

  'sessions.delete': async ({ engine, principal }, { params }) => {
    await engine.sessions.remove(principal, params.sessionId);
    return undefined;
  },
};
