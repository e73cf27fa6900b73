import type { Task, WhyReason } from '@opspawn/sdk';
import { createOutput, oneLine } from '../output.ts';
import { quoteArgument, waitHint } from '../watch-task.ts';
import { withClient } from '../with-client.ts';
import type { CommandOptions } from './task.ts';

/** What holds a task back, and under each reason the commands that look further or let it go. */
export async function why(id: string, options: CommandOptions): Promise<void> {
  const { found, task } = await withClient(options, async (client) => ({
    found: await client.tasks.why(id),
    task: await client.tasks.get(id),
  }));
  createOutput({ json: options.json === true }).record(found, () =>
    [`${id} is ${found.status}.`, ...found.reasons.flatMap((reason) => describe(task, reason))].join('\n'),
  );
}

const codeWidth = 14;

const describe = (task: Task, reason: WhyReason): string[] => [
  `${reason.code.padEnd(codeWidth - 1)} ${oneLine(reason.message)}`,
  ...commandsFor(task, reason).map((command) => `${' '.repeat(codeWidth)}${command}`),
];

function commandsFor(task: Task, reason: WhyReason): string[] {
  const { code, queue, limit, step, taskIds = [] } = reason;
  const { id } = task;
  const others = taskIds.map((taskId) => `opspawn task why ${taskId}`);
  switch (code) {
    case 'finished':
      return task.status === 'failed' ? [`opspawn task journal ${id}`, `opspawn task retry ${id}`] : [];
    case 'due_later':
      return task.failures > 0 ? [`opspawn task journal ${id}`] : [];
    case 'limit':
    case 'rate':
      return [...(limit ? [`opspawn limit get ${quoteArgument(limit.key)}`] : []), ...others];
    case 'queue_paused':
      return queue === undefined ? [] : [`opspawn queue resume ${queue}`];
    case 'no_worker':
      return queue === undefined ? [] : [`opspawn worker --config FILE --queues ${queue}`];
    case 'paused':
    case 'budget':
      return task.status === 'paused' ? [`opspawn task resume ${id}`] : others;
    case 'doubt':
    case 'approval':
    case 'question':
    case 'signal': {
      const wait = task.waits.find((each) => each.kind === code && each.step === step);
      return [wait && waitHint(id, wait)].filter((hint) => hint !== undefined);
    }
    default:
      return others;
  }
}
