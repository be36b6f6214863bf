import { spawn } from 'node:child_process'

/**
 * A child in a session of its own outlives us when we are killed with SIGKILL. The guard is a small
 * shell that holds the other end of a pipe of ours: when we are gone, however we went, its read ends
 * and it sends the child this signal.
 * @returns calls the guard off; call it when the child has ended, before its id can mean somebody else
 */
export function attachWatchdog(pid: number, signal: 'INT' | 'TERM'): () => void {
  const guard = spawn('/bin/sh', ['-c', 'read -r _; kill -s "$0" "$1"', signal, String(pid)], {
    cwd: '/',
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  })
  // Without a shell there is no guard; the next start clears away what is left.
  guard.on('error', () => {})
  guard.stdin?.on('error', () => {})
  guard.unref()
  ;(guard.stdin as unknown as { unref?: () => void } | null)?.unref?.()
  return () => {
    guard.kill('SIGKILL')
  }
}
