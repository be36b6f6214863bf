import { createServer } from 'node:net'

/** A port on loopback that nobody listens on at this moment: the wanted one, else the next ones, else any. */
export async function freePort(wanted = 0): Promise<number> {
  for (let port = wanted; wanted !== 0 && port < wanted + 20 && port < 65_536; port++)
    if ((await tryPort(port)) !== undefined) return port
  const any = await tryPort(0)
  if (any === undefined) throw new Error('no port is free on 127.0.0.1')
  return any
}

function tryPort(port: number): Promise<number | undefined> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(undefined))
    server.listen(port, '127.0.0.1', () => {
      const address = server.address()
      server.close(() => resolve(typeof address === 'object' && address ? address.port : undefined))
    })
  })
}
