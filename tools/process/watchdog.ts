import { spawn } from 'node:child_process'

/**
 * Ends a child when this process is gone, even after SIGKILL. A child in a session of its own would outlive
 * us. The watchdog is a small shell that holds the other end of a pipe: when this process ends, however it
 * ends, the shell's read returns and it sends the child this signal.
 * @returns detaches the watchdog; call it when the child has ended, before its process id is used again
 */
export function attachWatchdog(pid: number, signal: 'INT' | 'TERM'): () => void {
  const watchdog = spawn('/bin/sh', ['-c', 'read -r _; kill -s "$0" "$1"', signal, String(pid)], {
    cwd: '/',
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  })
  // Without a shell there is no watchdog; the next start stops what is left over.
  watchdog.on('error', () => {})
  watchdog.stdin?.on('error', () => {})
  watchdog.unref()
  ;(watchdog.stdin as unknown as { unref?: () => void } | null)?.unref?.()
  return () => {
    watchdog.kill('SIGKILL')
  }
}
