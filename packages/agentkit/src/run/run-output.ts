import type { AgentOutput } from '../agent.ts';
import { OpspawnError } from '../errors.ts';
import { assertJson, type Json } from '../json.ts';
import { checkOfAnswer } from '../tool/json-schema.ts';

/** What an answer is by the agent's output schema, or what is wrong with it, for the model to read. */
export type CheckedOutput = { ok: true; value: Json } | { ok: false; problems: string };

/** Takes JSON text, also inside a Markdown fence, or a JSON value. Throws `not_json` when the schema makes something else of it. */
export async function checkOutput(schema: AgentOutput, answer: Json): Promise<CheckedOutput> {
  const parsed = typeof answer === 'string' ? parseAnswer(answer) : { ok: true as const, value: answer };
  if (!parsed.ok) return parsed;
  const checked = await checkOfAnswer(schema)(parsed.value);
  if (!checked.ok) return checked;
  assertJson(checked.value, 'output');
  return { ok: true, value: checked.value ?? null };
}

export const repairRequest = (problems: string): string =>
  `Your answer does not satisfy the output schema:\n${problems}\nAnswer again with the corrected JSON only.`;

export const outputRefused = (problems: string): OpspawnError =>
  new OpspawnError('model_rejected', `The answer does not satisfy the output schema:\n${problems}`, {
    details: { problems },
  });

function parseAnswer(text: string): CheckedOutput {
  const fenced = /^\s*```(?:json)?\s*\n([\s\S]*?)\n\s*```\s*$/i.exec(text);
  try {
    const value = JSON.parse((fenced?.[1] ?? text).trim()) as Json;
    assertJson(value, 'the answer'); // schemas overflow the stack on what is nested by the thousands
    return { ok: true, value };
  } catch (error) {
    return { ok: false, problems: `it is not JSON: ${(error as Error).message}` };
  }
}
