import { createApiKey } from '../auth/api-key.ts';
import { defaultNamespace } from '../auth/principal.ts';
import type { ApiKeyStore } from '../storage/parts/api-keys.ts';

/** The first key of the API when there is none yet; of many servers that start at the same time, one gets it. */
export async function makeFirstKey(store: ApiKeyStore): Promise<string | undefined> {
  const { text, id, digest } = createApiKey();
  const key = { id, digest, namespace: defaultNamespace, name: 'bootstrap' };
  return (await store.addApiKey(key, { onlyFirst: true })) ? text : undefined;
}
