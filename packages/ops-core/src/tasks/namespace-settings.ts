import { type NamespaceSettings, namespaceSettingsSchema } from '@opspawn/sdk';
import { checkOperator, type Principal } from '../auth/principal.ts';
import type { Store } from '../storage/store.ts';

/** Older than this they are read anew. */
const freshMs = 5_000;

interface Known {
  readonly settings: NamespaceSettings;
  /** `performance.now()` */
  readonly loadedAt: number;
}

/** What namespaces keep and are allowed: remembered, because every submission asks. */
export class NamespaceSettingsCache {
  readonly #store: Pick<Store, 'namespaceSettings' | 'setNamespaceSettings'>;
  readonly #known = new Map<string, Known>();
  readonly #loading = new Map<string, Promise<NamespaceSettings>>();

  constructor(store: Pick<Store, 'namespaceSettings' | 'setNamespaceSettings'>) {
    this.#store = store;
  }

  /** What was true some seconds ago; without a promise where they are known. */
  get(namespace: string): NamespaceSettings | Promise<NamespaceSettings> {
    const known = this.#known.get(namespace);
    if (known === undefined) return this.load(namespace);
    if (performance.now() - known.loadedAt > freshMs) this.load(namespace).catch(() => {});
    return known.settings;
  }

  /** As they stand now. */
  async load(namespace: string): Promise<NamespaceSettings> {
    const loading = this.#loading.get(namespace) ?? this.#load(namespace);
    this.#loading.set(namespace, loading);
    return await loading;
  }

  /** Of the principal's namespace, or of the one that an operator names. */
  async read(principal: Principal, of = principal.namespace): Promise<NamespaceSettings> {
    if (of !== principal.namespace) checkOperator(principal, 'The settings of other namespaces are seen');
    return await this.load(of);
  }

  /** Nobody sets his own quotas, but those who operate the deployment. */
  async set(
    principal: Principal,
    settings: NamespaceSettings,
    namespace = principal.namespace,
  ): Promise<NamespaceSettings> {
    checkOperator(principal, 'The settings of a namespace are set');
    await this.#store.setNamespaceSettings(namespace, JSON.stringify(settings));
    this.#known.set(namespace, { settings, loadedAt: performance.now() });
    return settings;
  }

  async #load(namespace: string): Promise<NamespaceSettings> {
    try {
      const text = await this.#store.namespaceSettings(namespace);
      const settings = text === undefined ? {} : namespaceSettingsSchema.parse(JSON.parse(text));
      this.#known.set(namespace, { settings, loadedAt: performance.now() });
      return settings;
    } finally {
      this.#loading.delete(namespace);
    }
  }
}
