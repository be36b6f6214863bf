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
import { fileURLToPath } from 'node:url'
import type { InlineConfig } from 'vite'
import { ROOT } from '../core/lib/paths.ts'
import { UsageError } from '../core/lib/usage-error.ts'
import { runCommand } from './process/run-command.ts'

/**
 * What `npm start` builds: the edge's bundle for workerd and the dashboard. A build is used again while its
 * source files are the same, byte for byte.
 */
export const EDGE_BUNDLE = join(ROOT, 'dist/edge/edge.js')

const BUILD_MS_MAX = 180_000

interface Build {
  name: string
  sources: string[]
  config: InlineConfig
}

const BUILDS: readonly Build[] = [
  {
    name: 'edge',
    sources: ['edge/**/*.ts', 'contract/**/*.ts', 'package-lock.json'],
    config: {
      root: ROOT,
      configFile: false,
      build: {
        copyPublicDir: false,
        minify: false,
        target: 'es2024',
        lib: {
          entry: join(ROOT, 'edge/entry/cloudflare.ts'),
          formats: ['es'],
          fileName: () => 'edge.js',
        },
      },
    },
  },
  {
    name: 'dashboard',
    sources: ['dashboard/**/*', 'contract/**/*.ts', 'vite.config.ts', 'package-lock.json'],
    config: { configFile: join(ROOT, 'vite.config.ts') },
  },
]

/**
 * Builds what is out of date, in a process of its own: Vite would leave 300 MB of memory in this one.
 * @returns whether there was anything to build
 */
export async function buildAll(): Promise<boolean> {
  if (BUILDS.every((build) => isCurrent(build, hashOf(build.sources)))) return false
  const { code, output } = await runCommand(
    process.execPath,
    [fileURLToPath(new URL('./build.ts', import.meta.url))],
    { cwd: ROOT, timeoutMs: BUILD_MS_MAX },
  )
  if (code !== 0)
    throw new UsageError(
      `The edge or the dashboard could not be built:\n${output.slice(-2_000)}`,
      'Fix this error. If packages are missing, run: npm install',
    )
  return true
}

/** Built into another folder and renamed when complete: another start may be doing the same. */
async function buildOne({ name, sources, config }: Build): Promise<void> {
  const hash = hashOf(sources)
  if (isCurrent({ name }, hash)) return
  const { build } = await import('vite')
  const incomplete = `${folderOf(name)}.${process.pid}`
  mkdirSync(incomplete, { recursive: true })
  try {
    await build({
      ...config,
      logLevel: 'error',
      build: { ...config.build, outDir: incomplete, emptyOutDir: false },
    })
    writeFileSync(join(incomplete, STAMP), hash)
    // Another start may have finished first: its folder is in use by now.
    if (isCurrent({ name }, hash)) return
    rmSync(folderOf(name), { recursive: true, force: true })
    renameSync(incomplete, folderOf(name))
  } catch (error) {
    // The other start finished first, with the same sources.
    if (!isCurrent({ name }, hash)) throw error
  } finally {
    rmSync(incomplete, { recursive: true, force: true })
  }
}

const STAMP = 'sources.sha256'

function folderOf(name: string): string {
  return join(ROOT, 'dist', name)
}

function isCurrent({ name }: Pick<Build, 'name'>, hash: string): boolean {
  const stamp = join(folderOf(name), STAMP)
  return existsSync(stamp) && readFileSync(stamp, 'utf8') === hash
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

if (import.meta.main) for (const build of BUILDS) await buildOne(build)
