import { OpspawnError } from '@opspawn/agentkit';
import type { Provider, ProviderLimitBody } from '@opspawn/sdk';
import { checkOperator, type Principal } from '../auth/principal.ts';
import type {
  ProviderBounds,
  ProviderBudgetStore,
  ProviderKeyState,
} from '../storage/parts/provider-budgets.ts';

const budgets = 'The budgets of model providers are seen and set';

/** What operators say of the keys of model providers. They belong to the deployment, and so to the namespace `default`. */
export class Providers {
  readonly #store: ProviderBudgetStore;

  constructor(store: ProviderBudgetStore) {
    this.#store = store;
  }

  async list(principal: Principal): Promise<Provider[]> {
    checkOperator(principal, budgets);
    const [limits, keys] = [await this.#store.limits(), await this.#store.keys()];
    const names = new Set([...limits, ...keys].map(({ provider }) => provider));
    return [...names].sort().map((provider) => {
      const limit = limits.find((each) => each.provider === provider);
      return {
        provider,
        ...(limit === undefined ? {} : { setting: viewBounds(limit) }),
        keys: keys.filter((key) => key.provider === provider).map(viewKey),
      };
    });
  }

  async set(principal: Principal, provider: string, limit: ProviderLimitBody): Promise<Provider> {
    checkOperator(principal, budgets);
    await this.#store.setLimit({ provider, ...viewBounds(limit) });
    const found = (await this.list(principal)).find((each) => each.provider === provider);
    return found ?? { provider, setting: limit, keys: [] };
  }

  async remove(principal: Principal, provider: string): Promise<void> {
    checkOperator(principal, budgets);
    if (await this.#store.removeLimit(provider)) return;
    throw new OpspawnError('not_found', `No budget is set for ${provider}`, { details: { provider } });
  }
}

const viewBounds = ({
  requestsPerMinute,
  tokensPerMinute,
}: { [Bound in keyof ProviderBounds]: ProviderBounds[Bound] | undefined }): ProviderBounds => ({
  ...(requestsPerMinute === undefined ? {} : { requestsPerMinute }),
  ...(tokensPerMinute === undefined ? {} : { tokensPerMinute }),
});

const viewKey = ({ key, bounds, requests, tokens, waiting }: ProviderKeyState): Provider['keys'][number] => ({
  key,
  limit: bounds,
  requests,
  tokens,
  waiting,
});
