import type { HandlersOf } from './handler.ts';

export const providerHandlers: HandlersOf<'providers.list' | 'providers.set' | 'providers.delete'> = {
  'providers.list': async ({ engine, principal }) => ({
    body: { items: await engine.providers.list(principal) },
  }),

  'providers.set': async ({ engine, principal }, { params, body }) => ({
    body: await engine.providers.set(principal, params.provider, body),
  }),

  'providers.delete': async ({ engine, principal }, { params }) => {
    await engine.providers.remove(principal, params.provider);
    return undefined;
  },
};
