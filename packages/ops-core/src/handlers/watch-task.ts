import { isFinished, type WatchEvent } from '@opspawn/sdk';
import type { HandlerContext, HandlersOf } from './handler.ts';

export const watchHandlers: HandlersOf<'tasks.watch'> = {
  'tasks.watch': async (context, { params, query, headers }) => {
    const lastId = headers['last-event-id'] || undefined;
    const after = lastId === undefined ? (query.after ?? 0) : Number.parseInt(lastId, 10);
    const task = await context.engine.get(context.principal, params.taskId);
    const hasSeenEnd = lastId?.endsWith('-end') === true && after >= task.entries;
    return hasSeenEnd && isFinished(task.status) ? undefined : watch(context, task.id, after);
  },
};

/**
 * What `follow` gives, with the finished task only at the end. A task that was retried between its terminal entry and
 * the look at it goes on.
 */
async function* watch(
  { engine, principal, signal }: HandlerContext,
  taskId: string,
  after: number,
): AsyncGenerator<WatchEvent, void, undefined> {
  let seq = after;
  for (;;) {
    for await (const followed of engine.follow(principal, taskId, { after: seq, signal })) {
      switch (followed.type) {
        case 'entry':
          seq = followed.entry.seq;
          yield { type: 'entry', data: followed.entry };
          break;
        case 'live':
          yield { type: 'live', data: followed.event as Extract<WatchEvent, { type: 'live' }>['data'] };
          break;
        case 'status':
          if (!isFinished(followed.task.status)) yield { type: 'status', data: followed.task };
          break;
        default:
          followed satisfies never;
      }
    }
    if (signal.aborted) return;
    const task = await engine.get(principal, taskId);
    if (isFinished(task.status)) return yield { type: 'end', data: task };
  }
}
