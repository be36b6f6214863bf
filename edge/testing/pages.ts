import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

/** A customer's web site, on another origin than the edge. */
export interface Pages {
  port: number
  /** Adds a page. @returns its URL */
  put(html: string, headers?: Record<string, string>): string
  close(): Promise<void>
}

export async function startPages(): Promise<Pages> {
  const pages = new Map<string, { html: string; headers: Record<string, string> }>()
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url ?? '/', 'http://any')
    const { html, headers } = pages.get(pathname) ?? { html: '', headers: {} }
    response.writeHead(200, { 'Content-Type': 'text/html; charset=utf-8', ...headers })
    response.end(`<!doctype html><title>A page</title><link rel="icon" href="data:,">${html}`)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    port,
    put(html, headers = {}) {
      const path = `/page-${pages.size + 1}`
      pages.set(path, { html, headers })
      return `http://127.0.0.1:${port}${path}`
    },
    close() {
      server.closeAllConnections()
      return new Promise((resolve) => server.close(() => resolve()))
    },
  }
}
