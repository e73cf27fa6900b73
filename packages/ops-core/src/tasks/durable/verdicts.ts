/** When the function and its journal do not fit: both are named, so that whoever mends it knows where to look. */
import type { Json } from '@opspawn/agentkit';
import type { Ending } from './ending.ts';
import { identityLabel } from './identity.ts';
import { kindOf, type RecordedCall } from './recording.ts';
import type { Request } from './request.ts';

interface Side {
  kind: string;
  step: string;
  effect?: 'once';
}

const recordedSide = (call: RecordedCall): Side & { seq: number } => ({
  kind: kindOf(call) ?? 'step',
  step: identityLabel(call.identity),
  ...(call.intent === undefined ? {} : { effect: 'once' }),
  seq: call.first.seq,
});

const askedSide = (request: Request): Side => ({
  kind: request.kind,
  step: identityLabel(request.identity),
  ...(request.isOnce ? { effect: 'once' } : {}),
});

const describe = ({ kind, step, effect }: Side): string =>
  `${kind} "${step}"${effect === undefined ? '' : ` with effect ${effect}`}`;

function nonDeterminism(journal: Side & { seq: number }, code: Side | string): Ending {
  const shown = typeof code === 'string' ? code : `asks for ${describe(code)}`;
  const message = `The journal holds ${describe(journal)} (seq ${journal.seq}), the code ${shown}`;
  const details = { message, journal, code: typeof code === 'string' ? { does: code } : code };
  return { kind: 'paused', reason: 'non_determinism', details: details as unknown as Json };
}

/** The same name, with another kind of work or another effect than recorded. */
export function changedCall(call: RecordedCall, request: Request): Ending | undefined {
  const kind = kindOf(call);
  if (kind === undefined) return undefined;
  if (kind === request.kind && (call.intent !== undefined) === request.isOnce) return undefined;
  return nonDeterminism(recordedSide(call), askedSide(request));
}

/** The journal holds a call that the function did not ask for; `did` is what it did instead, in words or as a call. */
export function missedCall(call: RecordedCall, did: Request | string): Ending {
  return nonDeterminism(recordedSide(call), typeof did === 'string' ? did : askedSide(did));
}

/** Nothing is pending, and the function does not go on. */
export function noProgress(lastAsked: Request | undefined, stuckMs: number): Ending {
  const after = lastAsked === undefined ? 'its start' : describe(askedSide(lastAsked));
  const message = `For ${stuckMs} ms after ${after} the function has awaited something that is no call of its context`;
  return { kind: 'paused', reason: 'no_progress', details: { message } };
}
