import { OpspawnError } from '../errors.ts';
import { callsOf, usageSchema } from '../message.ts';
import type { ModelReply, ModelRequest } from './model.ts';

/**
 * Throws `model_failed` for an answer that the conversation could not go on from: models do give them, and do better when
 * asked again. `model_rejected` when the provider keeps back what it would say, and for what is no reply at all: so are models
 * of somebody's own, every time.
 */
export function checkReply({ tools }: ModelRequest, reply: ModelReply, id: string): void {
  if (!isReply(reply)) {
    const message = `The model ${id} gave no reply: { message, usage, model, finishReason }, the message with a list of parts`;
    throw new OpspawnError('model_rejected', message, { details: { model: id } });
  }
  const { message, model, finishReason, usage } = reply;
  const failed = (what: string): OpspawnError =>
    new OpspawnError(
      finishReason === 'content-filter' ? 'model_rejected' : 'model_failed',
      `${model} ${what} (finish reason ${finishReason})`,
    );
  // what was said before it was stopped is no answer
  if (finishReason === 'content-filter') throw failed('kept its answer back');
  const isEmpty = message.content.every(
    (part) => part.type === 'reasoning' || (part.type === 'text' && part.text === ''),
  );
  if (isEmpty) throw failed('answered with nothing');
  if (tools.length === 0 && callsOf(message).length > 0)
    throw failed('called a tool though none was offered');
  if (!usageSchema.safeParse(usage).success) throw failed('told a usage that is none');
}

const isReply = (reply: Partial<ModelReply> | undefined): boolean =>
  reply?.message?.role === 'assistant' &&
  Array.isArray(reply.message.content) &&
  reply.message.content.every((part) => typeof part?.type === 'string') &&
  typeof reply.usage === 'object';
