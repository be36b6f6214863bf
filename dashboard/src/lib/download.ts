export type Download = { kind: 'running' } | { kind: 'done' } | { kind: 'failed'; message: string }

const DOWNLOAD_MS_MAX = 30_000
const NAME_CHARS_MAX = 80

/** Saves what REST responds with as a file, in the format of that media type. Never throws. */
export async function downloadAs(path: string, type: string, file: string): Promise<Download> {
  try {
    const response = await fetch(path, {
      credentials: 'same-origin',
      headers: { Accept: type },
      signal: AbortSignal.timeout(DOWNLOAD_MS_MAX),
    })
    if (!response.ok) return { kind: 'failed', message: await reasonOf(response) }
    const url = URL.createObjectURL(await response.blob())
    const link = document.createElement('a')
    link.href = url
    link.download = safeName(file)
    link.click()
    // The browser has begun to save it by then.
    setTimeout(() => URL.revokeObjectURL(url), 10_000)
    return { kind: 'done' }
  } catch {
    return { kind: 'failed', message: 'Sluice cannot be reached, or took too long.' }
  }
}

async function reasonOf(response: Response): Promise<string> {
  try {
    const { detail, title } = (await response.json()) as { detail?: string; title?: string }
    return detail ?? title ?? `Sluice returned status ${response.status}.`
  } catch {
    return `Sluice returned status ${response.status}.`
  }
}

/** Event names may hold what file names must not. */
const safeName = (file: string): string =>
  file.replaceAll(/[\p{Cc}\p{Cf}\\/:*?"<>|]+/gu, '_').slice(-NAME_CHARS_MAX)
