/** A key of the API. Of its secret only the digest is kept. */
export interface ApiKeyRow {
  id: string;
  /** In which its holder works. */
  namespace: string;
  /** Whose it is, for people. */
  name: string;
  digest: string;
  /** Unix ms. */
  createdAt: number;
}

/** The part of the store that knows the keys. */
export interface ApiKeyStore {
  /**
   * Whether the key is there now, as it is given. With `onlyFirst` it is added only when there is no key at all: of many
   * callers at the same time, one gets true.
   */
  addApiKey(key: Omit<ApiKeyRow, 'createdAt'>, options: { onlyFirst: boolean }): Promise<boolean>;
  apiKey(id: string): Promise<ApiKeyRow | undefined>;
  /** All of them, the oldest first. */
  apiKeys(): Promise<readonly ApiKeyRow[]>;
  /** Whether there was one of this id. */
  removeApiKey(id: string): Promise<boolean>;
}
