import { z } from 'zod';
import { checkOptions } from '../check-options.ts';
import { StepError } from '../errors.ts';
import type { Json } from '../json.ts';
import { type MemoryStepsOptions, memorySteps } from '../memory-steps.ts';
import type { StepRecord, Steps } from '../steps.ts';

const historySchema = z.array(
  z.looseObject({
    name: z.string(),
    branch: z.string(),
    count: z.int(),
    outcome: z.looseObject({ ok: z.boolean() }),
  }),
);

/**
 * Steps that go on from a recorded history, as after a crash: what is recorded is handed out, as JSON would keep it,
 * and does not run again. For readers of `history()`, such as the agent loop: steps may be asked for in any order. Pass
 * the `taskId` of the recorded run. Throws `config_invalid` for what is no history.
 */
export function replayingSteps(history: readonly StepRecord[], options: MemoryStepsOptions = {}): Steps {
  checkOptions('The history', historySchema, history);
  const live = memorySteps(options);
  const recorded = JSON.parse(JSON.stringify(history)) as StepRecord[];
  const counts = new Map<string, number>();
  const handOut = (name: string): Promise<Json | undefined> | undefined => {
    const count = (counts.get(name) ?? 0) + 1;
    counts.set(name, count);
    const record = recorded.find((each) => each.name === name && each.count === count && each.branch === '');
    if (record === undefined) return undefined;
    const { outcome } = record;
    return outcome.ok ? Promise.resolve(outcome.value) : Promise.reject(new StepError(name, outcome.error));
  };
  return {
    taskId: live.taskId,
    namespace: live.namespace,
    signal: live.signal,
    budget: live.budget,
    run: <T>(...args: Parameters<typeof live.run<T>>) =>
      (handOut(args[0]) as Promise<T> | undefined) ?? live.run(...args),
    wait: (request) => handOut(request.name ?? request.kind) ?? live.wait(request),
    child: (request) => handOut(request.step ?? request.name) ?? live.child(request),
    branch: (kind, count) => live.branch(kind, count),
    history: () => [...recorded, ...live.history()],
    emit: (event) => live.emit(event),
    log: (level, message, fields) => live.log(level, message, fields),
    now: () => (live.history().length > 0 ? live.now() : (recorded.at(-1)?.finishedAt ?? live.now())),
    random: () => live.random(),
    uuid: () => live.uuid(),
  };
}
