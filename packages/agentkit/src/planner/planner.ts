import type { Json } from '../json.ts';
import type { Message, ToolCall } from '../message.ts';
import type { ModelRequest } from '../model/model.ts';

/** What a planner sees: the run so far, folded from what is recorded. */
export interface RunState {
  readonly goal: string;
  /** The whole conversation, system message first. */
  readonly messages: readonly Message[];
  /** Calls of the last assistant message that have no result yet. */
  readonly pendingCalls: readonly ToolCall[];
  /** Model calls so far. */
  readonly turns: number;
  readonly toolCalls: number;
}

/** One decision. A planner holds no state of its own: all it needs is in RunState, so that a run can resume anywhere. */
export type PlannerDecision =
  | {
      do: 'call_model';
      messages: readonly Message[];
      /** Default true. */
      offerTools?: boolean;
      options?: Omit<ModelRequest, 'messages' | 'tools' | 'signal' | 'onDelta' | 'redact'>;
    }
  | { do: 'call_tools'; calls: readonly ToolCall[] }
  | { do: 'finish'; output: Json };

/** Decides what an agent does next. A pure function of the state: it is asked again after a crash. */
export interface Planner {
  readonly name: string;
  next(state: RunState): PlannerDecision | Promise<PlannerDecision>;
}
