// A certified OpenID provider for interop tests: oidc-provider on loopback, every feature on that this project speaks.
// Writes the private key of the client "assertion" to the file named by its argument, then tells where it listens.
import { generateKeyPairSync } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { Provider } from 'oidc-provider'

const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
writeFileSync(process.argv[2], privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 })
const jwk = { ...publicKey.export({ format: 'jwk' }), kid: 'interop', alg: 'ES256', use: 'sig' }

const signing = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ format: 'jwk' })

const device = 'urn:ietf:params:oauth:grant-type:device_code'
const code = { redirect_uris: ['http://127.0.0.1:1/callback'], response_types: ['code'] }
const none = { redirect_uris: [], response_types: [] }
const clients = [
  { ...code, client_id: 'web', client_secret: 'secret of web: 100% odd', grant_types: ['authorization_code', 'refresh_token'] },
  { ...code, client_id: 'post', client_secret: 'secret-of-post', grant_types: ['authorization_code', 'refresh_token'], token_endpoint_auth_method: 'client_secret_post' },
  { ...code, client_id: 'public', grant_types: ['authorization_code', 'refresh_token'], token_endpoint_auth_method: 'none', application_type: 'native' },
  { ...none, client_id: 'service', client_secret: 'secret-of-service', grant_types: ['client_credentials'] },
  { ...none, client_id: 'tv', grant_types: [device, 'refresh_token'], token_endpoint_auth_method: 'none', application_type: 'native' },
  { ...code, client_id: 'assertion', grant_types: ['authorization_code', 'refresh_token', 'client_credentials'], token_endpoint_auth_method: 'private_key_jwt', token_endpoint_auth_signing_alg: 'ES256', jwks: { keys: [jwk] } },
  { ...none, client_id: 'hmac', client_secret: 'a secret of hmac that is long enough for HS256', grant_types: ['client_credentials'], token_endpoint_auth_method: 'client_secret_jwt', token_endpoint_auth_signing_alg: 'HS256' },
]

const api = { scope: 'read write', audience: 'https://api.example', accessTokenTTL: 600, accessTokenFormat: 'jwt', jwt: { sign: { alg: 'RS256' } } }
const configuration = {
  clients,
  jwks: { keys: [{ ...signing, kid: 'server-1', alg: 'RS256', use: 'sig' }] },
  cookies: { keys: ['interop'] },
  scopes: ['openid', 'offline_access', 'read', 'write'],
  claims: { openid: ['sub'] },
  clientAuthMethods: ['client_secret_basic', 'client_secret_post', 'client_secret_jwt', 'private_key_jwt', 'none'],
  pkce: { required: () => true },
  rotateRefreshToken: true,
  issueRefreshToken: (_ctx, client) => client.grantTypeAllowed('refresh_token'),
  findAccount: (_ctx, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
  features: {
    devInteractions: { enabled: true },
    clientCredentials: { enabled: true },
    deviceFlow: { enabled: true },
    introspection: { enabled: true },
    revocation: { enabled: true },
    pushedAuthorizationRequests: { enabled: true },
    dPoP: { enabled: true, nonceSecret: Buffer.alloc(32, 7), requireNonce: () => true },
    resourceIndicators: { enabled: true, getResourceServerInfo: () => api, useGrantedResource: () => true },
    rpInitiatedLogout: { enabled: true },
  },
}

const server = createServer()
server.listen(0, '127.0.0.1', () => {
  const issuer = `http://127.0.0.1:${server.address().port}`
  const provider = new Provider(issuer, configuration)
  provider.on('server_error', (_ctx, err) => console.error('server error:', err.stack))
  server.on('request', provider.callback())
  console.log('ready:', issuer)
})
