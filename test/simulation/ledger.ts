/** What the code of steps did, as the world outside saw it: nothing that dies takes it along. */
import type { StepContext, StepOptions, Steps } from '@opspawn/agentkit';
import type { ClaimedTask } from '../../packages/ops-core/src/storage/store.ts';
import type { SimulatedDatabase } from './database.ts';
import type { Record } from './record.ts';

interface LedgerOptions {
  database: SimulatedDatabase;
  record: Record;
  /** Whether this attempt owns the task now. */
  owns: (task: ClaimedTask) => boolean;
}

/** What the journal says of a step. */
interface Recorded {
  hasResult: boolean;
  hasIntent: boolean;
  /** How often somebody allowed that it is done again. */
  again: number;
}

export class Ledger {
  readonly #options: LedgerOptions;
  readonly #counts = new Map<string, number>();
  readonly #effects = new Map<string, number>();

  constructor(options: LedgerOptions) {
    this.#options = options;
  }

  /** The code of a step begins. How often it has, this time included. */
  begin(taskId: string, name: string): number {
    return increment(this.#counts, `${taskId} ${name}`);
  }

  /** Watches the steps of one attempt. */
  wrapSteps(steps: Steps, task: ClaimedTask): Steps {
    const run = <T>(name: string, code: (step: StepContext) => T | Promise<T>, options?: StepOptions<T>) => {
      const watched = (step: StepContext): T | Promise<T> => {
        this.#check(task, name, options?.effect === 'once');
        return code(step);
      };
      return steps.run(name, watched, options);
    };
    return new Proxy(steps, {
      get(target, key) {
        if (key === 'run') return run;
        const value: unknown = Reflect.get(target, key, target);
        return typeof value === 'function' ? value.bind(target) : value;
      },
    });
  }

  #check(task: ClaimedTask, name: string, isOnce: boolean): void {
    const { record, owns } = this.#options;
    const where = `${record.label(task.taskId)}#${task.attempt} ${name}`;
    const { hasResult, hasIntent, again } = this.#recorded(task.taskId, name);
    record.note(`${where} runs`);
    // A stopped worker that woke up may not know yet that it lost the task; what it does with no effect to lose is lost.
    if (hasResult && (isOnce || owns(task))) record.problem(`${where} runs, and its result is recorded`);
    if (!isOnce) return;
    if (!owns(task)) record.problem(`${where} begins, and another attempt owns the task`);
    const effects = increment(this.#effects, `${task.taskId} ${name}`);
    if (!hasIntent) record.problem(`${where} runs without an intent`);
    if (effects > 1 + again)
      record.problem(`${where}: effect ${effects}, and only ${again} times somebody said so`);
  }

  #recorded(taskId: string, name: string): Recorded {
    const rows = this.#options.database.rows(
      'select seq, type, data from journal where task_id = ? and name = ?',
      taskId,
      name,
    );
    const reopened = rows.filter(([, type]) => type === 'step.reopened' || type === 'step.superseded');
    const voided = new Set(reopened.map(([, , data]) => (JSON.parse(String(data)) as { ref: number }).ref));
    const retries = rows.filter(
      ([, type, data]) =>
        type === 'doubt.resolved' && (JSON.parse(String(data)) as { action: string }).action === 'retry',
    );
    return {
      hasResult: rows.some(([seq, type]) => type === 'step.completed' && !voided.has(Number(seq))),
      hasIntent: rows.some(([, type]) => type === 'step.intended'),
      again: retries.length + reopened.length,
    };
  }
}

function increment(counts: Map<string, number>, key: string): number {
  const count = (counts.get(key) ?? 0) + 1;
  counts.set(key, count);
  return count;
}
