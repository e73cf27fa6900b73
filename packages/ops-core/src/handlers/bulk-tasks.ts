import type { HandlersOf } from './handler.ts';
import { selectionOf, withoutUndefined } from './selection.ts';

/** The engine's request of a body. */
const bulk = (body: {
  filter: Parameters<typeof selectionOf>[0];
  dryRun?: true | undefined;
  token?: string | undefined;
  reason?: string | undefined;
}) => ({ ...withoutUndefined(body), filter: selectionOf(body.filter) });

export const bulkHandlers: HandlersOf<
  'tasks.cancelMany' | 'tasks.retryMany' | 'tasks.pauseMany' | 'tasks.resumeMany' | 'failures.list'
> = {
  'tasks.cancelMany': async ({ engine, principal }, { body }) => ({
    body: await engine.bulk(principal, 'cancel', bulk(body)),
  }),

  'tasks.retryMany': async ({ engine, principal }, { body }) => ({
    body: await engine.bulk(principal, 'retry', bulk(body)),
  }),

  'tasks.pauseMany': async ({ engine, principal }, { body }) => ({
    body: await engine.bulk(principal, 'pause', bulk(body)),
  }),

  'tasks.resumeMany': async ({ engine, principal }, { body }) => ({
    body: await engine.bulk(principal, 'resume', bulk(body)),
  }),

  'failures.list': async ({ engine, principal }, { query }) => ({
    body: { items: await engine.failures(principal, withoutUndefined(query)) },
  }),
};
