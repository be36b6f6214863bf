import { randomInt } from 'node:crypto'
import { createServer } from 'node:net'

/** A port on loopback that is free now: `wanted`, else one of the 20 after it, else any. */
export async function findFreePort(wanted = 0): Promise<number> {
  for (let port = wanted; wanted !== 0 && port < wanted + 20 && port < 65_536; port++)
    if ((await tryPort(port)) !== undefined) return port
  const any = await tryPort(0)
  if (any === undefined) throw new Error('no port is free on 127.0.0.1')
  return any
}

/** A sentence for a person when another port than the wanted one is used; none otherwise. */
export function portNote(what: string, wanted: number, got: number): string[] {
  return wanted === 0 || wanted === got ? [] : [`Port ${wanted} is taken; the ${what} uses ${got}.`]
}

/**
 * A free port below the ranges that systems use for outgoing connections (32768 and up on Linux, 49152
 * elsewhere): an engine that is down for a minute, or takes seconds to start, must not find a connection on its port.
 */
export function findFreeServicePort(): Promise<number> {
  return findFreePort(randomInt(15_000, 32_000))
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
