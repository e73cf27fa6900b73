import { hash } from 'node:crypto';
import type { ChildRequest, WaitRequest } from '@opspawn/agentkit';
import { stepLabel } from '../../domain/deadline.ts';

/**
 * What a call of a durable function is known by: three columns, never one joined string. `count` tells calls of one
 * name in one branch apart, from 1. The path of a branch holds only kinds, counts and indexes.
 */
export interface Identity {
  readonly branch: string;
  readonly name: string;
  readonly count: number;
}

/** For maps in memory. No two identities share one: a path has no `:`, a count is digits, the rest is the name. */
export const identityKey = (branch: string, name: string, count: number): string =>
  `${branch}:${count}:${name}`;

/** The identity itself in 32 hexadecimal digits, for idempotency keys and inbox keys. */
export const identityHash = ({ branch, name, count }: Identity): string =>
  hash('sha256', JSON.stringify([branch, name, count]), 'hex').slice(0, 32);

export const identityLabel: (identity: Identity) => string = stepLabel;

/** The name under which a wait is recorded. Its kind goes first, so that a step of the same name is another call. */
export const waitName = (request: WaitRequest): string =>
  request.kind === 'sleep' && request.name === undefined ? 'sleep' : `${request.kind}:${request.name}`;

export const childName = ({ kind, name, step = name }: ChildRequest): string => `${kind}:${step}`;

/** The name that the caller gave, from the recorded one. */
export function askedName(kind: string, name: string): string {
  if (kind === 'step' || kind === 'llm' || kind === 'tool' || kind === 'doubt') return name;
  return name.slice(name.indexOf(':') + 1);
}
