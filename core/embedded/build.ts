import { createHash } from 'node:crypto'
import { existsSync, globSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT } from '../config.ts'

export const EDGE_BUNDLE = join(ROOT, 'dist/edge/edge.js')

/** Bundles the edge for workerd. @returns whether there was anything to do */
export async function buildEdge(): Promise<boolean> {
  return whenChanged(
    'edge',
    ['edge/**/*.ts', 'contract/**/*.ts', 'package-lock.json'],
    async () => {
      const { build } = await import('vite')
      await build({
        root: ROOT,
        configFile: false,
        logLevel: 'error',
        build: {
          outDir: join(ROOT, 'dist/edge'),
          emptyOutDir: true,
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
    ['dashboard/**/*', 'vite.config.ts', 'package-lock.json'],
    async () => {
      const { build } = await import('vite')
      await build({ configFile: join(ROOT, 'vite.config.ts'), logLevel: 'error' })
    },
  )
}

/** A build is kept while the files that it was made from are the same, byte for byte. */
async function whenChanged(
  name: string,
  sources: string[],
  build: () => Promise<void>,
): Promise<boolean> {
  const stamp = join(ROOT, 'dist', `${name}.sha256`)
  const hash = createHash('sha256')
  for (const file of globSync(sources, { cwd: ROOT, withFileTypes: true })
    .filter((entry) => entry.isFile() && !/\.test\.tsx?$/.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name))
    .sort())
    hash.update(file.slice(ROOT.length)).update(readFileSync(file))
  const now = hash.digest('hex')
  if (
    existsSync(stamp) &&
    readFileSync(stamp, 'utf8') === now &&
    existsSync(join(ROOT, 'dist', name))
  )
    return false
  await build()
  mkdirSync(join(ROOT, 'dist'), { recursive: true })
  writeFileSync(stamp, now)
  return true
}
