import { StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import type { McpCredentialStore } from './credentials.ts';
import { guardedFetch } from './guarded-fetch.ts';
import { limitedFetch } from './limited-fetch.ts';
import type { McpServerConfig } from './mcp-config.ts';
import { type OAuthLogin, oauthProvider } from './oauth-provider.ts';
import { refreshOnce } from './refresh-once.ts';

export interface HttpTransportOptions {
  server: string;
  transport: Extract<McpServerConfig['transport'], { kind: 'http' }>;
  credentials: McpCredentialStore;
  onSecret(secret: string): void;
  login?: OAuthLogin;
}

/** Over streamable HTTP, as the server is configured. */
export function httpTransport(options: HttpTransportOptions): StreamableHTTPClientTransport {
  const { server, transport, credentials, onSecret, login } = options;
  const { url, headers, oauth } = transport;
  let refreshFailure: string | undefined;
  const noteRefresh = (failure: string | undefined): void => {
    refreshFailure = failure;
  };
  return new StreamableHTTPClientTransport(new URL(url), {
    fetch: limitedFetch(refreshOnce(guardedFetch(url), noteRefresh)),
    requestInit: { headers },
    ...(oauth !== undefined && {
      authProvider: oauthProvider(
        { server, oauth, credentials, onSecret, refreshFailure: () => refreshFailure },
        login,
      ),
    }),
  });
}
