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
  /** What the planner said last of its plan. */
  readonly plan?: readonly PlanStep[] | undefined;
}

/** One step of a plan that is made visible. */
export interface PlanStep {
  text: string;
  status: 'pending' | 'active' | 'done' | 'failed';
}

/** One decision. A planner holds no state of its own: all it needs is in RunState, so that a run can resume anywhere. */
export type PlannerDecision = {
  /** Shown to whoever watches, when it has changed. */
  plan?: readonly PlanStep[];
} & (
  | {
      do: 'call_model';
      messages: readonly Message[];
      /** Default true. */
      offerTools?: boolean;
      /** `interim`: an answer on the way, of which the agent's output schema is not asked. Default `final`. */
      answer?: 'interim' | 'final';
      options?: Omit<ModelRequest, 'messages' | 'tools' | 'signal' | 'onDelta' | 'redact'>;
    }
  | { do: 'call_tools'; calls: readonly ToolCall[] }
  /** Takes the turn in the model's place: nobody is asked, and the calls are pending then. */
  | { do: 'take_turn'; say?: string; calls: readonly Pick<ToolCall, 'tool' | 'input'>[] }
  | { do: 'finish'; output: Json }
);

/** Decides what an agent does next. A pure function of the state: it is asked again after a crash. */
export interface Planner {
  readonly name: string;
  next(state: RunState): PlannerDecision | Promise<PlannerDecision>;
}
