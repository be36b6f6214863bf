#!/usr/bin/env -S node --max-semi-space-size=8 --max-old-space-size=256
/**
 * The command `sluice`, in plain JavaScript for Node 20 and newer: installs the packages of package-lock.json
 * that are missing, then runs cli/main.ts under Node 24, which is one of these packages.
 */
import { spawn } from 'node:child_process'
import { existsSync, readFileSync, realpathSync } from 'node:fs'
import nodeModule from 'node:module'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const MAIN = fileURLToPath(new URL('./main.ts', import.meta.url))
const NODE_MAJOR_MIN = 24
const PROGRESS_EVERY_MS = 200

/** For progress and errors: standard output belongs to the command. */
const out = process.stderr

main(process.argv.slice(2)).catch((error) => {
  out.write(`${error.message}\n`)
  process.exitCode = 1
})

/** @param {string[]} args */
async function main(args) {
  const forTests = args[0] === '--install-for-tests'
  await install({ withDev: forTests })
  if (forTests) {
    await linkDeno()
    return
  }
  // Compiled modules, for this process and its children.
  process.env.NODE_COMPILE_CACHE ??= join(ROOT, 'node_modules', '.cache', 'sluice')
  nodeModule.enableCompileCache?.(process.env.NODE_COMPILE_CACHE)
  if (major(process.version) >= NODE_MAJOR_MIN) {
    process.argv[1] = MAIN
    await import(pathToFileURL(MAIN).href)
    return
  }
  const node = join(ROOT, 'node_modules', '.bin', 'node')
  if (!existsSync(node))
    throw new Error(
      `Sluice needs Node ${NODE_MAJOR_MIN}; this is ${process.version}, and npm has no Node package for ${process.platform}-${process.arch}.\n` +
        `Install Node ${NODE_MAJOR_MIN} from https://nodejs.org and run this again.`,
    )
  // With the same flags: without a bound V8 collects half a gigabyte of garbage before it frees it.
  await handOver(node, [...process.execArgv, MAIN, ...args])
}

/**
 * Runs cli/main.ts as a child and ends as it ends. Ctrl-C reaches both processes, and npm sends it once more;
 * the program counts signals that come within half a second as one, so all of them may be forwarded.
 * @param {string} command
 * @param {string[]} args
 */
async function handOver(command, args) {
  const child = spawn(command, args, { stdio: 'inherit' })
  for (const signal of /** @type {const} */ (['SIGINT', 'SIGTERM', 'SIGHUP']))
    process.on(signal, () => child.kill(signal))
  const [code, signal] = await new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', (...how) => resolve(how))
  })
  if (signal === null) {
    process.exitCode = code
    return
  }
  // The parent process sees the same signal.
  process.removeAllListeners(signal)
  process.kill(process.pid, signal)
}

/**
 * Installs missing packages, in the versions of package-lock.json. Not with npm ci: that deletes node_modules
 * of a running instance, and refuses a lockfile without packages for other platforms.
 * @param {{ withDev: boolean }} options
 */
async function install({ withDev }) {
  const lock = readPackages(join(ROOT, 'package-lock.json'))
  if (!lock)
    throw new Error(
      'package-lock.json is missing or invalid. Restore it: git checkout package-lock.json',
    )
  const installed = readPackages(join(ROOT, 'node_modules', '.package-lock.json'))
  const wanted = Object.keys(lock).filter((path) => isWanted(path, lock, withDev))
  const missing = wanted.filter((path) => !matches(path, lock, installed))
  if (missing.length === 0) return

  // With --omit=dev npm would remove development packages that are installed.
  const hasDev = installed !== undefined && Object.keys(installed).some((path) => lock[path]?.dev)
  const scope = withDev || hasDev ? '--include=dev' : '--omit=dev'
  const npmArgs = [
    'install',
    '--no-save',
    scope,
    '--include=optional',
    '--loglevel=error',
    '--no-audit',
    '--no-fund',
  ]
  const started = Date.now()
  const seconds = () => `${Math.round((Date.now() - started) / 1000)} s`
  const count = () => missing.filter((path) => existsSync(join(ROOT, path, 'package.json'))).length
  const line = () => `Installing packages  ${count()} of ${missing.length}  ${seconds()}`

  out.write(out.isTTY ? line() : `Installing ${missing.length} packages (npm install)\n`)
  const ticking = out.isTTY && setInterval(() => out.write(`\r\x1b[2K${line()}`), PROGRESS_EVERY_MS)
  try {
    await npm(npmArgs)
  } finally {
    if (ticking) clearInterval(ticking)
    if (out.isTTY) out.write('\r\x1b[2K')
  }
  out.write(`Installed ${missing.length} packages in ${seconds()}\n`)
}

/**
 * What Deno's install script would do, since install scripts are off: its command becomes the binary. Otherwise
 * it is a script that does not forward signals, and a stopped test would leave Deno running.
 */
async function linkDeno() {
  const script = join(ROOT, 'node_modules', 'deno', 'install.cjs')
  const command = join(ROOT, 'node_modules', '.bin', 'deno')
  if (!existsSync(script) || !realpathSync(command).endsWith('.cjs')) return
  const child = spawn(process.execPath, [script], { stdio: ['ignore', 'ignore', 'inherit'] })
  const code = await new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', resolve)
  })
  if (code !== 0)
    throw new Error('Deno could not be linked; fix the error above, then run this again.')
}

/**
 * @param {string} path
 * @param {Record<string, any>} lock
 * @param {boolean} withDev
 */
function isWanted(path, lock, withDev) {
  const entry = lock[path]
  if (path === '' || entry.link) return false
  if ((entry.dev || entry.devOptional) && !withDev) return false
  if (!entry.optional && !entry.devOptional) return true
  // Of the optional packages only those of package.json are needed: Postgres, and Node if this one is too old.
  const name = path.slice('node_modules/'.length)
  if (!(name in (lock['']?.optionalDependencies ?? {}))) return false
  if (name.startsWith('node-') && major(process.version) >= NODE_MAJOR_MIN) return false
  return fits(entry.os, process.platform) && fits(entry.cpu, process.arch)
}

/**
 * @param {string} path
 * @param {Record<string, any>} lock
 * @param {Record<string, any> | undefined} installed
 */
function matches(path, lock, installed) {
  const wanted = lock[path]
  const found = installed?.[path]
  return (
    found?.version === wanted.version &&
    (!wanted.integrity || !found.integrity || found.integrity === wanted.integrity) &&
    existsSync(join(ROOT, path, 'package.json'))
  )
}

/**
 * @param {string[] | undefined} allowed
 * @param {string} ours
 */
function fits(allowed, ours) {
  return !allowed || allowed.includes(ours)
}

/** @param {string} file */
function readPackages(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8')).packages
  } catch {
    return undefined
  }
}

/** @param {string[]} args */
async function npm(args) {
  // The npm that runs this script, if one does; its path is a script for this Node.
  const script = process.env.npm_execpath
  const [command, before] =
    script && /npm-cli\.[cm]?js$/.test(script) ? [process.execPath, [script]] : ['npm', []]
  const child = spawn(command, [...before, ...args], {
    cwd: ROOT,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk) => {
      if (output.length < 4_000) output += chunk
    })
  const code = await new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', resolve)
  })
  if (code !== 0)
    throw new Error(
      `${output.trim()}\nnpm could not install the packages (exit ${code}). Fix the error above, then run this again.`,
    )
}

/** @param {string} version */
function major(version) {
  return Number(/^v(\d+)/.exec(version)?.[1])
}
