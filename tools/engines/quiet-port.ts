import { randomInt } from 'node:crypto'
import { freePort } from '../process/ports.ts'

/**
 * A free port below those that systems hand out for connections (32768 and up on Linux, 49152 elsewhere): an engine
 * that is down for a minute, or takes seconds to start, must not find somebody's connection on its port.
 */
export function quietPort(): Promise<number> {
  return freePort(randomInt(15_000, 32_000))
}
