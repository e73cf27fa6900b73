import type { Log } from '../observe/log.ts';
import { ambientTaskId } from '../tasks/durable/ambient.ts';

/**
 * Errors that nobody caught do not end a process that runs other people's tasks: a promise that is rejected unseen is
 * logged on the task whose code made it, and so is what a timer of that code throws. What belongs to no task and was
 * thrown ends the process, as Node does it. Disposing gives both back to Node.
 */
export function ownUncaught(log: Log, note: (taskId: string, error: unknown) => void): Disposable {
  const attribute = (error: unknown, what: string): boolean => {
    const taskId = ambientTaskId();
    log.error({ err: error, ...(taskId === undefined ? {} : { taskId }) }, what);
    if (taskId !== undefined) note(taskId, error);
    return taskId !== undefined;
  };
  const onRejection = (error: unknown): void => void attribute(error, 'a rejected promise was not handled');
  const onException = (error: unknown): void => {
    if (!attribute(error, 'an error was not caught')) process.exit(1);
  };
  process.on('unhandledRejection', onRejection);
  process.on('uncaughtException', onException);
  return {
    [Symbol.dispose]() {
      process.off('unhandledRejection', onRejection);
      process.off('uncaughtException', onException);
    },
  };
}
