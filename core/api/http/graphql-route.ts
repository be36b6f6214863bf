import { Hono } from 'hono'
import type { GraphQLServer } from '../graphql/server.ts'
import { toApiError } from '../to-api-error.ts'
import { type AddressOf, clientOf } from './client.ts'
import { CONSOLE_PAGE, CONSOLE_SCRIPT, CONSOLE_SIGNED_OUT_PAGE } from './pages/graphql-console.ts'

export interface GraphQLRouteDeps {
  graphql: GraphQLServer
  secure: boolean
  addressOf?: AddressOf | undefined
}

/** /graphql, and a console there for browsers. */
export function graphqlRoute({ graphql, secure, addressOf }: GraphQLRouteDeps): Hono {
  const app = new Hono()
  app.all('/graphql', async (c) => {
    const { address } = clientOf(c, addressOf)
    const requestId = c.get('requestId' as never) as string | undefined
    const from = { address, secure, requestId, origin: new URL(c.req.url).origin }
    const isPage = c.req.method === 'GET' && c.req.header('accept')?.includes('text/html')
    if (!isPage) return graphql.fetch(c.req.raw, from)
    try {
      await graphql.identify(c.req.raw.headers, from)
      return c.html(CONSOLE_PAGE)
    } catch (error) {
      const status = toApiError(error)?.status
      if (status !== 401 && status !== 403) throw error
      return c.html(CONSOLE_SIGNED_OUT_PAGE, status)
    }
  })
  app.get('/graphql-console.js', (c) =>
    c.body(CONSOLE_SCRIPT, 200, { 'Content-Type': 'text/javascript; charset=utf-8' }),
  )
  return app
}
