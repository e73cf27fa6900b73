import { OpspawnError } from '@opspawn/agentkit';
import type { Session, Spending } from '@opspawn/sdk';
import type { Principal } from '../auth/principal.ts';
import type { SpendingKind, SpendingSum } from '../storage/parts/spending.ts';
import type { Store } from '../storage/store.ts';

/** What agents have cost in the principal's namespace, and the sessions in which they did. */
export class Sessions {
  readonly #store: Pick<Store, 'session' | 'spending'>;

  constructor(store: Pick<Store, 'session' | 'spending'>) {
    this.#store = store;
  }

  async spending(
    { namespace }: Principal,
    { by, limit }: { by: SpendingKind; limit: number },
  ): Promise<Spending[]> {
    return (await this.#store.spending.list(namespace, by, limit)).map(viewSum);
  }

  async get({ namespace }: Principal, sessionId: string): Promise<Session> {
    const runs = (await this.#store.session(namespace, sessionId)).length;
    const sum = await this.#store.spending.sum(namespace, 'session', sessionId);
    if (sum === undefined)
      return { id: sessionId, runs, inputTokens: 0, outputTokens: 0, costMicroUsd: 0, unpricedTokens: 0 };
    const { name: id, ...spent } = viewSum(sum);
    return { id, runs, ...spent };
  }

  /** Throws `wrong_state` while it has unfinished tasks. */
  async remove({ namespace }: Principal, sessionId: string): Promise<void> {
    if (await this.#store.spending.forgetSession(namespace, sessionId)) return;
    throw new OpspawnError('wrong_state', `The session "${sessionId}" has tasks that have not ended`, {
      details: { sessionId },
    });
  }
}

const viewSum = ({ lastAt, ...sum }: SpendingSum): Spending => ({
  ...sum,
  lastAt: new Date(lastAt).toISOString(),
});
