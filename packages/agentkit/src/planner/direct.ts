import { textOf } from '../message.ts';
import type { Planner } from './planner.ts';

/** One call of the model, without tools. What it says is the result. */
export const direct: Planner = {
  name: 'direct',
  next({ messages }) {
    const last = messages.at(-1);
    if (last?.role === 'assistant') return { do: 'finish', output: textOf(last) };
    return { do: 'call_model', messages, offerTools: false };
  },
};
