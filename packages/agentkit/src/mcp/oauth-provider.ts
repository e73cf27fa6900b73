import { randomBytes } from 'node:crypto';
import {
  ClientCredentialsProvider,
  computeScopeUnion,
  type OAuthClientMetadata,
  type OAuthClientProvider,
  type OAuthDiscoveryState,
  type StoredOAuthClientInformation,
  type StoredOAuthTokens,
} from '@modelcontextprotocol/client';
import { OpspawnError } from '../errors.ts';
import type { McpCredentialStore, McpCredentials } from './credentials.ts';
import type { McpServerConfig } from './mcp-config.ts';
import { fitsHeader } from './refresh-once.ts';

export type OAuthConfig = NonNullable<Extract<McpServerConfig['transport'], { kind: 'http' }>['oauth']>;

export interface OAuthOptions {
  server: string;
  oauth: OAuthConfig;
  credentials: McpCredentialStore;
  /** Hears of every token, so that none is shown anywhere. */
  onSecret(secret: string): void;
  /** Why the last use of the refresh token came to nothing, where it was not refused. */
  refreshFailure(): string | undefined;
}

/** Of a browser that a person sits at. */
export interface OAuthLogin {
  redirectUrl: string;
  open(url: URL): void | Promise<void>;
}

/**
 * Gives the client library tokens and keeps those that it gets. Without `login` nobody can be asked: where only a
 * person can help, requests fail with `mcp_failed` (`details.reason` is `login_required`).
 */
export function oauthProvider(options: OAuthOptions, login?: OAuthLogin): OAuthClientProvider {
  const { oauth } = options;
  if (oauth.grant !== 'client_credentials') return new StoredOAuthProvider(options, login);
  const { clientId = '', clientSecret = '', issuer, scope } = oauth;
  options.onSecret(clientSecret);
  const provider = new ClientCredentialsProvider({
    clientId,
    clientSecret,
    ...(scope !== undefined && { scope }),
    ...(issuer !== undefined && { expectedIssuer: issuer }),
  } as ConstructorParameters<typeof ClientCredentialsProvider>[0]);
  const save = provider.saveTokens.bind(provider);
  provider.saveTokens = (tokens) => {
    options.onSecret(tokens.access_token);
    save(tokens);
  };
  return provider;
}

class StoredOAuthProvider implements OAuthClientProvider {
  readonly clientMetadataUrl?: string;
  readonly #options: OAuthOptions;
  readonly #login: OAuthLogin | undefined;
  readonly #state = randomBytes(24).toString('base64url');
  #verifier = '';

  constructor(options: OAuthOptions, login: OAuthLogin | undefined) {
    this.#options = options;
    this.#login = login;
    const { clientMetadataUrl } = options.oauth;
    if (clientMetadataUrl !== undefined) this.clientMetadataUrl = clientMetadataUrl;
  }

  /** Without a person there is none, but the library takes a provider without one for a machine's. */
  get redirectUrl(): string {
    return this.#login?.redirectUrl ?? 'http://127.0.0.1/callback';
  }

  get clientMetadata(): OAuthClientMetadata {
    const { clientSecret, scope } = this.#options.oauth;
    return {
      client_name: 'Opspawn',
      redirect_uris: [this.redirectUrl],
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
      ...(clientSecret === undefined && { token_endpoint_auth_method: 'none' }),
      ...(scope !== undefined && { scope }),
    };
  }

  state(): string {
    return this.#state;
  }

