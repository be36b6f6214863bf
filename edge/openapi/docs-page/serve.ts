import type { AddressOf } from '../../auth/authenticate.ts'
import type { EdgeContext } from '../../http/context.ts'
import { respond } from '../../http/respond.ts'
import { openApiDocument } from '../document.ts'
import { CSP_REPORT_PATH } from './csp-report.ts'
import { docsPage } from './page.ts'
import { SCRIPT } from './script.ts'
import { STYLE } from './style.ts'

/** GET /openapi.json: generated once, with the first request. */
export function openApi() {
  let body: string | undefined
  return (c: EdgeContext) => {
    body ??= JSON.stringify(openApiDocument())
    c.get('headers')['cache-control'] = 'no-cache'
    return respond(c, { status: 200, body })
  }
}

/**
 * GET /docs: the page that shows every ingest format.
 * @param key filled in for requests from loopback to a loopback name, without a proxy; set only where the edge listens
 * on this machine alone
 */
export function docs(key: string | undefined, addressOf: AddressOf) {
  let policy: string | undefined
  return async (c: EdgeContext) => {
    policy ??= await contentSecurityPolicy()
    const headers = c.get('headers')
    Object.assign(headers, {
      'content-security-policy': policy,
      'reporting-endpoints': `csp="${CSP_REPORT_PATH}"`,
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'no-referrer',
      'cross-origin-opener-policy': 'same-origin',
      'cross-origin-resource-policy': 'same-origin',
      'cache-control': 'no-store',
    })
    // The one response that other origins may not read: it may contain a key.
    delete headers['access-control-allow-origin']
    const isLoopback =
      LOOPBACK.test(URL.parse(c.req.url)?.hostname ?? '') &&
      isLoopbackAddress(addressOf(c.req.raw, c.env)) &&
      !cameThroughProxy(c.req.raw.headers)
    return respond(c, {
      status: 200,
      type: 'text/html; charset=utf-8',
      body: docsPage(isLoopback ? key : undefined),
    })
  }
}

/** A page elsewhere may point its own name at this address (DNS rebinding); its requests then carry that name. */
const LOOPBACK = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/

/** undefined where the runtime does not know the peer. Under `workerd serve` it always does. */
function isLoopbackAddress(address: string | undefined): boolean {
  return address !== undefined && /^(?:::ffff:)?127\.|^\[?::1\]?(?::\d+)?$/.test(address)
}

/** A proxy on this machine reaches the edge from loopback, and may write Host anew: then strangers are behind it. */
function cameThroughProxy(headers: Headers): boolean {
  for (const [name] of headers) if (PROXY_HEADER.test(name)) return true
  return false
}

const PROXY_HEADER = /^(?:forwarded|via|x-forwarded-.*|x-real-ip|cf-.*)$/

/** Nothing from other origins, and only the page's own script and style, by their hashes. */
async function contentSecurityPolicy(): Promise<string> {
  return [
    "default-src 'none'",
    `script-src '${await hashOf(SCRIPT)}'`,
    `style-src '${await hashOf(STYLE)}'`,
    'img-src data:',
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    `report-uri ${CSP_REPORT_PATH}`,
    'report-to csp',
  ].join('; ')
}

async function hashOf(text: string): Promise<string> {
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text))
  return `sha256-${btoa(String.fromCharCode(...new Uint8Array(digest)))}`
}
