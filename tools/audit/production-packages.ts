import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT } from '../../core/lib/paths.ts'

export interface LockedPackage {
  name: string
  version: string
  license: string
}

interface LockEntry {
  name?: string
  version: string
  license?: string
  dev?: boolean
  devOptional?: boolean
}

/** What package-lock.json installs in production, by name; a version that is there twice is listed once. */
export function productionPackages(): LockedPackage[] {
  const lock = JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, LockEntry>
  }
  const found = new Map<string, LockedPackage>()
  for (const [path, entry] of Object.entries(lock.packages)) {
    if (path === '' || entry.dev || entry.devOptional) continue
    const name = entry.name ?? (path.split('node_modules/').at(-1) as string)
    const { version, license = 'unknown' } = entry
    found.set(`${name}@${version}`, { name, version, license })
  }
  return [...found].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, locked]) => locked)
}
