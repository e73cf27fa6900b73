// A planner of your own: it asks the model twice and lets it improve its first answer. Runs without a key, by rules.
import { defineAgent, type Planner, textOf } from '@opspawn/agentkit';
import { scriptedModel } from '@opspawn/agentkit/testing';

/** A planner keeps nothing: all it decides by is in the state, so that a run can go on from anywhere. */
const thinkTwice: Planner = {
  name: 'think-twice',
  next({ messages, turns }) {
    const last = messages.at(-1);
    if (turns < 2 || last?.role !== 'assistant') return { do: 'call_model', messages, offerTools: false };
    return { do: 'finish', output: textOf(last) };
  },
};

const agent = defineAgent({
  name: 'poet',
  instructions: 'Answer in one line.',
  model: scriptedModel({ name: 'poet', steps: ['Roses are red.', 'Roses are red, and so are foxes.'] }),
  planner: thinkTwice,
});
const { output } = await agent.run('Write a line of poetry.');
console.log(output);
