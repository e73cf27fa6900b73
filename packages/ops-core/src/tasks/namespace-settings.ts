import { createHash } from 'node:crypto';
import { type NamespaceSettings, namespaceSettingsSchema, OpspawnError } from '@opspawn/sdk';
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

  /**
   * Nobody sets his own quotas, but those who operate the deployment. With a revision they are set only in the place of
   * those that were read with it. Throws `wrong_state` when others are there by now.
   */
  async set(
    principal: Principal,
    { revision, ...settings }: NamespaceSettings,
    namespace = principal.namespace,
  ): Promise<NamespaceSettings> {
    checkOperator(principal, 'The settings of a namespace are set');
    const text = JSON.stringify(settings);
    const isSet = await this.#setText(namespace, text, revision);
    this.#known.delete(namespace);
    if (!isSet) throw changedMeanwhile(namespace);
    const set = parse(text);
    this.#known.set(namespace, { settings: set, loadedAt: performance.now() });
    return set;
  }

  async #setText(namespace: string, text: string, revision: string | undefined): Promise<boolean> {
    if (revision === undefined) return await this.#store.setNamespaceSettings(namespace, text);
    const earlier = (await this.#store.namespaceSettings(namespace)) ?? '{}';
    // Set already: by the first try, whose answer was lost.
    if (earlier !== text && revisionOf(earlier) !== revision) return false;
    return await this.#store.setNamespaceSettings(namespace, text, earlier);
  }

  async #load(namespace: string): Promise<NamespaceSettings> {
    try {
      const settings = parse((await this.#store.namespaceSettings(namespace)) ?? '{}');
      this.#known.set(namespace, { settings, loadedAt: performance.now() });
      return settings;
    } finally {
      this.#loading.delete(namespace);
    }
  }
}

const parse = (text: string): NamespaceSettings => ({
  ...namespaceSettingsSchema.parse(JSON.parse(text)),
  revision: revisionOf(text),
});

/** Of the text: whoever sets back what was there before has changed nothing. */
const revisionOf = (text: string): string => createHash('sha256').update(text).digest('hex').slice(0, 16);

const changedMeanwhile = (namespace: string): OpspawnError =>
  new OpspawnError(
    'wrong_state',
    `The settings of ${namespace} were changed by somebody else meanwhile. Read them again, and change those`,
    { details: { namespace } },
  );
