import { textOf } from '../message.ts';
import type { Planner } from './planner.ts';

/** Calls the model, runs the tools that it asks for, and goes on until it answers without asking for one. */
export const react: Planner = {
  name: 'react',
  next({ messages, pendingCalls }) {
    if (pendingCalls.length > 0) return { do: 'call_tools', calls: pendingCalls };
    const last = messages.at(-1);
    if (last?.role === 'assistant') return { do: 'finish', output: textOf(last) };
    return { do: 'call_model', messages };
  },
};
