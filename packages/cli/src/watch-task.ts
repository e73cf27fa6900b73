import { errorCodes } from '@opspawn/agentkit/schema';
import type { Client, Entry, Task } from '@opspawn/sdk';
import { createEntryDescriber, type EntryDescription } from './describe-entry.ts';
import { formatDuration, type Output, oneLine, printable, style } from './output.ts';

export interface WatchRequest {
  taskId: string;
  /** Entries behind this one. */
  after?: number;
  /** Default true: every entry is shown. Otherwise only what the task waits for. */
  showsSteps?: boolean;
  /** Said after a Ctrl-C. Default: that the task goes on, and how to look at it again. */
  stopped?: string;
  signal?: AbortSignal;
}

/** How a watch ended: with the finished task, or because the watcher stopped. */
export type Watched = { ended: true; task: Task } | { ended: false };

/**
 * Shows every entry as it is recorded, on stderr (with `--json` each event on stdout), until the task ends. Ctrl-C
 * stops watching and leaves the task alone.
 */
export async function watchTask(client: Client, output: Output, request: WatchRequest): Promise<Watched> {
  const { taskId, after = 0, showsSteps = true } = request;
  const stopping = new AbortController();
  const onInterrupt = () => stopping.abort();
  process.once('SIGINT', onInterrupt);
  const signal =
    request.signal === undefined ? stopping.signal : AbortSignal.any([request.signal, stopping.signal]);
  const show = createEntryPrinter((line) => output.talk(line));
  try {
    const onLost = () => output.talk('The connection to the server is lost; trying again …');
    for await (const event of client.tasks.watch(taskId, { after, signal, onLost })) {
      if (output.json) {
        if (showsSteps) output.record(event, () => '');
      } else if (event.type === 'entry' && showsSteps) show(event.data);
      else if (event.type === 'status') sayStatus(output, event.data);
      if (event.type === 'end') return { ended: true, task: event.data };
    }
    throw new Error('the watch ended before the task did');
  } catch (thrown) {
    if (!stopping.signal.aborted) throw thrown;
    output.talk(
      request.stopped ??
        `Stopped watching; task ${taskId} goes on. Look again with: opspawn task watch ${taskId}`,
    );
    return { ended: false };
  } finally {
    process.off('SIGINT', onInterrupt);
  }
}

/** Prints entries one a line: seq, kind, what, duration. */
export function createEntryPrinter(print: (line: string) => void): (entry: Entry) => void {
  const describe = createEntryDescriber();
  return (entry) => print(formatEntryLine(entry.seq, describe(entry), process.stderr));
}

export function formatEntryLine(seq: number, entry: EntryDescription, stream: NodeJS.WriteStream): string {
  const width = stream.isTTY ? Math.max(60, stream.columns) : 140;
  const tail = entry.durationMs === undefined ? '' : `  ${formatDuration(entry.durationMs)}`;
  const head = `${String(seq).padStart(5)}  ${entry.kind.padEnd(8)} `;
  const subject = oneLine(entry.subject);
  const detail = oneLine(entry.detail, width - head.length - subject.length - 2 - tail.length);
  const text = [subject, detail].filter((part) => part !== '').join('  ');
  return `${style('dim', head, stream)}${entry.ok ? text : style('red', text, stream)}${style('dim', tail, stream)}`;
}

function sayStatus(output: Output, task: Task): void {
  if (task.status === 'waiting') {
    for (const wait of task.waits) {
      const hint = waitHint(task.id, wait);
      output.talk(
        `       waits for ${wait.kind} ${oneLine(wait.name)}${hint === undefined ? '' : `: ${hint}`}`,
      );
    }
  } else if (task.status === 'paused') {
    output.talk(`       paused (${task.pausedReason ?? 'by an operator'}): opspawn task resume ${task.id}`);
  }
}

/** The command that ends a wait, when a person can. */
export function waitHint(taskId: string, { kind, step, name }: Task['waits'][number]): string | undefined {
  const quoted = quoteArgument(step);
  switch (kind) {
    case 'doubt':
      return `opspawn task resolve ${taskId} ${quoted} --retry | --result JSON | --fail`;
    case 'approval':
      return `opspawn task approve ${taskId} ${quoted}`;
    case 'question':
      return `opspawn task answer ${taskId} ${quoted} JSON`;
    case 'signal':
      return `opspawn task signal ${taskId} ${quoteArgument(name)}`;
    default:
      return undefined;
  }
}

/** As a shell takes it. */
export const quoteArgument = (text: string): string =>
  /^[\w./:@=+-]+$/.test(text) ? text : `'${printable(text).replaceAll("'", `'\\''`)}'`;

/** A task's end as an exit code: that of its error's code, or of `cancelled`; 0 for a completed one. */
export function exitCodeOf(task: Task): number {
  if (task.status === 'cancelled') return errorCodes.cancelled.exit;
  if (task.status !== 'failed') return 0;
  const code = task.error?.code ?? 'internal';
  return code in errorCodes ? errorCodes[code as keyof typeof errorCodes].exit : 1;
}
