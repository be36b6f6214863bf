import { createHash } from 'node:crypto'
import {
  existsSync,
  globSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { ROOT } from '../config.ts'

export const EDGE_BUNDLE = join(ROOT, 'dist/edge/edge.js')

/** Bundles the edge for workerd. @returns whether there was anything to do */
export async function buildEdge(): Promise<boolean> {
  return whenChanged(
    'edge',
    ['edge/**/*.ts', 'contract/**/*.ts', 'package-lock.json'],
    async (outDir) => {
      const { build } = await import('vite')
      await build({
        root: ROOT,
        configFile: false,
        logLevel: 'error',
        build: {
          outDir,
          copyPublicDir: false,
          minify: false,
          target: 'es2024',
          lib: { entry: join(ROOT, 'edge/worker.ts'), formats: ['es'], fileName: () => 'edge.js' },
        },
      })
    },
  )
}

/** Builds the dashboard's page. @returns whether there was anything to do */
export async function buildDashboard(): Promise<boolean> {
  return whenChanged(
    'dashboard',
    ['dashboard/**/*', 'contract/**/*.ts', 'vite.config.ts', 'package-lock.json'],
    async (outDir) => {
      const { build } = await import('vite')
      await build({
        configFile: join(ROOT, 'vite.config.ts'),
        logLevel: 'error',
        build: { outDir, emptyOutDir: false },
      })
    },
  )
}

/**
 * A build is kept while the files that it was made from are the same, byte for byte. It is made beside
 * its place and moved there whole: another start may be doing the same.
 */
async function whenChanged(
  name: string,
  sources: string[],
  build: (outDir: string) => Promise<void>,
): Promise<boolean> {
  const built = join(ROOT, 'dist', name)
  const stamp = join(built, 'sources.sha256')
  const now = hashOf(sources)
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === now) return false
  const fresh = `${built}.${process.pid}`
  rmSync(fresh, { recursive: true, force: true })
  mkdirSync(fresh, { recursive: true })
  try {
    await build(fresh)
    writeFileSync(join(fresh, 'sources.sha256'), now)
    rmSync(built, { recursive: true, force: true })
    renameSync(fresh, built)
  } catch (error) {
    // The other start was faster by a hair, with the same sources.
    if (!existsSync(stamp) || readFileSync(stamp, 'utf8') !== now) throw error
  } finally {
    rmSync(fresh, { recursive: true, force: true })
  }
  return true
}

function hashOf(sources: string[]): string {
  const hash = createHash('sha256')
  const files = globSync(sources, { cwd: ROOT, withFileTypes: true })
    .filter((entry) => entry.isFile() && !/\.test\.tsx?$/.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name))
    .sort()
  for (const file of files) hash.update(file.slice(ROOT.length)).update(readFileSync(file))
  return hash.digest('hex')
}