  async clientInformation(): Promise<StoredOAuthClientInformation | undefined> {
    const { clientId, clientSecret, issuer } = this.#options.oauth;
    if (clientId !== undefined) {
      if (clientSecret !== undefined) this.#options.onSecret(clientSecret);
      // where none is named, it stays with the one that it went to first
      const { client } = await this.#load();
      const issuerOf = issuer ?? (client?.client_id === clientId ? client?.issuer : undefined);
      return {
        client_id: clientId,
        ...(clientSecret !== undefined && { client_secret: clientSecret }),
        ...(typeof issuerOf === 'string' && { issuer: issuerOf }),
      };
    }
    return (await this.#load()).client as StoredOAuthClientInformation | undefined;
  }

  saveClientInformation(client: StoredOAuthClientInformation): Promise<void> {
    return this.#save({ client: client as McpCredentials['client'] });
  }

  async tokens(): Promise<StoredOAuthTokens | undefined> {
    const tokens = (await this.#load()).tokens as StoredOAuthTokens | undefined;
    this.#hide(tokens);
    return tokens;
  }

  async saveTokens(tokens: StoredOAuthTokens): Promise<void> {
    this.#hide(tokens);
    if (!fitsHeader(tokens.access_token))
      throw new OpspawnError(
        'mcp_failed',
        'its authorization server gave a token that no request can carry',
        {
          retryable: false,
          details: { server: this.#options.server, reason: 'bad_token' },
        },
      );
    return this.#save({ tokens: tokens as unknown as McpCredentials['tokens'] });
  }

  async discoveryState(): Promise<OAuthDiscoveryState | undefined> {
    const discovery = (await this.#load()).discovery as OAuthDiscoveryState | undefined;
    return discovery !== undefined && this.#isExpected(discovery) ? discovery : undefined;
  }

  async saveDiscoveryState(discovery: OAuthDiscoveryState): Promise<void> {
    if (!this.#isExpected(discovery)) {
      const { server, oauth } = this.#options;
      const named = discovery.authorizationServerMetadata?.issuer ?? discovery.authorizationServerUrl;
      throw new OpspawnError(
        'mcp_failed',
        `it names the authorization server ${named}, and not ${oauth.issuer}`,
        {
          retryable: false,
          details: { server, reason: 'other_issuer' },
        },
      );
    }
    return this.#save({ discovery: discovery as unknown as McpCredentials['discovery'] });
  }

  async redirectToAuthorization(url: URL): Promise<void> {
    const { server } = this.#options;
    if (url.protocol !== 'https:' && url.protocol !== 'http:')
      throw new OpspawnError('mcp_failed', `it wants a person to log in at a page of ${url.protocol}`, {
        retryable: false,
        details: { server, reason: 'bad_authorization_url' },
      });
    const { scope } = await this.#load();
    if (this.#login !== undefined) {
      const wanted = computeScopeUnion(url.searchParams.get('scope') ?? undefined, scope);
      if (wanted !== undefined) url.searchParams.set('scope', wanted);
      return this.#login.open(url);
    }
    const failure = this.#options.refreshFailure();
    // the library goes on to ask a person whatever happened
    if (failure !== undefined)
      throw new OpspawnError('mcp_failed', `its authorization server gave no new token: ${failure}`, {
        details: { server, reason: 'refresh_failed' },
      });
    await this.#save({ scope: computeScopeUnion(scope, url.searchParams.get('scope') ?? undefined) });
    throw new OpspawnError('mcp_failed', `it wants a person to log in: opspawn mcp login ${server}`, {
      retryable: false,
      details: { server, reason: 'login_required' },
    });
  }

  saveCodeVerifier(verifier: string): void {
    this.#verifier = verifier;
  }

  codeVerifier(): string {
    return this.#verifier;
  }

  async invalidateCredentials(scope: 'all' | 'client' | 'tokens' | 'verifier' | 'discovery'): Promise<void> {
    if (scope === 'verifier') return;
    const { client, tokens, discovery, scope: wanted } = await this.#load();
    const left: McpCredentials = wanted === undefined ? {} : { scope: wanted };
    if (client !== undefined && scope !== 'all' && scope !== 'client') left.client = client;
    if (tokens !== undefined && scope !== 'all' && scope !== 'tokens') left.tokens = tokens;
    if (discovery !== undefined && scope !== 'all' && scope !== 'discovery') left.discovery = discovery;
    await this.#options.credentials.save(this.#options.server, left);
  }

  /** Where one issuer is configured, a server cannot send a person to another one. */
  #isExpected({ authorizationServerUrl, authorizationServerMetadata }: OAuthDiscoveryState): boolean {
    const { issuer } = this.#options.oauth;
    if (issuer === undefined) return true;
    const named = authorizationServerMetadata?.issuer ?? authorizationServerUrl;
    return URL.parse(String(named))?.href === new URL(issuer).href;
  }

  #hide(tokens: StoredOAuthTokens | undefined): void {
    for (const secret of [tokens?.access_token, tokens?.refresh_token, tokens?.id_token]) {
      if (secret !== undefined) this.#options.onSecret(secret);
    }
  }

  #load(): Promise<McpCredentials> {
    return this.#options.credentials.load(this.#options.server);
  }

  async #save(part: McpCredentials): Promise<void> {
    await this.#options.credentials.save(this.#options.server, { ...(await this.#load()), ...part });
  }
}
