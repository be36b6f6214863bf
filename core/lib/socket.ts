import type pg from 'pg'

/** The socket of a pg client: a half-open one would otherwise keep the process alive. */
export function socketOf(client: pg.ClientBase): { destroy(): void } {
  return (client as unknown as { connection: { stream: { destroy(): void } } }).connection.stream
}
