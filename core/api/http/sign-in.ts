import { Hono } from 'hono'
import { deleteCookie, getCookie, setCookie } from 'hono/cookie'
import type { Database } from '../../db/database.ts'
import { SESSION_COOKIE } from '../../identity/credentials.ts'
import {
  endSession,
  isSessionValid,
  redeemLoginLink,
  SESSION_DAYS,
} from '../../identity/sessions.ts'
import { allowOnly } from './problem.ts'

export interface SignInDeps {
  db: Database
  /** Whether browsers use https, so that the cookie is never sent without it. */
  secure: boolean
}

/** GET /login?token=… begins a session, once for each link. POST /logout ends it. */
export function signIn({ db, secure }: SignInDeps): Hono {
  const app = new Hono()
  const cookie = { path: '/', httpOnly: true, sameSite: 'Lax', secure } as const

  app.get('/login', async (c) => {
    c.header('Cache-Control', 'no-store')
    // A HEAD request, such as a link preview, must not use the link up.
    if (c.req.method === 'HEAD') return c.body(null, 204)
    const session = await redeemLoginLink(db, c.req.query('token') ?? '')
    if (session !== undefined) {
      setCookie(c, SESSION_COOKIE, session, { ...cookie, maxAge: SESSION_DAYS * 24 * 3600 })
      return c.redirect('/', 303)
    }
    const current = getCookie(c, SESSION_COOKIE)
    if (current !== undefined && (await isSessionValid(db, current))) return c.redirect('/', 303)
    return c.html(LINK_EXPIRED_PAGE, 401)
  })
  app.all('/login', allowOnly('GET, HEAD'))

  app.post('/logout', async (c) => {
    const session = getCookie(c, SESSION_COOKIE)
    // A form of another site is sent without the cookie and must not delete it; one of another port is sent with it.
    if (session !== undefined && isSameOrigin(c.req.header('sec-fetch-site'))) {
      await endSession(db, session)
      deleteCookie(c, SESSION_COOKIE, cookie)
    }
    return c.redirect('/', 303)
  })
  app.all('/logout', allowOnly('POST'))
  return app
}

/** By the header Sec-Fetch-Site, which only browsers send. */
function isSameOrigin(site: string | undefined): boolean {
  return site === undefined || site === 'same-origin' || site === 'none'
}

const LINK_EXPIRED_PAGE = `<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Sluice: this link no longer works</title>
<body style="font: 16px/1.5 system-ui; max-width: 34rem; margin: 15vh auto; padding: 0 1rem">
<h1 style="font-size: 1.25rem">This sign-in link no longer works</h1>
<p>It signs in one browser, once, within ten minutes. <code>npm run sluice -- status</code> prints a new one.</p>
</body></html>
`
