import { OpspawnError } from '../errors.ts';
import { callsOf, usageSchema } from '../message.ts';
import type { ModelReply, ModelRequest } from './model.ts';

/**
 * Throws `model_failed` for an answer that the conversation could not go on from: models do give them, and do better when
 * asked again. `model_rejected` when the provider keeps back what it would say.
 */
export function checkReply(
  { tools }: ModelRequest,
  { message, model, finishReason, usage }: ModelReply,
): void {
  const failed = (what: string): OpspawnError =>
    new OpspawnError(
      finishReason === 'content-filter' ? 'model_rejected' : 'model_failed',
      `${model} ${what} (finish reason ${finishReason})`,
    );
  const isEmpty = message.content.every(
    (part) => part.type === 'reasoning' || (part.type === 'text' && part.text === ''),
  );
  if (isEmpty) throw failed('answered with nothing');
  if (tools.length === 0 && callsOf(message).length > 0)
    throw failed('called a tool though none was offered');
  if (!usageSchema.safeParse(usage).success) throw failed('told a usage that is none');
}
